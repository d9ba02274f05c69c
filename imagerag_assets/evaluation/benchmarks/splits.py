"""Which queries are for tuning and which are reported, so that nothing is tuned on what is reported."""

from __future__ import annotations

import hashlib
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
REPORTED = ("", "test")
"""What an evaluation runs and reports: the queries of a benchmark without splits, or those of its test split."""


class Shares(BaseModel):
    """How large each split is, in any unit; a split may be empty, the one that is reported may not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    train: float = Field(default=40, ge=0, allow_inf_nan=False)
    validation: float = Field(default=20, ge=0, allow_inf_nan=False)
    test: float = Field(default=40, gt=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _something_is_held_out(self) -> Shares:
        if not self.train + self.validation:
            raise ValueError("nothing is for tuning: leave the splits out, then every query is reported")
        return self


def split_of(query_id: str, shares: Shares) -> Split:
    """Draw the split of a query from its id alone: the same everywhere, whatever other queries there are."""
    place = int.from_bytes(hashlib.sha256(query_id.encode()).digest()[:8]) / 2**64
    place *= shares.train + shares.validation + shares.test
    if place < shares.train:
        return "train"
    return "validation" if place < shares.train + shares.validation else "test"
