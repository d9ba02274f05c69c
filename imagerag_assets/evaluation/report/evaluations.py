"""Which evaluations get a page, and which earlier ones each is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.metrics import Row, newest_evaluations, read
from imagerag_assets.retrieval.generations import find_candidate


@dataclass(frozen=True)
class Baseline:
    """An evaluation to compare with; `name` as it stands in a sentence."""

    evaluation: int
    name: str


@dataclass(frozen=True)
class Subject:
    """The evaluation that a page is about. The first baseline is the one whose changes the tables show."""

    evaluation: Row
    is_candidate: bool
    baselines: tuple[Baseline, ...]

    @property
    def number(self) -> int:
        return int(self.evaluation["evaluation"])

    @property
    def generation(self) -> int:
        return int(self.evaluation["generation"])

    @property
    def file_name(self) -> str:
        return page_name(self.number)


def page_name(evaluation: int) -> str:
    """The file of that evaluation's page."""
    return f"evaluation-{evaluation}.html"


def subjects(connection: Connection) -> list[Subject]:
    """The newest measured evaluation of what is live, and that of the candidate where there is one."""
    found, live = [], newest_evaluations(connection)
    if live:
        found.append(Subject(live[0], False, tuple(_earlier(one) for one in live[1:])))
    candidate = find_candidate(connection)
    measured = _of_generation(connection, candidate.number) if candidate else []
    if measured:
        of_live = tuple(
            Baseline(one["evaluation"], f"live generation {one['generation']} (evaluation {one['evaluation']})")
            for one in live[:1]
        )
        found.append(Subject(measured[0], True, (*of_live, *(_earlier(one) for one in measured[1:]))))
    return found


def all_evaluations(connection: Connection) -> list[Row]:
    """Every measured evaluation, the newest first: evaluation, generation, evaluated_at, status, methods.

    `methods` are its rows over all queries, the best first.
    """
    rows = read(
        connection,
        """
        select m.evaluation, m.generation, m.evaluated_at, m.method, m.queries, m.precision_at_5, m.recall_at_10,
               m.ndcg_at_10, m.latency_p50_ms, g.status, g.live_at is not null as was_live
        from imagerag_eval.eval_metrics m
        join generations g using (generation)
        where (m.benchmark, m.kind, m.language) = ('all', 'all', 'all')
        order by m.evaluated_at desc, m.evaluation desc, m.ndcg_at_10 desc, m.method
        """,
    )
    found: dict[int, Row] = {}
    for row in rows:
        found.setdefault(row["evaluation"], row | {"methods": []})["methods"].append(row)
    return list(found.values())


def _earlier(one: Row) -> Baseline:
    return Baseline(one["evaluation"], f"evaluation {one['evaluation']}")


def _of_generation(connection: Connection, generation: int) -> list[Row]:
    """Its two newest evaluations that dbt has seen."""
    return read(
        connection,
        """
        select distinct m.evaluation, m.generation, m.evaluated_at
        from imagerag_eval.eval_metrics m
        join evaluations e on (e.evaluation, e.created_at) = (m.evaluation, m.evaluated_at)
        where m.generation = %s
        order by m.evaluated_at desc, m.evaluation desc limit 2
        """,
        generation,
    )
