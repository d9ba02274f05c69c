"""The report of the newest evaluation: one HTML page without network. Its numbers come from dbt's tables."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import jinja2

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.benchmarks.findings import findings
from imagerag_assets.evaluation.gate import HEADER, compare_generations, comparison_rows
from imagerag_assets.evaluation.metrics import (
    OTHER_SHADE,
    SHADES,
    Row,
    metrics_table,
    milliseconds,
    newest_evaluations,
    read,
)
from imagerag_assets.evaluation.significance import Side, compare, method_pairs
from imagerag_assets.evaluation.thumbnails import ThumbnailSheet
from imagerag_assets.retrieval.generations import find_candidate
from imagerag_assets.settings import GateMetric

PUBLISHED = (
    {"method": "description only", "precision_at_5": 0.72, "recall_at_10": 0.81, "latency_ms": 50},
    {"method": "CLIP only", "precision_at_5": 0.78, "recall_at_10": 0.85, "latency_ms": 30},
    {"method": "hybrid", "precision_at_5": 0.84, "recall_at_10": 0.91, "latency_ms": 80},
)
"""What the published guide to multimodal retrieval states, on data of its own."""

THUMBNAIL_BYTES = 5_000_000
QUERIES_SHOWN = 300
"""Above that the worst are shown: the page has to open on a phone."""
RELEVANT_SHOWN = 12
CHANGES_SHOWN = 20
_NOTICEABLE = 1e-9
_JUDGED_BY: tuple[GateMetric, ...] = ("ndcg_at_10",)
"""One metric: the more are asked, the more are better by chance."""


@dataclass(frozen=True)
class QueryView:
    """One query of the drill-down. `results` and `metrics` are by method, the best method of all first."""

    anchor: str
    benchmark: str
    query_id: str
    text: str
    kind: str
    language: str
    example: str | None
    n_relevant: int
    relevant: list[Row]
    metrics: dict[str, Row]
    results: dict[str, list[Row]]


def write_report(connection: Connection, folder: Path) -> Path:
    """Write the page of the newest measured evaluation into `folder` and return its path."""
    evaluations = newest_evaluations(connection)
    if not evaluations:
        raise BenchmarkError(
            "There is no evaluation to report. Materialize retrieval_runs and eval_metrics first; "
            "they need a collection with a benchmark."
        )
    newest, previous = evaluations[0], evaluations[1] if len(evaluations) > 1 else None
    table = metrics_table(connection, newest["evaluation"])
    methods = [row["method"] for row in table if row["benchmark"] == ALL]
    views, total = _query_views(connection, newest["evaluation"], methods)
    sheet = ThumbnailSheet(THUMBNAIL_BYTES)
    _fill(connection, sheet, views)
    page = (
        _environment()
        .get_template("report.html")
        .render(
            evaluation=newest,
            previous=previous,
            table=table,
            published=PUBLISHED,
            kinds=_slices(connection, newest["evaluation"], methods, "kind"),
            languages=_slices(connection, newest["evaluation"], methods, "language"),
            deltas=_deltas(table, metrics_table(connection, previous["evaluation"])) if previous else {},
            changes=_changes(connection, newest["evaluation"], previous["evaluation"], views) if previous else [],
            moved=_moved(connection, newest["evaluation"], previous["evaluation"]) if previous else [],
            better_header=HEADER[2:],
            better=_better(connection, newest, previous, methods),
            views=views,
            total_queries=total,
            corpus=_corpus(connection),
            findings=findings(connection),
            sheet=sheet,
            relevant_shown=RELEVANT_SHOWN,
        )
    )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"evaluation-{newest['evaluation']}.html"
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(path)
    return path


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(ms=milliseconds, shade=lambda method: SHADES.get(method, OTHER_SHADE))
    return environment


def _slices(
    connection: Connection, evaluation: int, methods: list[str], by: Literal["kind", "language"]
) -> dict[str, list[Row]]:
    """Rows over all benchmarks for every kind of query or every language, in the methods' order; "all" first."""
    rows = metrics_table(connection, evaluation, by_kind=by == "kind", by_language=by == "language")
    slices: dict[str, list[Row]] = defaultdict(list)
    for row in sorted((row for row in rows if row["benchmark"] == ALL), key=lambda row: methods.index(row["method"])):
        slices[row[by]].append(row)
    return dict(sorted(slices.items(), key=lambda item: (item[0] != ALL, item[0])))


