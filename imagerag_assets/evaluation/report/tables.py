"""The report's tables, read from dbt's models and the index: slices, comparisons, costs, judgements, images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath
from typing import Literal

from psycopg import sql
from psycopg.rows import dict_row

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.metrics import Row, metrics_table, read
from imagerag_assets.evaluation.report.evaluations import Subject
from imagerag_assets.evaluation.significance import Comparison, Side, compare, compare_methods, method_pairs
from imagerag_assets.settings import GateMetric

JUDGED_BY: tuple[GateMetric, ...] = ("ndcg_at_10",)
"""One metric: the more are asked, the more are better by chance."""
GROUPS_SHOWN = 24
DOUBTFUL_SHOWN = 24

Asked = dict[str, list[tuple[str, Comparison]]]
"""Comparisons by the question that they answer, each with who is compared."""


def refresh_statistics(connection: Connection) -> None:
    """Tell the planner of the rows that an evaluation has just brought.

    It takes an evaluation that it has no statistics of for one row: 75 s instead of 2 for a page of 193 queries.
    """
    connection.execute(
        "analyze retrieval_runs, imagerag_eval.query_metrics, imagerag_eval.stg_results, imagerag_eval.stg_grades, "
        "imagerag_eval.stg_judgements"
    )


def slices(
    connection: Connection, evaluation: int, methods: list[str], by: Literal["kind", "language"]
) -> dict[str, list[Row]]:
    """Rows over all benchmarks for every kind of query or every language, in the methods' order; "all" first."""
    rows = metrics_table(connection, evaluation, by_kind=by == "kind", by_language=by == "language")
    found: dict[str, list[Row]] = defaultdict(list)
    for row in sorted((row for row in rows if row["benchmark"] == ALL), key=lambda row: methods.index(row["method"])):
        found[row[by]].append(row)
    return dict(sorted(found.items(), key=lambda item: (item[0] != ALL, item[0])))


def since(connection: Connection, subject: Subject, methods: Sequence[str]) -> Asked:
    """Every method against itself in each baseline, by the baseline's name; nothing where no query is in both."""
    found = {
        one.name: compare_methods(connection, one.evaluation, subject.number, methods, JUDGED_BY)
        for one in subject.baselines
    }
    return {name: pairs for name, pairs in found.items() if pairs}


def between_methods(connection: Connection, subject: Subject, methods: Sequence[str]) -> list[tuple[str, Comparison]]:
    """Every method against every other of this evaluation, the better-ranked one as "after"."""
    return [
        (f"{after} against {before}", comparison)
        for before, after in method_pairs(methods)
        for comparison in compare(connection, Side(subject.number, before), Side(subject.number, after), JUDGED_BY)
    ]


def curves(connection: Connection, evaluation: int) -> list[Row]:
    """benchmark, method, k, precision_at_k, recall_at_k; nothing for an evaluation from before they were kept."""
    if not _exists(connection, "imagerag_eval.eval_curves"):
        return []
    return read(
        connection,
        "select benchmark, method, k, precision_at_k, recall_at_k from imagerag_eval.eval_curves "
        "where evaluation = %s order by benchmark <> %s, benchmark, method, k",
        evaluation,
        ALL,
    )


def latencies(connection: Connection, evaluation: int) -> dict[str, list[float]]:
    """Milliseconds of every timed query by method, the fastest first."""
    found: dict[str, list[float]] = defaultdict(list)
    for row in read(
        connection,
        "select method, latency_ms from imagerag_eval.query_metrics "
        "where evaluation = %s and latency_ms is not null order by latency_ms",
        evaluation,
    ):
        found[row["method"]].append(row["latency_ms"])
    return dict(found)


def costs_by_model(connection: Connection) -> list[Row]:
    """What every model cost since the project began: per stage and model the columns of dbt's cost_by_model, summed.

    `cost_usd` and `cost_usd_per_item` are None where no cost is known.
    """
    # Whoever builds only the metrics has no view of the costs.
    if not _exists(connection, "imagerag_eval.cost_by_model"):
        return []
    return read(
        connection,
        """
        select stage, model, sum(calls) as calls, sum(items) as items, sum(items_of_known_cost) as items_of_known_cost,
               sum(cost_usd) as cost_usd, sum(calls_of_unknown_cost) as calls_of_unknown_cost,
               sum(cost_usd_of_known) / nullif(sum(items_of_known_cost), 0) as cost_usd_per_item
        from imagerag_eval.cost_by_model
        group by stage, model order by stage = 'ask', stage, model
        """,
    )


def costs_by_collection(connection: Connection) -> list[Row]:
    """The rows of dbt's cost_by_collection; nothing in a database that has no such view yet."""
    if not _exists(connection, "imagerag_eval.cost_by_collection"):
        return []
    return read(connection, "select * from imagerag_eval.cost_by_collection order by collection")


