"""The gate: whether the candidate generation may take the live one's place, by what dbt measured of both.

It decides and changes nothing: promoting is `retrieval.generations`', a person's word is `retrieval.switching`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.history import evaluations
from imagerag_assets.evaluation.markdown import markdown_table
from imagerag_assets.evaluation.runs import evaluation_fingerprint
from imagerag_assets.evaluation.significance import CONFIDENCE, METRICS, Comparison, Side, compare, compare_methods
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations, index
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
CHANCE = 0.2
"""A benchmark alone has fallen when less than this share of worlds without a difference shows such a fall.

A small benchmark's mean moves by more than any tolerance when one query does, so its own fall must be more than chance;
but missing a fall costs more than a false alarm, which costs a look, so it need not be proven: one in five, as in the
power of .8. The sign-flip test says so of three queries that all fall (1/8) and never of two (1/4), so three judged
queries are enough to be held alone, and a benchmark with fewer is held with all others.
"""
HEADER = ("method", "metric", "queries", "before", "after", "change", "95 % interval", "p", "is it better?", "needed")
"""Of `comparison_rows`."""


@dataclass(frozen=True)
class Finding:
    """One method's metric in the live generation and in the candidate; `tolerance` is how far it may fall."""

    method: str
    comparison: Comparison
    tolerance: float
    benchmark: str = ALL

    @property
    def fallen(self) -> bool:
        # A fall of exactly the tolerance is within it, whatever its last bits say.
        is_lower = self.comparison.difference < -self.tolerance - 1e-9
        # p is two-sided: half of it is the chance of a fall.
        return is_lower and (self.benchmark == ALL or self.comparison.p / 2 < CHANCE)


@dataclass(frozen=True)
class Decision:
    """What the gate says. `promote`: it may go live. `wait`: a person has to say so. `hold`: it is worse.

    `measure`: nothing can be said, because it is not measured as it is now. `reason` is for people. `live` is None
    where the live generation was dropped.
    """

    live: Generation | None
    candidate: Generation
    action: Action
    reason: str
    findings: tuple[Finding, ...] = ()


def decide(connection: Connection, project: Project) -> Decision | None:
    """Compare the candidate with the live generation; None when there is no candidate."""
    live, candidate = generations.find_live(connection), generations.find_candidate(connection)
    if candidate is None:
        return None
    if live is None:
        return Decision(live, candidate, "promote", f"Generation {candidate.number} goes live: none is.")
    before, after = (_measured(connection, project, one) for one in (live, candidate))
    findings = _findings(connection, project, before, after) if before and after else ()
    action, reason = _judge(project, live, candidate, findings)
    return Decision(live, candidate, action, reason, findings)


def why_waiting(connection: Connection, project: Project) -> str:
    """What keeps the generation of the settings from being live, for people; empty when nothing does."""
    decision = decide(connection, project)
    if decision is not None:
        return decision.reason
    building, live = generations.find_building(connection), generations.find_live(connection)
    if building is None or live is None:
        return ""
    missing = index.missing_images(connection, building, live)
    return (
        f"Generation {building.number} is no candidate before it is whole: {missing} images of the live index are not "
        "in it, or not described. The next run goes on with it; imagerag status says what is pending or failed."
    )


def compare_generations(
    connection: Connection, before: int, after: int, methods: Sequence[str], metrics: Sequence[GateMetric] = METRICS
) -> list[tuple[str, Comparison]]:
    """(method, comparison) of the newest measured evaluations of two generations; empty where one has none."""
    measured = [[e.evaluation for e in evaluations(connection, number) if e.measured] for number in (before, after)]
    if not all(measured):
        return []
    return compare_methods(connection, measured[0][0], measured[1][0], methods, metrics)


def comparison_rows(comparisons: Sequence[tuple[str, Comparison]]) -> list[tuple[str, ...]]:
    """Comparisons as people read them, in the columns of HEADER."""
    return [
        (
            method, METRIC_NAMES[one.metric], str(one.queries), f"{one.before:.3f}", f"{one.after:.3f}",
            f"{one.difference:+.3f}", "unknown" if one.queries < 2 else f"{one.low:+.3f} to {one.high:+.3f}",
            f"{one.p:.3f}", one.verdict,
            "–" if one.needed is None else f"{one.needed:,}",
        )
        for method, one in comparisons
    ]  # fmt: skip


