"""What other parts of the evaluation hand to the report: a heading with a table under it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A table of text. The first `words` columns are set flush left, the others are figures."""

    title: str
    note: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