def encoders(connection: Connection, generation: int) -> dict[str, str]:
    """The models that encode a query for that generation, by the name of their setting: none is a provider's."""
    (parameters,) = one_row(
        connection.execute("select parameters from generations where generation = %s", (generation,))
    )
    models = parameters.get("models") or {}
    # A folder by its last part: its whole path is this machine's business.
    return {
        f"models.{name}": PurePath(model).name if model.startswith("/") else model
        for name in ("image_text", "text")
        if (model := str(models.get(name) or ""))
    }


def judgements(connection: Connection, evaluation: int) -> list[Row]:
    """Per benchmark: queries measured, judged images, stale judgements, and results that nobody judged.

    An unjudged result is an image among the first ten of any method, for a query.
    """
    return read(
        connection,
        """
        with measured as (
            select distinct benchmark, query_id from imagerag_eval.query_metrics where evaluation = %(evaluation)s
        ), judged as (
            select benchmark, count(*) filter (where relevant) as relevant,
                   count(*) filter (where not relevant) as not_relevant
            from imagerag_eval.stg_grades join measured using (benchmark, query_id) group by benchmark
        ), seen as (
            select s.benchmark, count(distinct (s.query_id, s.group_id)) as results,
                   count(distinct (s.query_id, s.group_id)) filter (where g.group_id is null) as unjudged
            from imagerag_eval.stg_results s
            join measured using (benchmark, query_id)
            left join imagerag_eval.stg_grades g using (benchmark, query_id, group_id)
            where s.evaluation = %(evaluation)s group by s.benchmark
        ), stale as (
            select benchmark, count(*) as stale from imagerag_eval.stg_missing_judgements group by benchmark
        )
        select m.benchmark, count(*) as queries, coalesce(j.relevant, 0) as relevant,
               coalesce(j.not_relevant, 0) as not_relevant, coalesce(t.stale, 0) as stale,
               coalesce(s.results, 0) as results, coalesce(s.unjudged, 0) as unjudged
        from measured m left join judged j using (benchmark) left join seen s using (benchmark)
        left join stale t using (benchmark)
        group by m.benchmark, j.relevant, j.not_relevant, t.stale, s.results, s.unjudged order by m.benchmark
        """,
        evaluation=evaluation,
    )


def corpus(connection: Connection) -> list[Row]:
    """Files, distinct images and quarantined files per collection, with the reasons of the quarantine."""
    return read(
        connection,
        """
        with files as (
            select collection, count(*) as files, count(distinct group_id) as groups
            from corpus_groups group by collection
        ), reasons as (
            select collection, reason, count(*) as n from quarantine group by collection, reason
        ), broken as (
            select collection, sum(n)::bigint as quarantined,
                   string_agg(n || ' ' || reason, ', ' order by n desc, reason) as reasons
            from reasons group by collection
        )
        select collection, coalesce(files, 0) as files, coalesce(groups, 0) as groups,
               coalesce(files - groups, 0) as duplicates, coalesce(quarantined, 0) as quarantined,
               coalesce(reasons, '') as reasons
        from files full join broken using (collection)
        order by collection
        """,
    )


def duplicates(connection: Connection) -> tuple[list[Row], int]:
    """The groups with most files: group_id, files, their paths, its contents; and how many groups there are at all."""
    rows = read(
        connection,
        """
        select c.group_id, count(*) as files, array_agg(distinct c.content) as contents,
               min(c.collection) as collection, array_agg(c.uri order by c.content <> c.group_id, c.uri) as uris,
               string_agg(distinct d.relation, ', ') filter (where d.relation <> 'canonical') as relations
        from corpus_groups c left join deduped_set d on d.content = c.content
        group by c.group_id having count(*) > 1
        order by files desc, min(c.collection), min(c.uri)
        """,
    )
    return rows[:GROUPS_SHOWN], len(rows)


def doubtful(connection: Connection, generation: int) -> list[Row]:
    """The descriptions of least confidence: collection, uri, content, description, confidence. The least first.

    Nothing of a generation that was built before confidences were kept.
    """
    schema = f"imagerag_generation_{generation}"
    (kept,) = one_row(
        connection.execute(
            "select exists (select from information_schema.columns "
            "where (table_schema, table_name, column_name) = (%s, 'images', 'confidence'))",
            (schema,),
        )
    )
    if not kept:
        return []
    with connection.cursor(row_factory=dict_row) as cursor:
        statement = sql.SQL(
            "select collection, uris[1] as uri, content, description, confidence from {} "
            "where confidence is not null order by confidence, collection, uris[1] limit %s"
        ).format(sql.Identifier(schema, "images"))
        return cursor.execute(statement, (DOUBTFUL_SHOWN,)).fetchall()


def _exists(connection: Connection, table: str) -> bool:
    (found,) = one_row(connection.execute("select to_regclass(%s) is not null", (table,)))
    return bool(found)
