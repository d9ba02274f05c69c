"""What an answer is: its text, the images that it cites, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from imagerag_assets.retrieval.search import Result

NOTHING = "The images do not answer this: nothing that was found is good enough."

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Citation:
    """`[number]` in an answer's text: the image, and its tile that matched best, in pixels."""

    number: int
    collection: str
    uri: str
    content: str
    box: Box | None


@dataclass(frozen=True)
class Answer:
    """An answer to one question.

    `refused`: the images do not answer it, and the text says so. `uncited`: the text names no image that it is from, so
    nobody can check it. `notes` are what a reader should know besides, such as a citation that was removed. `model`,
    `prompt`, tokens and `usd` are None where no language model was asked, `usd` also where the model has no known
    price.
    """

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    results: tuple[Result, ...] = ()
    """The images that the answer could be from: [1] is the first."""
    refused: bool = False
    extractive: bool = False
    uncited: bool = False
    notes: tuple[str, ...] = ()
    model: str | None = None
    prompt: str | None = None
    """A digest of what the model was told, without the data."""
    tokens_in: int | None = None
    tokens_out: int | None = None
    usd: Decimal | None = None
    latency_ms: float = 0.0


def citations_of(results: Sequence[Result], numbers: Sequence[int]) -> tuple[Citation, ...]:
    """The citations of these numbers, counted from 1."""
    cited = ((number, results[number - 1]) for number in numbers)
    return tuple(Citation(number, one.collection, one.uri, one.content, one.box) for number, one in cited)
