"""What dbt measured, read back: as rows, as changes, as Markdown, and as a small chart. No metric is computed here."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg.rows import dict_row

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.benchmarks.splits import REPORTED
from imagerag_assets.evaluation.history import evaluations, reported_evaluations
from imagerag_assets.evaluation.markdown import markdown_table

SHADES = {
    "hybrid": "#1f5f8b",
    "rrf": "#7a9cc6",
    "clip": "#c77d2e",
    "description": "#5b8c5a",
    "text": "#8a6fa8",
}
"""One colour per search method, the same in every chart."""
OTHER_SHADE = "#8b8f94"
DARK_SHADES = {
    "hybrid": "#6db3e8",
    "rrf": "#9db8dc",
    "clip": "#e09a4e",
    "description": "#86bd84",
    "text": "#b59ad6",
}
"""The same on a dark ground."""
DARK_OTHER_SHADE = "#a3a8ae"

Row = dict[str, Any]


def read(connection: Connection, query: LiteralString, *values: object, **named: object) -> list[Row]:
    """Run one statement with its values in order, or by name, and return its rows as dictionaries."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, named or values).fetchall()


def count_unmeasured(connection: Connection) -> int:
    """How many evaluations dbt could measure and has not.

    Where nothing is judged of what was asked, there is nothing to measure: not before the first mark, and never again
    where all its queries have left the benchmark since.
    """
    unmeasured = [one.evaluation for one in evaluations(connection) if not one.measured]
    query = """
        with judged as materialized (
            select distinct benchmark, query_id
            from judgements j join benchmarks b using (benchmark) join benchmark_queries q using (benchmark, query_id)
            where j.group_id is not null and j.score >= b.relevant_from and q.split = any(%s)
        )
        select count(*) from evaluations e
        where e.evaluation = any(%s) and exists (
            select from query_latencies l join judged using (benchmark, query_id) where l.evaluation = e.evaluation)
    """
    return int(one_row(connection.execute(query, (list(REPORTED), unmeasured)))[0])


def changes_of_means(connection: Connection, evaluation: int, previous: int) -> dict[tuple[str, str], Row]:
    """By (benchmark, method), "all" too: how far the means moved since an earlier evaluation.

    precision_at_5, recall_at_10, ndcg_at_10 and mrr, over the `compared` of the `queries`: those that were asked then
    and judged alike. None where there is none: a mean over other queries, or by other judgements, says nothing of it.
    """
    rows = read(
        connection,
        """
        select case when grouping(n.benchmark) = 1 then %s else n.benchmark end as benchmark, n.method,
               count(*) as queries, count(o.query_id) as compared,
               avg(n.precision_at_5 - o.precision_at_5) as precision_at_5,
               avg(n.recall_at_10 - o.recall_at_10) as recall_at_10,
               avg(n.ndcg_at_10 - o.ndcg_at_10) as ndcg_at_10,
               avg(n.reciprocal_rank - o.reciprocal_rank) as mrr
        from imagerag_eval.query_metrics n
        left join imagerag_eval.query_metrics o
            on (o.benchmark, o.method, o.query_id, o.judged_as) = (n.benchmark, n.method, n.query_id, n.judged_as)
           and o.evaluation = %s
        where n.evaluation = %s
        group by grouping sets ((n.method), (n.method, n.benchmark))
        """,
        ALL,
        previous,
        evaluation,
    )
    return {(row["benchmark"], row["method"]): row for row in rows}


def changes_of_queries(connection: Connection, evaluation: int, previous: int) -> list[Row]:
    """benchmark, query_id, method, `before` and `now` (nDCG@10) of the queries that both judged alike, worst first."""
    return read(
        connection,
        """
        select n.benchmark, n.query_id, n.method, o.ndcg_at_10 as before, n.ndcg_at_10 as now
        from imagerag_eval.query_metrics n
        join imagerag_eval.query_metrics o using (benchmark, method, query_id, judged_as)
        where n.evaluation = %s and o.evaluation = %s
        order by n.ndcg_at_10 - o.ndcg_at_10, n.benchmark, n.query_id, n.method
        """,
        evaluation,
        previous,
    )