def _better(
    connection: Connection, newest: Row, previous: Row | None, methods: list[str]
) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """Comparisons by what is asked, each as (who is compared, the cells of `comparison_rows` after the metric)."""
    now = newest["evaluation"]
    asked = {
        "Methods of this evaluation": [
            (f"{after} against {before}", compare(connection, Side(now, before), Side(now, after), _JUDGED_BY))
            for before, after in method_pairs(methods)
        ]
    }
    if previous:
        asked[f"This evaluation against evaluation {previous['evaluation']}"] = [
            (name, compare(connection, Side(previous["evaluation"], name), Side(now, name), _JUDGED_BY))
            for name in methods
        ]
    if candidate := find_candidate(connection):
        found = compare_generations(connection, newest["generation"], candidate.number, methods, _JUDGED_BY)
        question = f"Candidate generation {candidate.number} against live generation {newest['generation']}"
        asked[question] = [(method, [comparison]) for method, comparison in found]
    told = {
        question: [(who, row[2:]) for who, found in pairs for row in comparison_rows([(who, one) for one in found])]
        for question, pairs in asked.items()
    }
    return {question: rows for question, rows in told.items() if rows}


def _deltas(table: list[Row], before: list[Row]) -> dict[tuple[str, str], Row]:
    """Differences of the means to the previous evaluation, by (benchmark, method)."""
    names = ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr")
    old = {(row["benchmark"], row["method"]): row for row in before}
    return {
        key: {name: row[name] - old[key][name] for name in names}
        for row in table
        if (key := (row["benchmark"], row["method"])) in old
    }


def _moved(connection: Connection, evaluation: int, previous: int) -> list[Row]:
    """How many of the queries of both evaluations got better and worse by nDCG@10, per method."""
    return read(
        connection,
        """
        select n.method, count(*) as queries,
               count(*) filter (where n.ndcg_at_10 > o.ndcg_at_10 + %s) as better,
               count(*) filter (where n.ndcg_at_10 < o.ndcg_at_10 - %s) as worse
        from imagerag_eval.query_metrics n
        join imagerag_eval.query_metrics o using (benchmark, method, query_id)
        where n.evaluation = %s and o.evaluation = %s
        group by n.method order by n.method
        """,
        _NOTICEABLE,
        _NOTICEABLE,
        evaluation,
        previous,
    )


def _changes(connection: Connection, evaluation: int, previous: int, views: list[QueryView]) -> list[Row]:
    """List the queries that lost most nDCG@10, each with its anchor in the drill-down where it has one."""
    rows = read(
        connection,
        """
        select n.benchmark, n.method, n.query_id, q.text, o.ndcg_at_10 as before, n.ndcg_at_10 as now
        from imagerag_eval.query_metrics n
        join imagerag_eval.query_metrics o using (benchmark, method, query_id)
        join benchmark_queries q using (benchmark, query_id)
        where n.evaluation = %s and o.evaluation = %s and n.ndcg_at_10 < o.ndcg_at_10 - %s
        order by n.ndcg_at_10 - o.ndcg_at_10, n.benchmark, n.query_id, n.method limit %s
        """,
        evaluation,
        previous,
        _NOTICEABLE,
        CHANGES_SHOWN,
    )
    anchors = {(view.benchmark, view.query_id): view.anchor for view in views}
    return [row | {"anchor": anchors.get((row["benchmark"], row["query_id"]))} for row in rows]


def _query_views(connection: Connection, evaluation: int, methods: list[str]) -> tuple[list[QueryView], int]:
    """Build the drill-down, by benchmark the worst first, and count the queries it is taken from."""
    measured: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in read(
        connection,
        """
        select m.*, q.text, q.image
        from imagerag_eval.query_metrics m join benchmark_queries q using (benchmark, query_id)
        where m.evaluation = %s order by array_position(%s, m.method)
        """,
        evaluation,
        methods,
    ):
        measured[row["benchmark"], row["query_id"]][row["method"]] = row
    worst = sorted(measured, key=lambda key: (measured[key][methods[0]]["ndcg_at_10"], key))[:QUERIES_SHOWN]
    relevant, results = _relevant(connection), _results(connection, evaluation)
    views = [
        _view(number, measured[key], relevant.get(key, []), results)
        for number, key in enumerate(sorted(worst, key=lambda key: (key[0], worst.index(key))))
    ]
    return views, len(measured)


