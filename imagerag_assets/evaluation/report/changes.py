"""How far an evaluation moved since an earlier one, over the queries of both."""

from __future__ import annotations

from collections.abc import Mapping

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.metrics import Row, read


def changes_of_means(connection: Connection, evaluation: int, previous: int) -> dict[tuple[str, str], Row]:
    """By (benchmark, method), "all" too: how far the means moved since an earlier evaluation.

    precision_at_5, recall_at_10, ndcg_at_10 and mrr, over the `compared` of the `queries`: those that were asked then.
    None where there is none.
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
            on (o.benchmark, o.method, o.query_id) = (n.benchmark, n.method, n.query_id) and o.evaluation = %s
        where n.evaluation = %s
        group by grouping sets ((n.method), (n.method, n.benchmark))
        """,
        ALL,
        previous,
        evaluation,
    )
    return {(row["benchmark"], row["method"]): row for row in rows}


def changes_of_queries(connection: Connection, evaluation: int, previous: int) -> list[Row]:
    """benchmark, query_id, method, `before` and `now` (nDCG@10) of the queries of both, worst first."""
    return read(
        connection,
        """
        select n.benchmark, n.query_id, n.method, o.ndcg_at_10 as before, n.ndcg_at_10 as now
        from imagerag_eval.query_metrics n
        join imagerag_eval.query_metrics o using (benchmark, method, query_id)
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
        f"{name}: {compared} of {queries} queries compare"
        for name, (compared, queries) in sorted(counts.items())
        if compared < queries
    ]
    return f"Compared with evaluation {previous}: {'; '.join(told)}." if told else ""