def comparability(changes: Mapping[tuple[str, str], Row], previous: int) -> str:
    """Say which benchmarks cannot be compared with the earlier evaluation, or only in part. Empty where all can."""
    counts = {
        benchmark: (row["compared"], row["queries"]) for (benchmark, _), row in changes.items() if benchmark != ALL
    }
    told = [
        f"{name}: none of its {queries} queries was asked and judged alike"
        if not compared
        else f"{name}: {compared} of {queries} queries compare, the others are new or judged otherwise since"
        for name, (compared, queries) in sorted(counts.items())
        if compared < queries
    ]
    if told and not any(compared for compared, _ in counts.values()):
        return f"Nothing can be compared with evaluation {previous}: the benchmarks have changed since."
    return f"Compared with evaluation {previous}: {'; '.join(told)}." if told else ""


def metrics_table(
    connection: Connection, evaluation: int | None = None, *, by_kind: bool = False, by_language: bool = False
) -> list[Row]:
    """One row per benchmark and method over all queries, "all" first, the highest nDCG@10 first.

    `evaluation` defaults to the newest measured one; no rows when there is none. `by_kind` and `by_language` add the
    rows of each kind of query and of each language, both together those of both. The keys are the columns of dbt's
    eval_metrics.
    """
    if evaluation is None:
        newest = reported_evaluations(connection)
        if not newest:
            return []
        evaluation = newest[0].evaluation
    return read(
        connection,
        "select * from imagerag_eval.eval_metrics "
        "where evaluation = %(evaluation)s and (kind = %(all)s or %(kinds)s) and (language = %(all)s or %(languages)s) "
        "order by benchmark <> %(all)s, benchmark, kind <> %(all)s, kind, language <> %(all)s, language, "
        "ndcg_at_10 desc, method",
        evaluation=evaluation,
        all=ALL,
        kinds=by_kind,
        languages=by_language,
    )


def metrics_markdown(connection: Connection) -> str:
    """Give the newest evaluation as a Markdown table for Dagster's metadata."""
    rows = metrics_table(connection)
    if not rows:
        return "Nothing is measured of what is live."
    header = (
        "benchmark", "method", "queries", "P@5 (ceiling)", "Recall@10", "nDCG@10", "MRR", "MAP@10", "hit@1", "p50 ms",
        "p95 ms",
    )  # fmt: skip
    table = [
        (
            row["benchmark"],
            row["method"],
            row["queries"],
            f"{row['precision_at_5']:.3f} ({row['precision_at_5_ceiling']:.3f})",
            *(row[name] for name in ("recall_at_10", "ndcg_at_10", "mrr")),
            # Measured since later than the others.
            "–" if row["map_at_10"] is None else row["map_at_10"],
            row["hit_at_1"],
            *(milliseconds(row[name]) for name in ("latency_p50_ms", "latency_p95_ms")),
        )
        for row in rows
    ]
    return markdown_table(header, table, numbers=9)


def milliseconds(value: float | None) -> str:
    """Two significant digits below 10 ms, whole milliseconds above, a dash when nothing was timed."""
    if value is None:
        return "–"
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def metrics_plot_png(connection: Connection) -> bytes:
    """Draw the newest evaluation's Precision@5 and Recall@10 over all queries, a bar per method, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [row for row in metrics_table(connection) if row["benchmark"] == ALL][::-1]
    figure = Figure(figsize=(7, 0.9 + 0.3 * len(rows)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (name, title) in zip(
        figure.subplots(1, 2, sharey=True),
        (("precision_at_5", "Precision@5 and its ceiling"), ("recall_at_10", "Recall@10")),
        strict=True,
    ):
        bars = axes.barh(
            range(len(rows)),
            [row[name] for row in rows],
            color=[SHADES.get(row["method"], OTHER_SHADE) for row in rows],
        )
        axes.bar_label(bars, fmt="%.3f", padding=3, fontsize=8)
        if name == "precision_at_5" and rows:
            axes.axvline(rows[0]["precision_at_5_ceiling"], color="#444", linewidth=1, linestyle=":")
        # A dollar sign in a name would start mathematics.
        axes.set_yticks(range(len(rows)), [row["method"].replace("$", r"\$") for row in rows])
        axes.set_xlim(0, 1.12)
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
