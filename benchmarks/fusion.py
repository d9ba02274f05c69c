"""How good the fusion is beside other ways, on the benchmarks of settings files: tables, relevance, and a plot.

    python -m benchmarks.fusion --settings imagerag.yaml other.yaml --unanswerable queries.txt --plot evidence.png

The index has to be materialized. Ranks and standardised sums are computed here from the same scores of every image.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.runs import benchmark_queries, opened_query
from imagerag_assets.methods import Leg
from imagerag_assets.project import Project, open_project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.search import Query, encode_query, search_rows

Scores = NDArray[np.float64]
_EVERYTHING = 10_000
_LEGS: tuple[Leg, ...] = ("clip", "description", "text")


@dataclass(frozen=True)
class Asked:
    """One query over a whole collection: what each leg and the fusion say of every group, and which are right."""

    legs: dict[Leg, Scores]
    ratios: dict[Leg, Scores]
    fused: Scores
    relevance: float | None
    right: NDArray[np.bool_]
    all_right: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path, nargs="*", default=[None])
    parser.add_argument("--unanswerable", type=Path, help="a file with one query per line that nothing answers")
    parser.add_argument("--plot", type=Path, help="where the plot of the evidence goes")
    arguments = parser.parse_args()
    lines = arguments.unanswerable.read_text(encoding="utf-8").splitlines() if arguments.unanswerable else []
    collections: dict[str, list[Asked]] = {}
    for settings in arguments.settings:
        project = open_project(settings)
        with project.database.connect() as connection:
            found = {name: list(asked) for name, asked in _collections(connection, project)}
            _print_fusions(found)
            if lines:
                _print_relevance(connection, project, found, lines)
        collections |= found
    if arguments.plot:
        _plot(collections, arguments.plot)


def _collections(connection: Connection, project: Project) -> Iterator[tuple[str, Iterator[Asked]]]:
    asked = benchmark_queries(connection)
    limits = project.settings.limits
    for name in sorted({one.benchmark for one in asked}):
        mine = [one for one in asked if one.benchmark == name]
        yield name, (_ask(connection, project, name, opened_query(one, limits), one.query_id) for one in mine)


def _ask(connection: Connection, project: Project, collection: str, query: Query, query_id: str) -> Asked:
    judged = connection.execute(
        "select distinct g.group_id from qrels q join corpus_groups g on g.collection = q.benchmark "
        "and g.uri = q.corpus_id where q.benchmark = %s and q.query_id = %s and q.score > 0",
        (collection, query_id),
    ).fetchall()
    rows = _rows(connection, project, collection, query)
    wanted = {row[0] for row in judged}
    columns = {"clip": "clip", "description": "description_score", "text": "text_score"}
    return Asked(
        {leg: _column(rows, columns[leg]) for leg in _LEGS},
        {leg: _column(rows, f"{leg}_ratio") for leg in _LEGS},
        _column(rows, "score"),
        max((row["relevance"] for row in rows[:10] if row["relevance"] is not None), default=None),
        np.array([row["group_id"] in wanted for row in rows]),
        len(wanted),
    )


def _rows(connection: Connection, project: Project, collection: str, query: Query) -> list[dict[str, Any]]:
    return search_rows(
        connection, project, encode_query(project, query), generations.live(connection), method="hybrid",
        collections=(collection,), limit=_EVERYTHING,
    )  # fmt: skip


def _column(rows: list[dict[str, Any]], name: str) -> Scores:
    return np.array([np.nan if row[name] is None else row[name] for row in rows], dtype=np.float64)


def _quality(asked: list[Asked], score: Callable[[Asked], Scores]) -> tuple[float, float]:
    """Mean Precision@5 and Recall@10. What has no score is not found; equal scores stay in the search's order."""
    precision, recall = [], []
    for one in asked:
        values = score(one)
        order = np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable")
        hits = one.right[order] & ~np.isnan(values[order])
        precision.append(hits[:5].sum() / 5)
        recall.append(hits[:10].sum() / max(one.all_right, 1))
    return float(np.mean(precision)), float(np.mean(recall))


