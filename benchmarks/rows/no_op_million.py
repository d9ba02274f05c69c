"""A run with nothing to do at a million images: the row no_op ten times as large, our stages alone."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Scaling
from benchmarks.rows.no_op import made_project, unchanged


def make(bench: Bench) -> Rows:
    sizes = bench.size((10_000, 100_000, 1_000_000), (100, 300))

    def at(size: int) -> Callable[[], None]:
        project = made_project(bench, size)
        return lambda: unchanged(project)

    return [
        Scaling(
            "a run with nothing to do, up to a million", "images, the stages, in a process that is running",
            {"ours": at}, {"ours": sizes}, {"ours": 1.1},
        )
    ]  # fmt: skip
