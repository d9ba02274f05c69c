"""Which evaluations get a page, and which earlier ones each is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.history import Evaluation, evaluations, reported_evaluations
from imagerag_assets.evaluation.metrics import Row, read
from imagerag_assets.retrieval.generations import find_candidate


@dataclass(frozen=True)
class Baseline:
    """An evaluation to compare with; `name` as it stands in a sentence."""

    evaluation: int
    name: str


@dataclass(frozen=True)
class Subject:
    """The evaluation that a page is about. The first baseline is the one whose changes the tables show."""

    evaluation: Evaluation
    is_candidate: bool
    baselines: tuple[Baseline, ...]

    @property
    def number(self) -> int:
        return self.evaluation.evaluation

    @property
    def generation(self) -> int:
        return self.evaluation.generation

    @property
    def file_name(self) -> str:
        return page_name(self.number)


@dataclass(frozen=True)
class Measured:
    """An evaluation as the index and the history show it. `methods` are its rows over all queries, best nDCG first."""

    made: Evaluation
    methods: list[Row]


def page_name(evaluation: int) -> str:
    """The file of that evaluation's page."""
    return f"evaluation-{evaluation}.html"


def subjects(connection: Connection) -> list[Subject]:
    """The newest measured evaluation of what is live, and that of the candidate where there is one."""
    found, live = [], reported_evaluations(connection)
    if live:
        found.append(Subject(live[0], False, tuple(_earlier(one) for one in live[1:])))
    candidate = find_candidate(connection)
    measured = [one for one in evaluations(connection, candidate.number) if one.measured] if candidate else []
    if measured:
        of_live = tuple(
            Baseline(one.evaluation, f"live generation {one.generation} (evaluation {one.evaluation})")
            for one in live[:1]
        )
        found.append(Subject(measured[0], True, (*of_live, *(_earlier(one) for one in measured[1:2]))))
    return found


def all_measured(connection: Connection) -> list[Measured]:
    """Every measured evaluation, the newest first."""
    measured = {one.evaluation: Measured(one, []) for one in evaluations(connection) if one.measured}
    if not measured:
        return []
    rows = read(
        connection,
        """
        select evaluation, method, queries, precision_at_5, recall_at_10, ndcg_at_10, latency_p50_ms
        from imagerag_eval.eval_metrics
        where (benchmark, kind, language) = ('all', 'all', 'all') and evaluation = any(%s)
        order by ndcg_at_10 desc, method
        """,
        list(measured),
    )
    for row in rows:
        measured[row["evaluation"]].methods.append(row)
    return list(measured.values())


def _earlier(one: Evaluation) -> Baseline:
    return Baseline(one.evaluation, f"evaluation {one.evaluation}")