def _ranks(weights: tuple[float, ...]) -> Callable[[Asked], Scores]:
    """Reciprocal rank fusion, k = 60, of the three legs."""

    def score(one: Asked) -> Scores:
        total = np.zeros(len(one.right))
        for leg, weight in zip(_LEGS, weights, strict=True):
            values = one.legs[leg]
            rank = np.argsort(np.argsort(-np.nan_to_num(values, nan=-np.inf), kind="stable"), kind="stable") + 1
            total += np.where(np.isnan(values), 0, weight / (60 + rank))
        return total

    return score


def _standardised(one: Asked) -> Scores:
    total = np.zeros(len(one.right))
    for leg in _LEGS:
        values = np.nan_to_num(one.legs[leg]) if leg == "text" else one.legs[leg]
        if not np.isnan(values).all() and np.nanstd(values) > 0:
            total += np.nan_to_num((values - np.nanmean(values)) / np.nanstd(values))
    return total


def _print_fusions(collections: dict[str, list[Asked]]) -> None:
    table = Table("collection", *_LEGS, "rrf .7/.3", "rrf tuned on it", "standardised sum", "hybrid", "above best leg")
    weights = [one for one in itertools.product(np.linspace(0, 1, 11), repeat=3) if abs(sum(one) - 1) < 1e-6]
    for name, asked in collections.items():
        legs = [_quality(asked, lambda one, leg=leg: one.legs[leg]) for leg in _LEGS]  # type: ignore[misc]
        tuned = max((_quality(asked, _ranks(one)) for one in weights), key=sum)
        ours = _quality(asked, lambda one: one.fused)
        others = [_quality(asked, _ranks((0.7, 0.3, 0.0))), tuned, _quality(asked, _standardised)]
        gain = [ours[k] - max(leg[k] for leg in legs) for k in (0, 1)]
        table.add_row(
            name, *(f"{p:.3f} / {r:.3f}" for p, r in (*legs, *others, ours)), f"{gain[0]:+.3f} / {gain[1]:+.3f}"
        )
    Console(width=170).print(table)


def _print_relevance(
    connection: Connection, project: Project, collections: dict[str, list[Asked]], lines: list[str]
) -> None:
    threshold = project.settings.index.relevance
    table = Table("collection", "ROC-AUC", f"false alarms at {threshold}", f"answerable queries above {threshold}")
    for name, asked in collections.items():
        good = [one.relevance for one in asked if one.relevance is not None]
        bad = []
        for line in lines:
            rows = _rows(connection, project, name, Query(line))[:10]
            bad += [max(row["relevance"] for row in rows if row["relevance"] is not None)]
        if not good:
            continue
        wins = [float(one > other) + 0.5 * float(one == other) for one in good for other in bad]
        alarms, passed = np.mean(np.array(bad) >= threshold), np.mean(np.array(good) >= threshold)
        table.add_row(name, f"{np.mean(wins):.3f}", f"{alarms:.2f}", f"{passed:.2f}")
    Console(width=120).print(table)


def _plot(collections: dict[str, list[Asked]], file: Path) -> None:
    """The evidence that was measured without labels beside the one that the benchmark's labels show."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 4.2), sharey=True)
    for leg, axis in zip(_LEGS, axes, strict=True):
        axis.plot([-4, 6], [-4, 6], color="#bbbbbb", linewidth=1, linestyle="--")
        for number, (name, asked) in enumerate(collections.items()):
            seen = [one for one in asked if one.all_right and not np.isnan(one.ratios[leg]).all()]
            if not seen:
                continue
            measured = np.concatenate([np.log(np.maximum(one.ratios[leg], 1e-9)) for one in seen])
            right = np.concatenate([one.right for one in seen])
            edges = np.unique(np.quantile(measured, [0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 1]))
            place = np.digitize(measured, edges[1:-1])
            points = [
                (measured[place == k].mean(), np.log(right[place == k].mean() / right.mean()))
                for k in range(len(edges) - 1)
                if right[place == k].any()
            ]
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, color=f"C{number}", label=name)
        axis.set_title(leg)
        axis.set_xlim(-8, 6)
        axis.set_xlabel("measured: ln (N · softmax)")
    axes[0].set_ylabel("observed: ln (share right / share right of all)")
    axes[0].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
