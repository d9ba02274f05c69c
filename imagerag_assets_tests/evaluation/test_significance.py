"""Intervals, the randomization test and the number of queries, against scipy and against what must hold anyway."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from imagerag_assets.evaluation.significance import (
    bootstrap_interval,
    compared,
    method_pairs,
    p_told,
    queries_needed,
    randomization_p,
)

Values = NDArray[np.float64]


@st.composite
def differences(draw: st.DrawFn, least: int = 2, most: int = 60) -> Values:
    """Of metrics: between −1 and 1, many of them 0, some shifted to one side."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    size, shift = draw(st.integers(least, most)), draw(st.sampled_from((0.0, 0.0, 0.05, -0.1, 0.3)))
    values = np.round(np.clip(chance.normal(shift, 0.3, size), -1, 1), draw(st.sampled_from((1, 6))))
    return np.where(chance.random(size) < draw(st.sampled_from((0.0, 0.5))), 0.0, values)


def scipy_p(values: Values, resamples: int) -> float:
    test = stats.permutation_test(
        (values, np.zeros_like(values)), lambda x, y, axis: (x - y).mean(axis=axis), permutation_type="samples",
        vectorized=True, n_resamples=resamples, rng=1,
    )  # fmt: skip
    return float(test.pvalue)


@given(differences(most=9))
@settings(max_examples=60, deadline=None)
def test_on_few_queries_the_p_is_exactly_that_of_scipy(values: Values) -> None:
    assert randomization_p(values) == pytest.approx(scipy_p(values, 10_000), abs=1e-9)


@given(differences(least=20))
@settings(max_examples=15, deadline=None)
def test_on_many_queries_the_p_is_that_of_scipy_but_for_chance(values: Values) -> None:
    ours = randomization_p(values)
    # Two binomial errors of 10,000 draws each, and twice the one-sided for scipy's.
    assert ours == pytest.approx(scipy_p(values, 10_000), abs=6 * math.sqrt(ours / 5_000) + 3e-4)


@given(differences(least=20))
@settings(max_examples=25, deadline=None)
def test_the_interval_is_that_of_scipys_percentile_bootstrap_but_for_chance(values: Values) -> None:
    theirs = stats.bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=1).confidence_interval
    error = 0.12 * values.std(ddof=1) / math.sqrt(len(values)) + 1e-12
    # Where most are equal there are few means, and a quantile is one or the next of them.
    step = np.abs(values).max() / len(values)
    assert bootstrap_interval(values) == pytest.approx(tuple(theirs), abs=error + step)


@given(differences())
@settings(max_examples=25, deadline=None)
def test_the_other_way_round_is_the_opposite(values: Values) -> None:
    zeros = np.zeros_like(values)
    one, other = compared("ndcg_at_10", zeros, values), compared("ndcg_at_10", values, zeros)
    assert (one.p, one.needed) == (other.p, other.needed)
    assert one.difference == -other.difference
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert {one.verdict, other.verdict} in ({"better", "worse"}, {"no difference seen"})


@given(differences())
@settings(max_examples=25, deadline=None)
def test_equal_numbers_give_equal_answers(values: Values) -> None:
    assert compared("recall_at_10", 0 * values, values) == compared("recall_at_10", 0 * values, values.copy())


def test_so_many_queries_as_are_needed_show_the_difference_four_times_in_five() -> None:
    chance = np.random.default_rng(5)
    needed = queries_needed(chance.normal(0.05, 0.2, 100_000))
    assert needed is not None
    # Worked by hand: ((1.96 + 0.8416) · 0.2 / 0.05)² = 125.6.
    assert needed == pytest.approx(126, abs=4)
    seen = [randomization_p(chance.normal(0.05, 0.2, needed), 500) < 0.05 for _ in range(300)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.07)


def test_without_a_difference_one_is_seen_once_in_twenty() -> None:
    chance = np.random.default_rng(7)
    seen = [randomization_p(chance.normal(0, 0.3, 40), 500) < 0.05 for _ in range(500)]
    assert np.mean(seen) == pytest.approx(0.05, abs=0.03)


def test_nothing_is_better_by_one_query_or_by_none() -> None:
    alone = compared("hit_at_1", np.array([0.0]), np.array([1.0]))
    assert (alone.difference, alone.p, alone.verdict) == (1.0, 1.0, "no difference seen")
    same = compared("hit_at_1", np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 1.0]))
    assert (same.low, same.high, same.p, same.needed, same.verdict) == (0, 0, 1.0, None, "no difference seen")


def test_every_pair_of_methods_is_compared_once_with_the_better_one_after() -> None:
    assert method_pairs(["hybrid", "clip", "text"]) == [("clip", "hybrid"), ("text", "hybrid"), ("text", "clip")]


def test_no_p_is_told_as_nothing() -> None:
    assert [p_told(p) for p in (0.0001, 0.001, 0.0404, 1.0)] == ["<0.001", "0.001", "0.040", "1.000"]
