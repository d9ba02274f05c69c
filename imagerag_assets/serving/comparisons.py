"""Comparisons of what was measured, as the commands show them. Whether one is more than chance, `significance` says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from imagerag_assets.evaluation.significance import Comparison

NEEDED = "needed: queries that show a difference of this size in four cases of five."
"""What stands below the table."""


def comparison_table(found: Sequence[tuple[str, Comparison]], title: str) -> Table:
    """Comparisons by method for the terminal."""
    from imagerag_assets.evaluation.gate import HEADER, comparison_rows

    table = Table(*HEADER, title=title)
    last = found[0][0]
    for row in comparison_rows(found):
        if row[0] != last:
            table.add_section()
        last = row[0]
        table.add_row(*row)
    return table


def comparison_json(found: Sequence[tuple[str, Comparison]]) -> list[dict[str, Any]]:
    """The same for a program: JSON knows no infinity, which is what a single query's interval reaches to."""
    from imagerag_assets.evaluation.significance import finite

    return [
        {"method": method, **asdict(one), "low": finite(one.low), "high": finite(one.high), "verdict": one.verdict}
        for method, one in found
    ]
