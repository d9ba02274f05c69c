"""Is it better? Paired comparisons of what dbt measured query by query. No metric is computed here.

Every query is asked of both sides, so it is the differences per query that are looked at: their mean with a bootstrap
interval, the chance of such a mean where the sides do not differ (a randomization test), and how many queries it takes
to see a difference of this size. All random draws are seeded: equal numbers give equal answers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.benchmarks import ALL
from imagerag_assets.settings import GateMetric

METRICS: tuple[GateMetric, ...] = get_args(GateMetric)
CONFIDENCE = 0.95
_ALPHA = 1 - CONFIDENCE
_RESAMPLES = 10_000
_SEED = 20_240_501
_CHUNK = 4_000_000
"""Random numbers in memory at a time."""
# Standard normal quantiles at 1 − α/2 = .975 and at the power, .8.
_Z_CONFIDENCE, _Z_POWER = 1.959964, 0.841621
# Means that are equal on paper differ in the last bits, as sums in another order do.
_ROUNDING = 1e-12

Values = NDArray[np.float64]
Verdict = Literal["better", "worse", "no difference seen"]


@dataclass(frozen=True)
class Side:
    """What is compared: one method as one evaluation measured it."""

    evaluation: int
    method: str


@dataclass(frozen=True)
class Comparison:
    """One metric of two sides over the queries that both were asked.

    `difference` is after − before, a mean over `queries`; `low` and `high` are the ends of its 95 % interval. `p` is
    the chance of a difference at least as large where there is none. `needed` queries show a difference of this size
    with a power of .8; None where there is no difference at all.
    """

    metric: GateMetric
    queries: int
    before: float
    after: float
    difference: float
    low: float
    high: float
    p: float
    needed: int | None

    @property
    def verdict(self) -> Verdict:
        """`better` and `worse` only where both the test and the interval say so."""
        if self.p >= _ALPHA or self.low <= 0 <= self.high:
            return "no difference seen"
        return "better" if self.difference > 0 else "worse"


def compare(
    connection: Connection, before: Side, after: Side, metrics: Sequence[GateMetric] = METRICS, benchmark: str = ALL
) -> list[Comparison]:
    """Compare two sides metric by metric, over one benchmark or all.

    Only queries that both were asked and that were judged alike then: a number by other judgements is another metric.
    Nothing where there is none; one evaluation is always judged like itself.
    """
    columns = sql.SQL(", ").join(
        sql.Identifier(alias, metric) for metric in metrics for alias in ("before", "after")
    )  # fmt: skip
    rows = connection.execute(
        sql.SQL("""
            select {columns}
            from imagerag_eval.query_metrics before
            join imagerag_eval.query_metrics after using (benchmark, query_id)
            where (before.evaluation, before.method) = (%s, %s) and (after.evaluation, after.method) = (%s, %s)
              and (before.judged_as = after.judged_as or before.evaluation = after.evaluation)
              and (benchmark = %s or %s)
            order by benchmark, query_id
        """).format(columns=columns),
        (before.evaluation, before.method, after.evaluation, after.method, benchmark, benchmark == ALL),
    ).fetchall()
    # An evaluation from before a metric was introduced has no value of it.
    found = [np.array([row[at : at + 2] for row in rows], dtype=np.float64) for at in range(0, 2 * len(metrics), 2)]
    return [
        compared(metric, pairs[:, 0], pairs[:, 1])
        for metric, pairs in zip(metrics, found, strict=True)
        if len(pairs) and not np.isnan(pairs).any()
    ]


def compare_methods(
    connection: Connection, before: int, after: int, methods: Sequence[str], metrics: Sequence[GateMetric] = METRICS
) -> list[tuple[str, Comparison]]:
    """(method, comparison) of every method with itself in another evaluation, as `compare` does."""
    return [
        (method, comparison)
        for method in methods
        for comparison in compare(connection, Side(before, method), Side(after, method), metrics)
    ]


def compared(metric: GateMetric, before: Values, after: Values) -> Comparison:
    """Compare the values of both sides, query by query in the same order; at least one query."""
    differences = after - before
    low, high = bootstrap_interval(differences)
    return Comparison(
        metric, len(differences), float(before.mean()), float(after.mean()), float(differences.mean()), low, high,
        randomization_p(differences), queries_needed(differences),
    )  # fmt: skip


def method_pairs(methods: Sequence[str]) -> list[tuple[str, str]]:
    """(before, after) of all pairs; of two methods the one that comes first in the list is `after`."""
    return [(other, first) for first, other in combinations(methods, 2)]


def bootstrap_interval(differences: Values, resamples: int = _RESAMPLES) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron & Tibshirani 1993, chapter 13) at 95 %.

    One query says nothing of others: its interval is everything, (−inf, inf).
    """
    if len(differences) < 2:
        return -math.inf, math.inf
    chance, size = np.random.default_rng(_SEED), len(differences)
    means = np.concatenate(
        [
            differences[chance.integers(0, size, size=(rows, size))].mean(axis=1)
            for rows in _chunks(resamples, size)
        ]
    )  # fmt: skip
    low, high = np.quantile(means, [_ALPHA / 2, 1 - _ALPHA / 2])
    return float(low), float(high)


def randomization_p(differences: Values, resamples: int = _RESAMPLES) -> float:
    """Two-sided p of the paired randomization test: in a world without a difference every sign could be the other.

    Exact where all 2^n signs are no more than `resamples`; else by random signs, the observed ones counted in (Phipson
    & Smyth 2010). Smucker, Allan & Carterette (2007) recommend it for comparing retrieval systems.
    """
    # Queries without a difference have no sign to turn.
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    observed = abs(moved.sum()) - _ROUNDING * np.abs(moved).sum()
    if 2 ** len(moved) <= resamples:
        places = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))
        return float((np.abs((1.0 - 2.0 * (places & 1)) @ moved) >= observed).mean())
    chance = np.random.default_rng(_SEED)
    as_large = sum(
        int((np.abs((1.0 - 2.0 * chance.integers(0, 2, size=(rows, len(moved)))) @ moved) >= observed).sum())
        for rows in _chunks(resamples, len(moved))
    )
    return (as_large + 1) / (resamples + 1)


def finite(value: float) -> float | None:
    """The number for JSON, which knows no infinity: what a single query's interval reaches to."""
    return value if math.isfinite(value) else None


def interval_told(low: float | None, high: float | None) -> str:
    """An interval of a change for people; what `finite` made of a single query's is unknown."""
    return "unknown" if low is None or high is None else f"{low:+.3f} to {high:+.3f}"


def p_told(p: float) -> str:
    """A p value for people: of a resampled test none is 0."""
    return f"{p:.3f}" if p >= 0.001 else "<0.001"


def queries_needed(differences: Values) -> int | None:
    """Queries for a power of .8 at a two-sided α of .05, if these differences are typical (Sakai 2016).

    ((z_.975 + z_.8) · s / d)², by the normal approximation and at least 2; None where the mean is 0.
    """
    if len(differences) < 2 or abs(differences.mean()) <= _ROUNDING:
        return None
    ratio = float(differences.std(ddof=1) / differences.mean())
    return max(2, math.ceil(((_Z_CONFIDENCE + _Z_POWER) * ratio) ** 2))


def _chunks(resamples: int, size: int) -> list[int]:
    """Rows per draw, so that no draw holds more than _CHUNK numbers."""
    most = max(1, _CHUNK // size)
    return [min(most, resamples - start) for start in range(0, resamples, most)]
