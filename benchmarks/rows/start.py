"""How long the command line and the code location take to start: whole processes, beside the least they could do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Target, Way

_IMAGERAG = Path(sys.executable).parent / "imagerag"


def make(bench: Bench) -> Rows:  # noqa: ARG001
    return [
        Comparison(
            "imagerag --help",
            "a process from start to end",
            {
                "floor": Way(
                    _process(sys.executable, "-c", "import typer, rich"), "Python that imports typer and rich"
                ),
                "ours": Way(_process(str(_IMAGERAG), "--help"), "imagerag --help"),
            },
            (Target("ours", at_most=0.5),),
        ),
        Comparison(
            "code location",
            "a process from start to end",
            {
                "floor": Way(_process(sys.executable, "-c", "import dagster"), "import dagster"),
                "floor with dbt": Way(
                    _process(sys.executable, "-c", "import dagster, dagster_dbt"), "import dagster and dagster_dbt"
                ),
                "ours": Way(
                    _process(sys.executable, "-c", "from imagerag_assets.definitions import defs"), "our definitions"
                ),
            },
            (Target("ours", "floor", at_most=2), Target("ours", "floor with dbt", at_most=2)),
            why="dagster_dbt imports dbt itself, which costs more than twice as much as Dagster: the graph has dbt's "
            "models, so that is the floor. The first target is missed by it alone: it makes assets and checks from the "
            "manifest, and to keep a copy of them would be to write part of that library again.",
        ),
    ]


def _process(*command: str) -> Callable[[], None]:
    def run() -> None:
        subprocess.run(command, check=True, capture_output=True)

    return run
