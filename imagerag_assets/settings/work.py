"""How much is tried, and what it may cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from imagerag_assets.settings.section import Section


class Retries(Section):
    """How often a failed item is tried again, and how long after."""

    attempts: int = Field(default=3, ge=1)
    first_wait_seconds: float = Field(default=60.0, ge=0.0)


class Budget(Section):
    """What calls of paid models may cost, in USD. None: no limit."""

    run_usd: float | None = Field(default=None, ge=0.0)
    day_usd: float | None = Field(default=None, ge=0.0)
    """Per calendar day in UTC, over all runs."""
    collections_usd: dict[str, Annotated[float, Field(ge=0.0)]] = Field(default_factory=dict)
    """By collection, over all time."""

    @property
    def limited(self) -> bool:
        return self.run_usd is not None or self.day_usd is not None or bool(self.collections_usd)
