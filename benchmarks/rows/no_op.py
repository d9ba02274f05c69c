"""A run with nothing to do: our stages alone, the whole graph through Dagster, and Dagster's own start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from benchmarks.graph import run_graph
from benchmarks.made_rows import fill
from imagerag_assets.project import Project


def make(bench: Bench) -> Rows:
    sizes = bench.size((1_000, 10_000), (100, 300))
    projects = {size: _made(bench, size) for size in sizes}
    most = sizes[-1]
    return [
        Comparison(
            "a run with nothing to do",
            f"{most:,} images, every stage done for all of them (made rows, nothing decoded), the index built",
            {
                "floor": Way(
                    _process(sys.executable, "-c", "import imagerag_assets.definitions"), "our code location's import"
                ),
                "ours": Way(lambda: _unchanged(projects[most]), "the stages, in a process that is running"),
                "whole graph": Way(
                    _materialize(bench, projects[most]), "imagerag materialize, a new process with Dagster and dbt"
                ),
            },
            (Target("ours", at_most=1), Target("whole graph", at_most=5)),
            why=f"Rows are {most:,} and not 100,000: the index of so many was not built here. The growth says what "
            "to expect of more.",
        ),
        Scaling(
            "a run with nothing to do",
            "the stages, in a process that is running",
            {"ours": lambda size: lambda: _unchanged(projects[size])},
            {"ours": sizes},
            {"ours": 1.1},
        ),
    ]  # fmt: skip


def _made(bench: Bench, count: int) -> Project:
    folder = bench.folder / f"files-{count}"
    folder.mkdir()
    for number in range(count):
        (folder / f"picture-{number:06d}.jpg").write_bytes(b"?")
    # A coarse index: what is measured here never looks at it.
    project = bench.project(f"no_op_{count}", {"made": folder}, index={"m": 4, "ef_construction": 8})
    fill(project, "made")
    _unchanged(project, allowed=count)
    return project


def _unchanged(project: Project, allowed: int = 0) -> None:
    reports = run_graph(project)
    worked = {name: report.worked + report.removed for name, report in reports.items()}
    if sum(worked.values()) > allowed:
        raise AssertionError(f"A run with nothing to do did something: {worked}")


def _materialize(bench: Bench, project: Project) -> Callable[[], None]:
    settings = project.settings
    file = bench.folder / "imagerag.yaml"
    values = settings.model_dump(mode="json", include={"collections", "database", "index", "data_dir"})
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return _process(str(Path(sys.executable).parent / "imagerag"), "materialize", "--settings", str(file))


def _process(*command: str) -> Callable[[], None]:
    def run() -> None:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=os.environ | {"IMAGERAG_DATA_DIR": ""}
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")

    return run
