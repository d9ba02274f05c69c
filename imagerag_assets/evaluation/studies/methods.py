"""The guide's table: description only, CLIP only, hybrid. Every number is dbt's; none is computed here."""

from __future__ import annotations

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import fingerprint
from imagerag_assets.evaluation.gate import METRIC_NAMES
from imagerag_assets.evaluation.guide import GUIDE
from imagerag_assets.evaluation.history import reported_evaluations
from imagerag_assets.evaluation.markdown import markdown_table
from imagerag_assets.evaluation.metrics import Row, metrics_table, milliseconds
from imagerag_assets.evaluation.significance import Side, compare
from imagerag_assets.evaluation.studies import store
from imagerag_assets.evaluation.studies.differences import HEADER, difference, difference_row
from imagerag_assets.evaluation.studies.store import Study
from imagerag_assets.settings import GateMetric

STUDY = "method_comparison"
_VERSION = 1
_SHOWN = ("queries", "precision_at_5", "precision_at_5_ceiling", "recall_at_10", "latency_p50_ms")
_COMPARED: tuple[GateMetric, ...] = ("precision_at_5", "recall_at_10")


def method_comparison(connection: Connection) -> Study | None:
    """The table of the newest evaluation, and whether hybrid is better than each leg; None before the first.

    `result` has `rows` (benchmark, method, and dbt's columns) and `differences` (method, and what hybrid changes).
    """
    newest = next(iter(reported_evaluations(connection)), None)
    if newest is None:
        return None
    state = fingerprint(version=_VERSION, evaluation=newest.evaluation, evaluated_at=newest.evaluated_at)
    found = store.kept(connection, STUDY, state)
    if found is not None:
        return found
    evaluation = newest.evaluation
    table = [row for row in metrics_table(connection, evaluation) if row["method"] in GUIDE]
    rows = [{name: row[name] for name in ("benchmark", "method", *_SHOWN)} for row in table]
    differences = [
        {"method": method, **difference(one)}
        for method in GUIDE
        if method != "hybrid"
        for one in compare(connection, Side(evaluation, method), Side(evaluation, "hybrid"), _COMPARED)
    ]
    return store.keep(connection, STUDY, state, {"evaluation": evaluation, "rows": rows, "differences": differences})


def method_markdown(study: Study) -> str:
    """The guide's table beside the guide, then what hybrid adds."""
    header = ("collection", "method", "queries", "Precision@5 (ceiling)", "Recall@10", "p50 ms",
              "guide: Precision@5", "guide: Recall@10", "guide: ms")  # fmt: skip
    rows = sorted(study.result["rows"], key=_place)
    changes = [
        (GUIDE[one["method"]].name, METRIC_NAMES[one["metric"]], *difference_row(one))
        for one in study.result["differences"]
    ]
    return "\n\n".join(
        [
            markdown_table(header, [_row(row) for row in rows], numbers=7),
            "The guide's figures are of its own images and queries.",
            "What hybrid changes, over all queries:",
            markdown_table(("instead of", "metric", *HEADER), changes),
        ]
    )


def _place(row: Row) -> tuple[bool, str, int]:
    return row["benchmark"] != "all", row["benchmark"], list(GUIDE).index(row["method"])


def _row(row: Row) -> tuple[object, ...]:
    guide = GUIDE[row["method"]]
    return (
        row["benchmark"], guide.name, row["queries"],
        f"{row['precision_at_5']:.3f} ({row['precision_at_5_ceiling']:.3f})", row["recall_at_10"],
        milliseconds(row["latency_p50_ms"]),
        f"{guide.precision_at_5:.2f}", f"{guide.recall_at_10:.2f}", f"{guide.milliseconds:.0f}",
    )  # fmt: skip
