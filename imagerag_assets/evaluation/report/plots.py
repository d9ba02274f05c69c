"""The report's plots as Plotly figures in JSON: what is drawn. How it looks is the page's script and style."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from imagerag_assets.evaluation.metrics import Row
from imagerag_assets.evaluation.report.evaluations import Measured

Figure = dict[str, Any]
"""`choices`: what may be shown, each with a name and the traces; `x` and `y`: titles, and what Plotly's axes take.

A trace has the name of its method, and gets the method's colour on the page.
"""
_NAME_LENGTH = 30
# Plotly knows few entities by name and all by number.
_INERT = str.maketrans({character: f"&#{ord(character)};" for character in "&<>\"'$%"})
_MARKS = ("circle", "square", "diamond", "triangle-up", "x", "star")


def figures(
    curves: Sequence[Row],
    latencies: Mapping[str, Sequence[float]],
    history: Sequence[Measured],
    methods: Sequence[str],
) -> dict[str, Figure]:
    """All plots that there is something to draw for, by the id of their place in the page."""
    found = {}
    if curves:
        found["recall"] = _recall(curves, methods)
        found["precision-recall"] = _precision_recall(curves, methods)
    if latencies:
        found["latency"] = _latency(latencies, methods)
    if len(history) > 1:
        found["history"] = _history(history, methods)
    return found


def _recall(curves: Sequence[Row], methods: Sequence[str]) -> Figure:
    return {
        "choices": _choices(curves, methods, lambda row: (row["k"], row["recall_at_k"]), "recall@%{x}: %{y:.3f}"),
        "x": {"title": "k, images looked at", "dtick": 1},
        "y": {"title": "recall@k", "range": [0, 1.02]},
    }


def _precision_recall(curves: Sequence[Row], methods: Sequence[str]) -> Figure:
    def point(row: Row) -> tuple[float, float]:
        return row["recall_at_k"], row["precision_at_k"]

    return {
        "choices": _choices(curves, methods, point, "recall %{x:.3f}, precision %{y:.3f}"),
        "x": {"title": "recall@k", "range": [0, 1.02]},
        "y": {"title": "precision@k, k from 1 to 10", "range": [0, 1.02]},
    }


def _choices(
    curves: Sequence[Row], methods: Sequence[str], point: Callable[[Row], tuple[float, float]], told: str
) -> list[Figure]:
    """One per benchmark in the order of the rows."""
    names = list(dict.fromkeys(row["benchmark"] for row in curves))
    return [
        {
            "name": "All collections" if name == "all" else name,
            "traces": [
                _trace(method, number, points, told)
                for number, method in enumerate(methods)
                if (points := [point(r) for r in curves if (r["benchmark"], r["method"]) == (name, method)])
            ],
        }
        for name in names
    ]


def _latency(latencies: Mapping[str, Sequence[float]], methods: Sequence[str]) -> Figure:
    """The share of queries that were answered within so many milliseconds."""
    traces = []
    for number, method in enumerate(methods):
        values = sorted(latencies.get(method, ()))
        points = [(value, (place + 1) / len(values)) for place, value in enumerate(values)]
        if points:
            trace = _trace(method, number, points, "%{y:.0%} within %{x:.1f} ms")
            traces.append(trace | {"mode": "lines" if len(points) > 1 else "markers", "line": {"shape": "hv"}})
    return {
        "choices": [{"name": "", "traces": traces}],
        "x": {"title": "milliseconds, logarithmic", "type": "log", "dtick": "D2"},
        "y": {"title": "share of queries answered", "range": [0, 1.02], "tickformat": ".0%"},
    }


def _history(history: Sequence[Measured], methods: Sequence[str]) -> Figure:
    """`history` is of `all_measured`, here drawn from the oldest to the newest."""
    traces = []
    for number, method in enumerate(methods):
        points = [
            (str(one.made.evaluation), row["ndcg_at_10"])
            for one in reversed(history)
            for row in one.methods
            if row["method"] == method
        ]
        traces.append(_trace(method, number, points, "evaluation %{x}: %{y:.3f}"))
    return {
        "choices": [{"name": "", "traces": traces}],
        # Numbers are names here: evaluations of candidates lie between.
        "x": {"title": "evaluation", "type": "category"},
        "y": {"title": "nDCG@10", "range": [0, 1.02]},
    }


def _trace(method: str, number: int, points: Sequence[tuple[Any, float]], told: str) -> Figure:
    name = _inert(method)
    return {
        "method": method,
        "name": name,
        "x": [_short(x) for x, _ in points],
        "y": [_short(y) for _, y in points],
        "mode": "lines+markers",
        "marker": {"symbol": _MARKS[number % len(_MARKS)], "size": 6},
        "hovertemplate": f"{told}<extra>{name}</extra>",
    }


def _inert(name: str) -> str:
    """A name of bounded length as Plotly shows it: it would read links, TeX between dollars and %{…} in it."""
    short = name if len(name) <= _NAME_LENGTH else f"{name[:_NAME_LENGTH]}…"
    return short.translate(_INERT)


def _short(value: Any) -> Any:
    """No more digits than a screen shows."""
    return round(value, 5) if isinstance(value, float) else value
