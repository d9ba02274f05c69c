"""The report's drill-down: every query with its relevant images and each method's first five, right or wrong."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.metrics import Row, read

QUERIES_SHOWN = 300
"""Above that the worst are shown: the page has to open on a phone."""
RELEVANT_SHOWN = 12
NOTICEABLE = 1e-9


@dataclass(frozen=True)
class QueryView:
    """One query of the drill-down. `results` and `metrics` are by method, the highest nDCG@10 of all queries first.

    `change` is that of this method's nDCG@10 since the baseline; None where the baseline was not asked it.
    `is_judged_otherwise`: today's judgements are not those that it was measured by, so they explain no figure of it.
    `relevant` is then empty.
    """

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
    change: float | None
    is_judged_otherwise: bool

    @property
    def is_worse(self) -> bool:
        return self.change is not None and self.change < -NOTICEABLE


def query_views(
    connection: Connection, evaluation: int, methods: list[str], changes: list[Row]
) -> tuple[list[QueryView], int]:
    """What got worse first, then by benchmark the worst first; and how many queries it is taken from.

    `changes` are rows of `changes_of_queries`.
    """
    measured: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for row in read(
        connection,
        """
        select m.*, coalesce(q.text, m.query_id) as text, q.image,
               (m.judged_as = g.judged_as) is not true as is_judged_otherwise
        from imagerag_eval.query_metrics m
        left join benchmark_queries q using (benchmark, query_id)
        left join (
            select distinct benchmark, query_id, judged_as from imagerag_eval.stg_grades
        ) g using (benchmark, query_id)
        where m.evaluation = %s order by array_position(%s, m.method)
        """,
        evaluation,
        methods,
    ):
        measured[row["benchmark"], row["query_id"]][row["method"]] = row
    first = methods[0]
    moved = {(r["benchmark"], r["query_id"]): r["now"] - r["before"] for r in changes if r["method"] == first}
    relevant, results = _relevant(connection), _results(connection, evaluation)

    def worst_first(key: tuple[str, str]) -> tuple[float, float, tuple[str, str]]:
        return (min(moved.get(key, 0.0), -NOTICEABLE), measured[key][first]["ndcg_at_10"], key)

    shown = sorted(measured, key=worst_first)[:QUERIES_SHOWN]
    views = [
        _view(number, measured[key], relevant.get(key, []), results, moved.get(key))
        for number, key in enumerate(shown)
    ]  # fmt: skip
    return sorted(views, key=lambda view: (not view.is_worse, "" if view.is_worse else view.benchmark)), len(measured)


def _view(
    number: int,
    metrics: dict[str, Row],
    relevant: list[Row],
    results: dict[tuple[str, str, str], list[Row]],
    change: float | None,
) -> QueryView:
    any_row = next(iter(metrics.values()))
    benchmark, query_id = any_row["benchmark"], any_row["query_id"]
    shown = {
        method: [row | {"legs": _legs(row["legs"])} for row in results.get((benchmark, method, query_id), [])]
        for method in metrics
    }
    is_otherwise = any_row["is_judged_otherwise"] or not _explained(metrics, shown)
    return QueryView(
        anchor=f"q{number}",
        benchmark=benchmark,
        query_id=query_id,
        text=any_row["text"],
        kind=any_row["kind"],
        language=any_row["language"],
        example=any_row["image"],
        n_relevant=any_row["n_relevant"],
        relevant=[] if is_otherwise else relevant[:RELEVANT_SHOWN],
        metrics=metrics,
        results=shown,
        change=change,
        is_judged_otherwise=is_otherwise,
    )


def _explained(metrics: dict[str, Row], results: dict[str, list[Row]]) -> bool:
    """Whether the marks add up to Precision@5: the same judgements fall on other groups where duplicates changed."""
    return all(
        round(5 * row["precision_at_5"]) == sum(one["right"] for one in results[method])
        for method, row in metrics.items()
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
