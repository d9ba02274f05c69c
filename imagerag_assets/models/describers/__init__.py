"""Describers: an image → the four parts of a RAG description. One file per kind; what they share is here.

`zero_shot` needs no language model; `endpoint` asks a vision model behind an OpenAI-compatible URL, `local` one in this
process. `prompt.md` is what both are told, `schema` what they must answer. `judge` asks whether a description is right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic

from PIL import Image
from typing_extensions import TypeVar

from imagerag_assets.models.calls import Call


@dataclass(frozen=True)
class Description:
    """What a describer says of one image."""

    general: str
    key_elements: tuple[str, ...]
    visible_text: str
    category: str
    tags: tuple[str, ...]
    confidence: float | None
    """Probability of the category against the vocabulary's others, 0–1; None from a describer that has none."""


@dataclass(frozen=True)
class Subject:
    """One image to describe. `load` gives its upright RGB pixels, or raises `ItemError`."""

    key: str
    collection: str
    """The collection whose budget pays."""
    context: str
    """What the describer is told of the collection."""
    ocr: str
    load: Callable[[], Image.Image]
    said: Description | None = None
    """What is to be judged, for a judge."""


A = TypeVar("A", default=Description)
"""What is answered: a description, or a judge's word on one."""


@dataclass(frozen=True)
class Task(Generic[A]):
    """What an endpoint is asked to do with an image, and in which form it has to answer."""

    name: str
    instructions: Callable[[], str]
    message: Callable[[Subject], str]
    """What is known of the image, as data."""
    schema: Mapping[str, Any]
    parse: Callable[[str], A]
    """Raises `InvalidAnswerError`."""


@dataclass(frozen=True)
class Reply(Generic[A]):
    """What one call, or the look at one image, came to. Without description and error the image is not settled yet."""

    subject: Subject
    call: Call | None = None
    description: A | None = None
    error: Exception | None = None
