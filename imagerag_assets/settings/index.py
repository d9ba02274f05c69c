"""The index: where it is, how it is searched, and what a new one has to keep."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from imagerag_assets.settings.section import Section


class DatabaseSettings(Section):
    url: str = "embedded"
    """`embedded`, or a postgresql:// URL of a server with pgvector 0.8 or later."""

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError('must be "embedded" or start with postgresql://')
        return value


class Index(Section):
    """pgvector's HNSW parameters and the width of a search."""

    m: int = Field(default=16, ge=2, le=100)
    ef_construction: int = Field(default=64, ge=4, le=1000)
    build_memory_mb: int = Field(default=1024, ge=64, le=1_048_576)
    """maintenance_work_mem while the indexes are built: a graph that does not fit is built many times slower."""
    ef_search: int = Field(default=100, ge=1, le=1000)
    candidates: int = Field(default=200, ge=10, le=10_000)
    """How many images each leg hands to the fusion; where more than 5,000 are searched it is fewer."""
    relevance: float = Field(default=0.9, ge=0.0, le=1.0)
    """Results below it are not good enough: the share of queries without an answer that find nothing this good."""


class Fusion(Section):
    """What `hybrid` takes for granted of its legs (docs/fusion.md); `tuning_proposal` looks for better."""

    description_knows: float = Field(default=0.5, gt=0.0, lt=1.0)
    """How often a description knows anything of a query."""
    text_knows: float = Field(default=0.7, gt=0.0, lt=1.0)
    text_scale: float = Field(default=0.35, gt=0.0, le=10.0)
    """What a point of BM25 is worth. Terms are not independent: a sum of their log odds counts what they share more
    than once."""
    paraphrase: float = Field(default=0.4, gt=0.0, le=1.0)
    """A point of description similarity is worth less than an image's own words say it is: people use others."""
    shown_by_others: float = Field(default=0.65, gt=0.0, le=1.0)
    """Share kept of what `clip` is measured to know: the descriptions that measure it may be its own work."""
    tile_weight: float = Field(default=1.0, gt=0.0, le=1.0)
    """What the similarity of a tile counts beside that of the whole image."""


GateMetric = Literal["precision_at_5", "recall_at_10", "ndcg_at_10", "average_precision", "reciprocal_rank", "hit_at_1"]
"""A column of dbt's query_metrics, from 0 to 1, more is better."""


class Gate(Section):
    """What a candidate generation has to keep before it goes live, and what becomes of the one that it replaces."""

    metrics: dict[GateMetric, Annotated[float, Field(ge=0.0, le=1.0)]] = Field(
        default={"precision_at_5": 0.01, "recall_at_10": 0.01, "ndcg_at_10": 0.01}, min_length=1
    )
    """By how much the mean over all judged queries may fall, by metric; and that of each benchmark, beyond chance."""
    methods: tuple[Literal["clip", "description", "text", "rrf", "hybrid"], ...] = Field(
        default=("hybrid",), min_length=1
    )
    """The search methods that must not get worse."""
    wait_for_person: bool = False
    """A candidate that passes waits for `imagerag generations promote` or the job promote_candidate."""
    keep_retired_days: float = Field(default=14.0, ge=0.0)
    """Retired generations are dropped after so many days, never the one that a rollback goes back to."""