def decision_markdown(decision: Decision) -> str:
    """The decision and what it stands on, for Dagster's metadata."""
    rows = [
        (one.benchmark, *row, f"{one.tolerance:.3f}", "fallen" if one.fallen else "")
        for one in decision.findings
        for row in comparison_rows([(one.method, one.comparison)])
    ]
    table = markdown_table(("benchmark", *HEADER, "may fall by", ""), rows)
    return f"{decision.reason}\n\n{table}" if rows else decision.reason


def _judge(
    project: Project, live: Generation, candidate: Generation, findings: Sequence[Finding]
) -> tuple[Action, str]:
    name, by_hand = f"Generation {candidate.number}", f"imagerag generations promote {candidate.number}"
    is_lost = bool(generations.lost_models(project, live))
    unsearchable = f"Generation {live.number} cannot be searched any more: its models are not to be had."
    fallen = [_fall(finding) for finding in findings if finding.fallen]
    if lost := generations.lost_models(project, candidate):
        return "hold", f"{name} is held back, for nobody could search it. {lost}"
    if fallen:
        return "hold", (
            f"{name} is held back, generation {live.number} stays live: {'; '.join(fallen)}. "
            f"{unsearchable + ' ' if is_lost else ''}Set the models back, change gate.metrics, or promote it by hand: "
            f"{by_hand}"
        )
    if not findings and not is_lost:
        return "measure", (
            f"{name} has no measured query in common with generation {live.number}, as both are now. Materialize "
            "retrieval_runs and eval_metrics with a benchmark that has judged queries, or promote it by hand: "
            f"{by_hand}"
        )
    passed = f"{name} keeps every metric within its tolerance, compared with generation {live.number}."
    if not findings:
        passed = f"{unsearchable} {name} can be."
    if candidate.held:
        return "wait", f"{passed} {candidate.held} To put it back: {by_hand}"
    if project.settings.gate.wait_for_person:
        return "wait", f"{passed} It waits for a person: {by_hand}, or the job promote_candidate."
    return "promote", f"{passed} It goes live."


def _fall(finding: Finding) -> str:
    one = finding.comparison
    where = "all benchmarks together" if finding.benchmark == ALL else f"the benchmark {finding.benchmark}"
    return (
        f"on {where} {METRIC_NAMES[one.metric]} of {finding.method} fell from {one.before:.3f} to {one.after:.3f} by "
        f"{-one.difference:.3f} ({CONFIDENCE:.0%} interval of the change {one.low:+.3f} to {one.high:+.3f}, "
        f"{one.queries} queries), and {finding.tolerance:.3f} is allowed"
    )


def _findings(connection: Connection, project: Project, before: int, after: int) -> tuple[Finding, ...]:
    """All benchmarks together, then each: a small collection that collapses must not hide behind a large one."""
    gate = project.settings.gate
    rows = connection.execute(
        "select distinct benchmark from imagerag_eval.query_metrics where evaluation = %s order by benchmark", (after,)
    ).fetchall()
    # One alone is the whole.
    benchmarks = [ALL, *(row[0] for row in rows if len(rows) > 1)]
    return tuple(
        Finding(method, comparison, gate.metrics[comparison.metric], benchmark)
        for benchmark in benchmarks
        for method in gate.methods
        for comparison in compare(connection, Side(before, method), Side(after, method), tuple(gate.metrics), benchmark)
    )


def _measured(connection: Connection, project: Project, generation: Generation) -> int | None:
    """The evaluation of the generation as it is now, if dbt measured it; of one whose models are lost, the last."""
    newest = next(iter(evaluations(connection, generation.number)), None)
    if newest is None or not newest.measured:
        return None
    current = newest.fingerprint == evaluation_fingerprint(connection, project, generation)
    return newest.evaluation if current or generations.lost_models(project, generation) else None
