"""Timing two ways of doing the same, in turn, so that a slow moment of the machine hits both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Comparison:
    """Medians over the rounds, in seconds, and the ratio plain / ours of every round."""

    name: str
    plain_seconds: float
    ours_seconds: float
    ratios: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return median(self.ratios)


def compare(name: str, plain: Callable[[], object], ours: Callable[[], object], rounds: int) -> Comparison:
    """Time both once per round, after one round that does not count."""
    _seconds(plain)
    _seconds(ours)
    times = [(_seconds(plain), _seconds(ours)) for _ in range(rounds)]
    return Comparison(
        name,
        median(one for one, _ in times),
        median(other for _, other in times),
        tuple(one / other for one, other in times),
    )


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
