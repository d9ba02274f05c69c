"""Which evaluations there are, of what, and which of them dbt has measured. What it measured is read by `metrics`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg import sql
from psycopg.rows import class_row

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.evaluation.benchmarks.splits import REPORTED


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one generation, with the code and the benchmarks that it was made with.

    `measured`: dbt has computed all its metrics. `status` and `was_live` are the generation's. The versions and
    `benchmarks` (each with its digest) are None in evaluations from before they were kept.
    """

    evaluation: int
    generation: int
    evaluated_at: datetime
    fingerprint: str
    run_id: str
    package_version: str | None
    search_version: int | None
    metrics_version: int | None
    benchmarks: dict[str, str] | None
    status: str
    was_live: bool
    measured: bool


# An emptied database counts from 1 again, so the number alone does not tell that dbt has seen it.
_MEASURED = """exists (
    select from imagerag_eval.eval_metrics m where (m.evaluation, m.evaluated_at) = (e.evaluation, e.created_at))"""


def evaluations(connection: Connection, generation: int | None = None) -> list[Evaluation]:
    """All evaluations, or those of one generation, the newest first."""
    (built,) = one_row(connection.execute("select to_regclass('imagerag_eval.eval_metrics') is not null"))
    statement = sql.SQL(
        """
        select e.evaluation, e.generation, e.created_at as evaluated_at, e.fingerprint, e.run_id, e.package_version,
               e.search_version, e.metrics_version, e.benchmarks, g.status, g.live_at is not null as was_live,
               {measured} as measured
        from evaluations e join generations g using (generation)
        where %(generation)s::integer is null or e.generation = %(generation)s
        order by e.evaluation desc
        """
    ).format(measured=sql.SQL(_MEASURED if built else "false"))
    with connection.cursor(row_factory=class_row(Evaluation)) as cursor:
        return cursor.execute(statement, {"generation": generation}).fetchall()


def reported_evaluations(connection: Connection) -> list[Evaluation]:
    """The newest measured evaluation of what is live, and the one before it.

    Evaluations of candidates that never went live are none of them: they are the gate's. Nor is the newest one that of
    which no query is asked any more: it is history, of a benchmark that is gone.
    """
    known = [one for one in evaluations(connection) if one.measured and (one.was_live or one.status == "live")]
    newest = next(
        (place for place, one in enumerate(known) if one.status == "live" and _still_asked(connection, one)), len(known)
    )
    return known[newest : newest + 2]


def _still_asked(connection: Connection, one: Evaluation) -> bool:
    (asked,) = one_row(
        connection.execute(
            "select exists (select from query_latencies l join benchmark_queries q using (benchmark, query_id) "
            "where l.evaluation = %s and q.split = any(%s))",
            (one.evaluation, list(REPORTED)),
        )
    )
    return bool(asked)