def _view(
    number: int, metrics: dict[str, Row], relevant: list[Row], results: dict[tuple[str, str, str], list[Row]]
) -> QueryView:
    any_row = next(iter(metrics.values()))
    benchmark, query_id = any_row["benchmark"], any_row["query_id"]
    return QueryView(
        anchor=f"q{number}",
        benchmark=benchmark,
        query_id=query_id,
        text=any_row["text"],
        kind=any_row["kind"],
        language=any_row["language"],
        example=any_row["image"],
        n_relevant=any_row["n_relevant"],
        relevant=relevant[:RELEVANT_SHOWN],
        metrics=metrics,
        results={
            method: [row | {"legs": _legs(row["legs"])} for row in results.get((benchmark, method, query_id), [])]
            for method in metrics
        },
    )


def _relevant(connection: Connection) -> dict[tuple[str, str], list[Row]]:
    """Relevant groups by (benchmark, query), the best grade first, each with the path of one image."""
    relevant: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in read(
        connection,
        """
        select j.benchmark, j.query_id, j.group_id, j.grade, min(q.uri) as corpus_id
        from imagerag_eval.stg_judgements j
        join judgements q using (benchmark, query_id, group_id)
        group by j.benchmark, j.query_id, j.group_id, j.grade
        order by j.grade desc, corpus_id
        """,
    ):
        relevant[row["benchmark"], row["query_id"]].append(row)
    return relevant


def _results(connection: Connection, evaluation: int) -> dict[tuple[str, str, str], list[Row]]:
    """List the first five distinct groups by (benchmark, method, query), with the legs that found them."""
    results: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in read(
        connection,
        """
        select s.benchmark, s.method, s.query_id, s.group_id, s.corpus_id, r.legs,
               coalesce(g.relevant, false) as right, g.group_id is not null as judged
        from imagerag_eval.stg_results s
        left join imagerag_eval.stg_grades g using (benchmark, query_id, group_id)
        left join retrieval_runs r
            on (r.evaluation, r.benchmark, r.method, r.query_id, r.rank)
             = (s.evaluation, s.benchmark, s.method, s.query_id, s.retrieved_rank)
        where s.evaluation = %s and s.rank <= 5
        order by s.rank
        """,
        evaluation,
    ):
        results[row["benchmark"], row["method"], row["query_id"]].append(row)
    return results


def _legs(legs: object) -> str:
    """Say which leg found a result and at which rank: "clip 1 · text 12"."""
    if not isinstance(legs, dict):
        return ""
    ranks = {name: leg.get("rank") if isinstance(leg, dict) else None for name, leg in legs.items()}
    return " · ".join(f"{name} {json.dumps(rank)}" for name, rank in sorted(ranks.items()) if rank is not None)


def _fill(connection: Connection, sheet: ThumbnailSheet, views: list[QueryView]) -> None:
    """Put the examples and then every shown group's thumbnail into the sheet, each once."""
    for view in views:
        if view.example and view.example not in sheet:
            file = Path(view.example)
            sheet.add(view.example, file.read_bytes() if file.is_file() else b"")
    wanted = {
        row["group_id"]: None
        for view in views
        for row in (*view.relevant, *(row for rows in view.results.values() for row in rows))
    }
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.content, c.thumbnail from unnest(%s::text[]) with ordinality as w (content, place) "
            "join contents c using (content) order by w.place",
            (list(wanted),),
        )
        for content, thumbnail in cursor:
            sheet.add(content, thumbnail)


def _corpus(connection: Connection) -> list[Row]:
    """Files, distinct images and quarantined files per collection."""
    return read(
        connection,
        """
        with files as (
            select collection, count(*) as files, count(distinct group_id) as groups
            from corpus_groups group by collection
        ), broken as (
            select collection, count(*) as quarantined from quarantine group by collection
        )
        select collection, coalesce(files, 0) as files, coalesce(groups, 0) as groups,
               coalesce(files - groups, 0) as duplicates, coalesce(quarantined, 0) as quarantined
        from files full join broken using (collection)
        order by collection
        """,
    )
