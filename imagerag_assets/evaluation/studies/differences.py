"""Differences as studies keep and show them. Whether one is more than chance, `significance` says."""

from __future__ import annotations

from typing import Any

from imagerag_assets.evaluation.significance import Comparison, finite, interval_told, p_told

HEADER = ("queries", "before", "after", "change", "95 % interval", "p", "is it better?")
"""Of `difference_row`."""


def difference(one: Comparison) -> dict[str, Any]:
    """A comparison for JSON."""
    return {
        "metric": one.metric, "queries": one.queries, "before": one.before, "after": one.after,
        "difference": one.difference, "low": finite(one.low), "high": finite(one.high), "p": one.p,
        "verdict": one.verdict,
    }  # fmt: skip


def difference_row(one: dict[str, Any]) -> tuple[str, ...]:
    """What `difference` gave, as people read it."""
    return (
        str(one["queries"]), f"{one['before']:.3f}", f"{one['after']:.3f}", f"{one['difference']:+.3f}",
        interval_told(one["low"], one["high"]), p_told(one["p"]), one["verdict"],
    )  # fmt: skip
