"""Peak memory at ten thousand and at ten times as many rows: `benchmarks.scale` in a process of its own for each."""

from __future__ import annotations

import json
import subprocess
import sys

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Target, Way


def make(bench: Bench) -> Rows:
    few, many = bench.size((10_000, 100_000), (500, 5_000))
    peaks: dict[int, dict[str, float]] = {}

    def at(rows: int) -> None:
        command = [sys.executable, "-m", "benchmarks.scale", "--rows", str(rows), "--json"]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        peaks[rows] = {one["step"]: one["peak_mb"] for one in json.loads(said)}

    def facts() -> dict[str, float]:
        steps = peaks[few]
        return {
            **{f"MB at {few:,} rows, {step}": peaks[few][step] for step in steps},
            **{f"MB at {many:,} rows, {step}": peaks[many][step] for step in steps},
            "largest growth of any step": max(peaks[many][step] / peaks[few][step] for step in steps),
        }

    return [
        Comparison(
            "memory",
            "change detection, the pending rule, the data version and the sensor over made rows; peak resident memory",
            {"few": Way(lambda: at(few), f"{few:,} rows"), "many": Way(lambda: at(many), f"{many:,} rows")},
            (Target("largest growth of any step", at_most=1.2),),
            facts,
        )
    ]
