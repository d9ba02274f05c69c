"""What `health` found, in tables, as a plot, and as findings that checks and reports pass on."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imagerag_assets.evaluation.markdown import markdown_table
from imagerag_assets.evaluation.metrics import SHADES, milliseconds
from imagerag_assets.evaluation.studies.store import Result
from imagerag_assets.settings import Health


@dataclass(frozen=True)
class Finding:
    """One question to the index and its answer in words; `numbers` are what a plot over time wants."""

    passed: bool
    told: str
    numbers: dict[str, float]


def recall_finding(result: Result, rules: Health) -> Finding:
    """Whether HNSW finds what an exact search does."""
    recalls = {one["leg"]: _configured(one)["recall"] for one in result["legs"]}
    low = [leg for leg, recall in recalls.items() if recall < rules.min_recall]
    told = ", ".join(f"{leg} {recall:.3f}" for leg, recall in recalls.items()) or "no vectors yet"
    said = f"Recall@10 of HNSW against exact search: {told}; health.min_recall is {rules.min_recall}."
    if low:
        said += " Raise index.ef_search, or index.m and index.ef_construction for a new generation."
    return Finding(not low, said, {f"{leg}_recall_at_10": recall for leg, recall in recalls.items()})


def filter_finding(result: Result, rules: Health) -> Finding:
    """Whether filtered searches give as many images as there are."""
    searches = sum(one["searches"] for one in result["filters"])
    short = [one for one in result["filters"] if one["short"]]
    count = sum(one["short"] for one in short)
    share = count / searches if searches else 0.0
    names = ", ".join(f"{one['leg']} {one['key']}={one['value']}" for one in short[:5])
    said = f"{count} of {searches} filtered searches give fewer images than exist" + (f": {names}" if names else "")
    return Finding(share <= rules.max_short_share, f"{said}.", {"short_share": share})


def use_finding(result: Result, rules: Health) -> Finding:
    """Whether searches of the whole index scan it."""
    unused = [one["leg"] for one in result["legs"] if not one["scans"]]
    used = [one["leg"] for one in result["legs"] if one["scans"]]
    said = [f"Searches by {', '.join(used)} use the HNSW index."] if used else []
    small = result["images"] < rules.index_from
    if unused and small:
        said.append(
            f"Searches by {', '.join(unused)} compare with all {result['images']:,} images: below health.index_from "
            f"({rules.index_from:,}) that is as fast, and exact."
        )
    elif unused:
        said.append(
            f"Searches by {', '.join(unused)} do not use the HNSW index of {result['images']:,} images. Run ANALYZE on "
            f"the tables of generation {result['generation']}, and look at the plan."
        )
    missing = result["missing"]
    if missing:
        said.append(
            f"There is no HNSW index of the vectors of {', '.join(missing)}: somebody dropped it from the schema "
            f"imagerag_generation_{result['generation']}."
        )
    return Finding(
        not missing and (small or not unused),
        " ".join(said) or "No vectors yet.",
        {"legs_without_index": float(len(unused) + len(missing))},
    )


def width_finding(result: Result, rules: Health) -> Finding:
    """Whether a larger ef_search would find more."""
    told, worst = [], 0.0
    for one in result["legs"]:
        best = max(point["recall"] for point in one["sweep"])
        gap = best - _configured(one)["recall"]
        enough = min(point["ef_search"] for point in one["sweep"] if point["recall"] >= best - rules.max_recall_gap)
        told.append(
            f"{one['leg']}: {gap:.3f} below the best of the sweep; {enough} is enough for all but "
            f"{rules.max_recall_gap} of it"
        )
        worst = max(worst, gap)
    widths = sorted({one["ef_search"] for one in result["legs"]})
    said = f"index.ef_search is {', '.join(map(str, widths))}. {'; '.join(told)}." if told else "No vectors yet."
    return Finding(worst <= rules.max_recall_gap, said, {"recall_gap": worst})


FINDINGS: dict[str, Callable[[Result, Health], Finding]] = {
    "hnsw_finds_the_nearest": recall_finding,
    "filters_give_all_there_is": filter_finding,
    "searches_use_the_index": use_finding,
    "ef_search_is_wide_enough": width_finding,
}
"""Every question by the name of its check."""


SWEEP_HEADER = ("leg", "vectors", "ef_search", "recall@10", "p50 ms", "p95 ms")
"""Of `sweep_rows`."""


def sweep_rows(result: Result) -> list[tuple[str, ...]]:
    """What each ef_search that was tried finds and costs."""
    return [
        (one["leg"], f"{one['vectors']:,}", f"{point['ef_search']}{' (set)' if point == _configured(one) else ''}",
         f"{point['recall']:.3f}", milliseconds(point["p50_ms"]), milliseconds(point["p95_ms"]))
        for one in result["legs"] for point in one["sweep"]
    ]  # fmt: skip


def health_markdown(result: Result) -> str:
    """The sweep, the plans and the filters as tables."""
    plans = [(one["leg"], "yes" if one["scans"] else "no", one["plan"]) for one in result["legs"]]
    filters = [
        (one["leg"], f"{one['key']}={one['value']}", f"{one['images']:,}", one["searches"], one["short"])
        for one in result["filters"]
    ]
    return "\n\n".join(
        [
            markdown_table(SWEEP_HEADER, sweep_rows(result), numbers=5),
            markdown_table(("leg", "searches use the index", "how their plan goes through the vectors"), plans),
            markdown_table(("leg", "filter", "images", "searches", "too few"), filters, numbers=3),
        ]
    )


def sweep_plot_png(result: Result) -> bytes:
    """Recall over latency, a line per leg and a point per ef_search; the one that is set is filled."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for one, above in zip(result["legs"], (5, -11), strict=False):
        points = one["sweep"]
        axes.plot(
            [point["p50_ms"] for point in points], [point["recall"] for point in points],
            color=SHADES[one["leg"]], marker="o", markerfacecolor="white", markersize=5, label=one["leg"],
        )  # fmt: skip
        configured = _configured(one)
        axes.plot(configured["p50_ms"], configured["recall"], marker="o", markersize=7, color=SHADES[one["leg"]])
        for point in points:
            axes.annotate(
                str(point["ef_search"]), (point["p50_ms"], point["recall"]), xytext=(-4, above),
                textcoords="offset points", fontsize=7, color=SHADES[one["leg"]],
            )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("{x:g}")
    axes.margins(y=0.15)
    axes.set_xlabel("median milliseconds of a scan")
    axes.set_ylabel("recall@10 against exact search")
    axes.set_title("ef_search: what a wider search finds, and costs", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    if result["legs"]:
        axes.legend(frameon=False, fontsize=8, loc="lower right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _configured(one: dict[str, Any]) -> dict[str, float]:
    """The point of the sweep that searches use."""
    point: dict[str, float] = next(point for point in one["sweep"] if point["ef_search"] == one["ef_search"])
    return point
