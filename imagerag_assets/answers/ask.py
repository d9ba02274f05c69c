"""Ask a question of the images: search, then an answer from what was found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from PIL import Image

from imagerag_assets.answers.answer import Answer, citations_of
from imagerag_assets.answers.extractive import extract
from imagerag_assets.errors import QueryError
from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import Condition
from imagerag_assets.retrieval.search import Query, nothing_good_enough, search

LONGEST_QUESTION = 4_000
MOST_IMAGES = 10
NOTHING = "The images do not answer this: nothing that was found is good enough."


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
    """Like `ask`: pieces of the text as they come, then the whole `Answer`, whose text is the one that counts."""
    _require_question(question, limit)
    started = time.monotonic()
    results = tuple(
        search(
            project, Query(question, image, image_id or ""), collections=collections, where=where, limit=limit,
        )
    )  # fmt: skip
    if not results or nothing_good_enough(results, project.settings.index.relevance):
        answer = Answer(question, NOTHING, results=results, refused=True, extractive=True)
    else:
        text = extract(results)
        cited = citations_of(results, range(1, len(results) + 1))
        answer = Answer(question, text, cited, results, extractive=True)
    yield answer.text
    yield replace(answer, latency_ms=round((time.monotonic() - started) * 1000, 1))


def _require_question(question: str, limit: int) -> None:
    if not question.strip():
        raise QueryError("Nothing is asked: give a question in words.")
    if len(question) > LONGEST_QUESTION:
        raise QueryError(f"The question has {len(question):,} characters; at most {LONGEST_QUESTION:,} are taken.")
    if not 1 <= limit <= MOST_IMAGES:
        raise QueryError(f"An answer is made from 1 to {MOST_IMAGES} images, not from {limit}.")
