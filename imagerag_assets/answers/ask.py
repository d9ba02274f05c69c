"""Ask a question of the images: search, then an answer from what was found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from PIL import Image

from imagerag_assets.answers.answer import NOTHING, Answer, citations_of
from imagerag_assets.answers.extractive import extract
from imagerag_assets.answers.told import answer_from
from imagerag_assets.errors import QueryError
from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import Condition
from imagerag_assets.retrieval.images import picture_of, resolve
from imagerag_assets.retrieval.search import Query, Result, nothing_good_enough, search

LONGEST_QUESTION = 4_000
MOST_IMAGES = 10


def ask(
    project: Project,
    question: str,
    *,
    image: Image.Image | None = None,
    image_id: str | None = None,
    collections: tuple[str, ...] = (),
    where: Sequence[Condition] = (),
    limit: int = 3,
) -> Answer:
    """Answer a question from the best `limit` images for it, and for the picture beside it where there is one.

    Raises `QueryError` for a question that is empty or too long, and like `search`.
    """
    *_, answer = ask_stream(
        project, question, image=image, image_id=image_id, collections=collections, where=where, limit=limit
    )
    if not isinstance(answer, Answer):
        raise TypeError("a stream of an answer ends with it")
    return answer


def ask_stream(
    project: Project,
    question: str,
    *,
    image: Image.Image | None = None,
    image_id: str | None = None,
    collections: tuple[str, ...] = (),
    where: Sequence[Condition] = (),
    limit: int = 3,
) -> Iterator[str | Answer]:
    """Like `ask`: pieces of the text as they come, then the whole `Answer`, whose text is the one that counts.

    What makes no sense is refused, and the images are found, before the first piece is asked for.
    """
    _require_question(question, limit)
    started = time.monotonic()
    query = Query(question, image, image_id=image_id or "")
    results = tuple(search(project, query, collections=collections, where=where, limit=limit))
    return _timed(_answer(project, query, results), started)


def _answer(project: Project, query: Query, results: Sequence[Result]) -> Iterator[str | Answer]:
    settings = project.settings.models.answerer
    if not results or nothing_good_enough(results, project.settings.index.relevance):
        yield NOTHING
        yield Answer(query.text, NOTHING, results=tuple(results), refused=True, extractive=True)
    elif settings is None:
        text = extract(results)
        yield text
        yield Answer(
            query.text, text, citations_of(results, range(1, len(results) + 1)), tuple(results), extractive=True
        )
    else:
        yield from answer_from(project, settings, query.text, _shown(project, query), results)


def _shown(project: Project, query: Query) -> Image.Image | None:
    """The picture that the question is about, for the model to see."""
    if not query.image_id:
        return query.image
    with project.database.connect() as connection:
        _, _, content = resolve(connection, project, query.image_id)
        return picture_of(connection, project, content or "")


def _timed(pieces: Iterator[str | Answer], started: float) -> Iterator[str | Answer]:
    for piece in pieces:
        if isinstance(piece, Answer):
            yield replace(piece, latency_ms=round((time.monotonic() - started) * 1000, 1))
        else:
            yield piece


def _require_question(question: str, limit: int) -> None:
    if not question.strip():
        raise QueryError("Nothing is asked: give a question in words.")
    if len(question) > LONGEST_QUESTION:
        raise QueryError(f"The question has {len(question):,} characters; at most {LONGEST_QUESTION:,} are taken.")
    if not 1 <= limit <= MOST_IMAGES:
        raise QueryError(f"An answer is made from 1 to {MOST_IMAGES} images, not from {limit}.")
