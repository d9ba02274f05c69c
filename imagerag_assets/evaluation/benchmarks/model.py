"""What a benchmark is, wherever it came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from imagerag_assets.evaluation.benchmarks.splits import Shares, Split

ALL = "all"
"""What the metrics call the mean over every benchmark and every kind; nothing else may have this name."""


class Rules(BaseModel):
    """benchmark.yaml: how a benchmark is measured, and how its pool was made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    collection: str = ""
    """Where its images are; needed to pool and to judge."""
    relevant_from: int = Field(default=1, ge=1, le=2**31 - 1)
    """The least grade that Precision, Recall, MRR and the like call relevant. nDCG uses every grade above 0."""
    splits: Shares | None = None
    """How queries that no file gives a split are shared out; none: every query is reported."""
    depth: int = Field(default=10, ge=1, le=1000)
    """Results of each method that go into the pool."""
    seed: int = 0
    """Of the order in which pooled images are shown."""


@dataclass(frozen=True)
class Query:
    """A text, an example picture, or both. `split` is empty in a benchmark without splits."""

    query_id: str
    text: str
    image: Path | None
    kind: str
    language: str
    split: Literal[""] | Split = ""


@dataclass(frozen=True)
class Judgement:
    """A line of the qrels. `content` is the sha256 of the image that was judged, where that was written down."""

    query_id: str
    corpus_id: str
    score: int
    content: str | None = None


@dataclass(frozen=True)
class Benchmark:
    """What a folder says. `digest` covers the bytes of every file that was read, example pictures too."""

    queries: tuple[Query, ...]
    qrels: tuple[Judgement, ...]
    digest: str
    rules: Rules = field(default_factory=Rules)
