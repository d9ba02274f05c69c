"""The gate: whether the candidate generation may take the live one's place, by what dbt measured of both.

By the same rules, whether what is live has fallen since the evaluation before: a prompt, a describer or a weight of the
fusion changes the live index in place, and nothing stands beside it to be held back. All this decides and changes
nothing: promoting is `retrieval.generations`', a person's word is `retrieval.switching`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.evaluation.history import evaluations
from imagerag_assets.evaluation.markdown import markdown_table
from imagerag_assets.evaluation.metrics import Row, changes_of_means, comparability
from imagerag_assets.evaluation.runs import evaluation_fingerprint
from imagerag_assets.evaluation.significance import (
    CONFIDENCE,
    METRICS,
    Comparison,
    Side,
    compare,
    compare_methods,
    finite,
    interval_told,
    p_told,
)
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations, index
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.settings import Gate, GateMetric

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

    @property
    def told(self) -> str:
        """The fall in words: where, of what, by how much, and how sure that is."""
        one = self.comparison
        where = "all benchmarks together" if self.benchmark == ALL else f"the benchmark {self.benchmark}"
        interval = interval_told(finite(one.low), finite(one.high))
        return (
            f"on {where} {METRIC_NAMES[one.metric]} of {self.method} fell from {one.before:.3f} to {one.after:.3f} by "
            f"{-one.difference:.3f} ({CONFIDENCE:.0%} interval of the change {interval}, "
            f"p {p_told(one.p)}, {one.queries} queries: {one.verdict}), and {self.tolerance:.3f} is allowed"
        )


@dataclass(frozen=True)
class Compared:
    """What two evaluations say of each other by the settings' metrics and methods.

    `counts` are the rows of `changes_of_means`: how many queries were asked later, and how many of them compare.
    """

    before: int
    after: int
    findings: tuple[Finding, ...]
    counts: Mapping[tuple[str, str], Row]

    @property
    def falls(self) -> str:
        """What fell by more than it may, for people; empty where nothing did."""
        return "; ".join(one.told for one in self.findings if one.fallen)

    @property
    def basis(self) -> str:
        """On how many queries it stands, for people, and which benchmarks are not or only partly among them."""
        alike, asked = self._queries()
        partly = comparability(self.counts, self.before)
        return f"{alike} of {asked} queries compare." + (f" {partly}" if partly else "")

    def gaps(self, gate: Gate) -> str:
        """What the settings ask for and cannot be said of these two, for people; empty where nothing lacks."""
        alike, asked = self._queries()
        if 2 * alike < asked or not alike:
            return f"only {alike} of {asked} queries were asked of both and judged alike"
        known = {(one.method, one.comparison.metric) for one in self.findings if one.benchmark == ALL}
        lacking = [
            f"{METRIC_NAMES[metric]} of {method}"
            for method in gate.methods
            for metric in gate.metrics
            if (method, metric) not in known
        ]
        return f"{', '.join(lacking)} was not measured of every query in both" if lacking else ""

    def _queries(self) -> tuple[int, int]:
        """(those that compare, those that were asked) of all benchmarks: every method is asked all of them."""
        rows = [row for (benchmark, _), row in self.counts.items() if benchmark == ALL]
        return max((row["compared"] for row in rows), default=0), max((row["queries"] for row in rows), default=0)


@dataclass(frozen=True)
class Decision:
    """What the gate says. `promote`: it may go live. `wait`: a person has to say so. `hold`: it is worse.

    `measure`: too little can be said, because it is not measured as it is now, or not by all that the settings name, or
    most queries do not compare. `reason` is for people. `live` is None where the live generation was dropped.
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
    gate = project.settings.gate
    compared = compare_evaluations(connection, gate, before, after) if before and after else None
    action, reason = _judge(project, live, candidate, compared)
    return Decision(live, candidate, action, reason, compared.findings if compared else ())


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
            f"{one.difference:+.3f}", interval_told(finite(one.low), finite(one.high)),
            p_told(one.p), one.verdict,
            "–" if one.needed is None else f"{one.needed:,}",
        )
        for method, one in comparisons
    ]  # fmt: skip


