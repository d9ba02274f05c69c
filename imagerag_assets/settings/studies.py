"""What is found out about the live index: which embedders are compared, and what a healthy index keeps."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from imagerag_assets.settings.section import Section


class Embedder(Section):
    """An image–text dual encoder: `bundled`, a local folder, or a hub id."""

    model: str = Field(min_length=1)
    revision: str | None = None


class Comparison(Section):
    """Embedders that are put beside the configured one on the same benchmarks. None: there is nothing to compare."""

    embedders: tuple[Embedder, ...] = ()


class Health(Section):
    """How the vector indexes are looked at, and from when on that is a warning."""

    sample: int = Field(default=50, ge=1, le=10_000)
    """Stored vectors that are searched for, of the tiles and of the descriptions."""
    min_recall: float = Field(default=0.95, ge=0.0, le=1.0)
    """Least share of the true ten nearest that the HNSW index finds at index.ef_search."""
    max_short_share: float = Field(default=0.0, ge=0.0, le=1.0)
    """Greatest share of filtered searches that give fewer images than the filter leaves."""
    ef_search: tuple[int, ...] = (10, 20, 40, 80, 160, 320)
    """What the sweep tries beside index.ef_search."""
    index_from: int = Field(default=10_000, ge=1)
    """From so many images on searches of all of them have to use the index; below, comparing with all is as fast."""
    max_recall_gap: float = Field(default=0.02, ge=0.0, le=1.0)
    """By how much the recall at index.ef_search may be below the best of the sweep."""

    @model_validator(mode="after")
    def _ef_search_is_known_to_pgvector(self) -> Self:
        if not self.ef_search or not all(1 <= one <= 1000 for one in self.ef_search):
            raise ValueError("health.ef_search needs one or more numbers from 1 to 1000")
        return self


class Tuning(Section):
    """How the proposals of `tuning_proposal` are found."""

    folds: int = Field(default=5, ge=2, le=20)
    """Parts of the train split: what a value gains is measured on those that did not choose it."""
    min_queries: int = Field(default=10, ge=2)
    """Judged queries that the train and the validation split need each; for duplicates, decided pairs of each."""
