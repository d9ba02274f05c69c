"""Memory does not grow with the number of rows: made rows go through the rule, the change detection and the sensor."""

from __future__ import annotations

import json
import subprocess
import sys


def measured(rows: int) -> dict[str, dict[str, float]]:
    """What `benchmarks.scale` says of every step, in a process of its own, whose peak is nobody else's."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.scale", "--rows", str(rows), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {one["step"]: one for one in json.loads(done.stdout)}


def test_memory_is_flat_and_nothing_unchanged_is_read() -> None:
    few, many = measured(10_000), measured(100_000)

    assert many["change detection, nothing changed"]["found"] == 100_000
    assert many["pending rule, nothing pending"]["found"] == 100_000
    assert 500 < many["pending rule, one per cent pending"]["found"] < 2_000
    for step, one in many.items():
        assert one["peak_mb"] < 1.2 * few[step]["peak_mb"], step