def findings_markdown(told: str, findings: Sequence[Finding]) -> str:
    """What is said and what it stands on, for Dagster's metadata."""
    rows = [
        (one.benchmark, *row, f"{one.tolerance:.3f}", "fallen" if one.fallen else "")
        for one in findings
        for row in comparison_rows([(one.method, one.comparison)])
    ]
    table = markdown_table(("benchmark", *HEADER, "may fall by", ""), rows)
    return f"{told}\n\n{table}" if rows else told


def changes(findings: Sequence[Finding]) -> dict[str, float]:
    """The change of each metric over all benchmarks, by method and metric: what a plot over time wants."""
    return {
        f"{one.method}_{one.comparison.metric}_change": float(one.comparison.difference)
        for one in findings
        if one.benchmark == ALL
    }


def _judge(project: Project, live: Generation, candidate: Generation, compared: Compared | None) -> tuple[Action, str]:
    name, by_hand = f"Generation {candidate.number}", f"imagerag generations promote {candidate.number}"
    is_lost = bool(generations.lost_models(project, live))
    unsearchable = f"Generation {live.number} cannot be searched any more: its models are not to be had."
    if lost := generations.lost_models(project, candidate):
        return "hold", f"{name} is held back, for nobody could search it. {lost}"
    if compared and compared.falls:
        return "hold", (
            f"{name} is held back, generation {live.number} stays live: {compared.falls}. "
            f"{compared.basis} {unsearchable + ' ' if is_lost else ''}Set the models back, change gate.metrics, or "
            f"promote it by hand: {by_hand}"
        )
    gaps = compared.gaps(project.settings.gate) if compared else "they were not both measured as they are now"
    if gaps and not is_lost:
        return "measure", (
            f"{name} is not compared with generation {live.number} as gate.metrics and gate.methods want it: {gaps}. "
            "Materialize retrieval_runs and eval_metrics with a benchmark that has judged queries, or promote it by "
            f"hand: {by_hand}"
        )
    passed = f"{unsearchable} {name} can be."
    if compared and not gaps:
        kept = f"{name} keeps every metric within its tolerance, compared with generation {live.number}."
        passed = f"{kept} {compared.basis}"
    if candidate.held:
        return "wait", f"{passed} {candidate.held} To put it back: {by_hand}"
    if project.settings.gate.wait_for_person:
        return "wait", f"{passed} It waits for a person: {by_hand}, or the job promote_candidate."
    return "promote", f"{passed} It goes live."


def compare_evaluations(connection: Connection, gate: Gate, before: int, after: int) -> Compared:
    """All benchmarks together, then each: a small collection that collapses must not hide behind a large one."""
    rows = connection.execute(
        "select distinct benchmark from imagerag_eval.query_metrics where evaluation = %s order by benchmark", (after,)
    ).fetchall()
    # One alone is the whole.
    benchmarks = [ALL, *(row[0] for row in rows if len(rows) > 1)]
    findings = tuple(
        Finding(method, comparison, gate.metrics[comparison.metric], benchmark)
        for benchmark in benchmarks
        for method in gate.methods
        for comparison in compare(connection, Side(before, method), Side(after, method), tuple(gate.metrics), benchmark)
    )
    return Compared(before, after, findings, changes_of_means(connection, after, before))


def _measured(connection: Connection, project: Project, generation: Generation) -> int | None:
    """The evaluation of the generation as it is now, if dbt measured it; of one whose models are lost, the last."""
    newest = next(iter(evaluations(connection, generation.number)), None)
    if newest is None or not newest.measured:
        return None
    current = newest.fingerprint == evaluation_fingerprint(connection, project, generation)
    return newest.evaluation if current or generations.lost_models(project, generation) else None
