"""Ways of doing the same, timed in turn: what is compared, and the measuring. No row of its own, no output."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from benchmarks.results import ComparisonResult, ScalingResult, Seconds, TargetResult

Latencies = Sequence[float]
"""Seconds of every query of a round."""


@dataclass(frozen=True)
class Way:
    """One way. `run` does the work once; where it gives latencies back, their median counts and not the whole time."""

    run: Callable[[], Latencies | None]
    what: str
    """What it does, for the reader of the table."""
    times: float = 1.0
    """Its seconds are multiplied by this: for a way too slow to be run on all of the work. `what` says so."""


@dataclass(frozen=True)
class Target:
    """A bound on seconds of one way over those of another, on seconds alone (`over` None), or on a fact.

    `Target("plain", "ours", at_least=3)` reads: ours is at least three times as fast as the plain way.
    """

    of: str
    over: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    percentile: int = 50
    """Of the latencies, on both sides."""


@dataclass(frozen=True)
class Comparison:
    """`ways` by name: `ours`, and of `plain`, `peer` and `floor` those that there are, or names of the row's own."""

    name: str
    work: str
    """What is timed, with its amounts."""
    ways: Mapping[str, Way]
    targets: Sequence[Target] = ()
    facts: Callable[[], Mapping[str, float]] = dict
    """What is not a time (errors, recall, memory), taken once after the rounds. Targets may name them in `of`."""
    why: str = ""
    """For a target that is missed: what the floor is, and why."""
    warm_up: bool = True
    """Whether a round that does not count comes first: not where every round starts from nothing anyway."""


@dataclass(frozen=True)
class Scaling:
    """One work at growing sizes. `ways`: by name, from a size to what is timed (what comes before it is not)."""

    name: str
    work: str
    ways: Mapping[str, Callable[[int], Callable[[], object]]]
    sizes: Mapping[str, Sequence[int]]
    """By way, ascending: the plain way may end early."""
    most: Mapping[str, float] = field(default_factory=dict)
    """By way: the highest growth exponent, of the least-squares line through the logarithms."""
    why: str = ""


def run_comparison(comparison: Comparison, rounds: int) -> ComparisonResult:
    """Time every way once per round, the first of a round in turn, after one round to warm up, which does not count."""
    names = list(comparison.ways)
    taken: dict[str, list[tuple[float, dict[int, float]]]] = {name: [] for name in names}
    for name in names if comparison.warm_up else ():
        _seconds(comparison.ways[name])
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(_seconds(comparison.ways[name]))
    facts = {name: float(value) for name, value in comparison.facts().items()}
    return ComparisonResult(
        name=comparison.name,
        work=comparison.work,
        ways={
            name: Seconds(
                what=way.what,
                rounds=[seconds for seconds, _ in taken[name]],
                p95=[percentiles[95] for _, percentiles in taken[name] if 95 in percentiles],
            )
            for name, way in comparison.ways.items()
        },
        targets=[_judge(target, taken, facts) for target in comparison.targets],
        facts=facts,
        why=comparison.why,
    )


def run_scaling(scaling: Scaling, rounds: int) -> ScalingResult:
    """Median seconds at every size; small sizes are timed in every round, as noise is greatest there."""
    points: dict[str, dict[int, float]] = {}
    for name, prepare in scaling.ways.items():
        points[name] = {}
        for size in scaling.sizes[name]:
            work = prepare(size)
            times: list[float] = []
            # What takes long is little disturbed: once is enough.
            while len(times) < rounds and sum(times) < 20:
                started = time.perf_counter()
                work()
                times.append(time.perf_counter() - started)
            points[name][size] = median(times)
    exponents = {name: growth_exponent(found) for name, found in points.items() if len(found) > 1}
    targets = [
        TargetResult(
            text=f"{name} grows below n^{most:g}",
            unit="",
            value=exponents[name],
            least=exponents[name],
            most=exponents[name],
            met=exponents[name] <= most,
        )
        for name, most in scaling.most.items()
        if name in exponents
    ]
    return ScalingResult(
        name=scaling.name, work=scaling.work, points=points, exponents=exponents, targets=targets, why=scaling.why
    )


def growth_exponent(points: Mapping[int, float]) -> float:
    """Slope of ln(seconds) over ln(size): 1 is linear, 2 quadratic."""
    sizes, seconds = zip(*sorted(points.items()), strict=True)
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(seconds, 1e-9)), 1)[0])


def _seconds(way: Way) -> tuple[float, dict[int, float]]:
    """(seconds of one run, percentiles of its latencies if it has such)."""
    started = time.perf_counter()
    latencies = way.run()
    whole = (time.perf_counter() - started) * way.times
    if latencies is None:
        return whole, {}
    return float(np.median(latencies)), {point: float(np.percentile(latencies, point)) for point in (50, 95)}


def _judge(
    target: Target, taken: Mapping[str, Sequence[tuple[float, dict[int, float]]]], facts: Mapping[str, float]
) -> TargetResult:
    """The target's value in every round; its median is held against the bound."""

    def of(name: str) -> list[float]:
        return [found.get(target.percentile, seconds) for seconds, found in taken[name]]

    unit = ""
    if target.of in facts:
        values = [facts[target.of]]
    elif target.over is None:
        values, unit = of(target.of), "s"
    else:
        values, unit = [a / b for a, b in zip(of(target.of), of(target.over), strict=True)], "×"
    value = median(values)
    met = (target.at_least is None or value >= target.at_least) and (target.at_most is None or value <= target.at_most)
    return TargetResult(text=_words(target, unit), unit=unit, value=value, least=min(values), most=max(values), met=met)


def _words(target: Target, unit: str) -> str:
    point = "" if target.percentile == 50 else f"p{target.percentile} of "
    name = f"{point}{target.of}" + (f" / {target.over}" if target.over else "")
    bounds = [
        f"{sign} {bound:g}" for sign, bound in (("≥", target.at_least), ("≤", target.at_most)) if bound is not None
    ]
    return f"{name} {' and '.join(bounds)}{' s' if unit == 's' else unit}"
