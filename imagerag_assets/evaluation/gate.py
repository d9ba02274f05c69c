"""The gate: whether the candidate generation may take the live one's place, by what dbt measured of both.

It decides and changes nothing: promoting is `retrieval.generations`', a person's word is `retrieval.switching`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import ModelError
from imagerag_assets.evaluation.markdown import markdown_table
from imagerag_assets.evaluation.runs import evaluation_fingerprint, newest_evaluation
from imagerag_assets.evaluation.significance import CONFIDENCE, METRICS, Comparison, Side, compare
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.settings import GateMetric

METRIC_NAMES: dict[GateMetric, str] = {
    "precision_at_5": "Precision@5",
    "recall_at_10": "Recall@10",
    "ndcg_at_10": "nDCG@10",
    "average_precision": "MAP@10",
    "reciprocal_rank": "MRR@10",
    "hit_at_1": "hit@1",
}
Action = Literal["promote", "wait", "hold", "measure"]
HEADER = ("method", "metric", "queries", "before", "after", "change", "95 % interval", "p", "is it better?", "needed")
"""Of `comparison_rows`."""


@dataclass(frozen=True)
class Finding:
    """One method's metric in the live generation and in the candidate; `tolerance` is how far it may fall."""

    method: str
    comparison: Comparison
    tolerance: float

    @property
    def fallen(self) -> bool:
        # A fall of exactly the tolerance is within it, whatever its last bits say.
        return self.comparison.difference < -self.tolerance - 1e-9


@dataclass(frozen=True)
class Decision:
    """What the gate says. `promote`: it may go live. `wait`: a person has to say so. `hold`: it is worse.

    `measure`: nothing can be said, because it is not measured as it is now. `reason` is for people.
    """

    live: Generation
    candidate: Generation
    action: Action
    reason: str
    findings: tuple[Finding, ...] = ()


def decide(connection: Connection, project: Project) -> Decision | None:
    """Compare the candidate with the live generation; None when there is no candidate."""
    live, candidate = generations.find_live(connection), generations.find_candidate(connection)
    if live is None or candidate is None:
        return None
    sides = [_measured(connection, project, one) for one in (live, candidate)]
    findings: tuple[Finding, ...] = ()
    if None not in sides:
        findings = _findings(connection, project, [side for side in sides if side is not None])
    action, reason = _judge(project, live, candidate, findings)
    return Decision(live, candidate, action, reason, findings)


def compare_generations(
    connection: Connection, before: int, after: int, methods: Sequence[str], metrics: Sequence[GateMetric] = METRICS
) -> list[tuple[str, Comparison]]:
    """(method, comparison) of the newest measured evaluations of two generations; empty where one has none."""
    evaluations = [_newest_measured(connection, number) for number in (before, after)]
    if None in evaluations:
        return []
    one, other = (number for number in evaluations if number is not None)
    return [
        (method, comparison)
        for method in methods
        for comparison in compare(connection, Side(one, method), Side(other, method), metrics)
    ]


def comparison_rows(comparisons: Sequence[tuple[str, Comparison]]) -> list[tuple[str, ...]]:
    """Comparisons as people read them, in the columns of HEADER."""
    return [
        (
            method, METRIC_NAMES[one.metric], str(one.queries), f"{one.before:.3f}", f"{one.after:.3f}",
            f"{one.difference:+.3f}", f"{one.low:+.3f} to {one.high:+.3f}", f"{one.p:.3f}", one.verdict,
            "–" if one.needed is None else f"{one.needed:,}",
        )
        for method, one in comparisons
    ]  # fmt: skip


def decision_markdown(decision: Decision) -> str:
    """The decision and what it stands on, for Dagster's metadata."""
    rows = comparison_rows([(finding.method, finding.comparison) for finding in decision.findings])
    tolerances = [f"{finding.tolerance:.3f}" for finding in decision.findings]
    table = markdown_table((*HEADER, "may fall by"), [(*row, may) for row, may in zip(rows, tolerances, strict=True)])
    return f"{decision.reason}\n\n{table}" if rows else decision.reason


def _judge(
    project: Project, live: Generation, candidate: Generation, findings: Sequence[Finding]
) -> tuple[Action, str]:
    name, by_hand = f"Generation {candidate.number}", f"imagerag generations promote {candidate.number}"
    fallen = [_fall(finding) for finding in findings if finding.fallen]
    if not findings:
        if _is_lost(project, live):
            return "promote", f"{name} replaces generation {live.number}, whose models are not to be had."
        return "measure", (
            f"{name} has no measured query in common with generation {live.number}, as both are now. Materialize "
            "retrieval_runs and eval_metrics with a benchmark that has judged queries, or promote it by hand: "
            f"{by_hand}"
        )
    if fallen:
        return "hold", (
            f"{name} is held back, generation {live.number} stays live: {'; '.join(fallen)}. Set the models back, "
            f"change gate.metrics, or promote it by hand: {by_hand}"
        )
    passed = f"{name} keeps every metric within its tolerance, compared with generation {live.number}."
    if candidate.held:
        return "wait", f"{passed} {candidate.held} To put it back: {by_hand}"
    if project.settings.gate.wait_for_person:
        return "wait", f"{passed} It waits for a person: {by_hand}, or the job promote_candidate."
    return "promote", f"{passed} It goes live."


def _fall(finding: Finding) -> str:
    one = finding.comparison
    return (
        f"{METRIC_NAMES[one.metric]} of {finding.method} fell from {one.before:.3f} to {one.after:.3f} by "
        f"{-one.difference:.3f} ({CONFIDENCE:.0%} interval of the change {one.low:+.3f} to {one.high:+.3f}, "
        f"{one.queries} queries), and {finding.tolerance:.3f} is allowed"
    )


def _findings(connection: Connection, project: Project, sides: Sequence[int]) -> tuple[Finding, ...]:
    gate = project.settings.gate
    return tuple(
        Finding(method, comparison, gate.metrics[comparison.metric])
        for method in gate.methods
        for comparison in compare(
            connection, Side(sides[0], method), Side(sides[1], method), tuple(gate.metrics)
        )
    )  # fmt: skip


def _measured(connection: Connection, project: Project, generation: Generation) -> int | None:
    """The evaluation of the generation as it is now, if dbt measured it; of one whose models are lost, the last."""
    newest = newest_evaluation(connection, generation)
    if newest is None or newest[0] != _newest_measured(connection, generation.number):
        return None
    current = newest[1] == evaluation_fingerprint(connection, project, generation)
    return newest[0] if current or _is_lost(project, generation) else None


def _newest_measured(connection: Connection, generation: int) -> int | None:
    """The newest evaluation of that generation that dbt has seen."""
    row = connection.execute("select to_regclass('imagerag_eval.query_metrics')").fetchone()
    if row is None or row[0] is None:
        return None
    row = connection.execute(
        "select max(m.evaluation) from imagerag_eval.query_metrics m join evaluations e using (evaluation) "
        "where e.generation = %s and e.created_at = m.evaluated_at",
        (generation,),
    ).fetchone()
    return row[0] if row else None


def _is_lost(project: Project, generation: Generation) -> bool:
    try:
        generations.project_of(project, generation)
    except ModelError:
        return True
    return False
