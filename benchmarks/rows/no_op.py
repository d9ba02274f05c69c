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

_ENVIRONMENT = os.environ | {"IMAGERAG_DATA_DIR": ""}
_IMAGERAG = str(Path(sys.executable).parent / "imagerag")


def make(bench: Bench) -> Rows:
    sizes = bench.size((1_000, 10_000, 100_000), (100, 300))
    projects = {size: made_project(bench, size) for size in sizes}
    settings = {size: _settings(bench, size, project) for size, project in projects.items()}
    home = bench.folder / "idle"
    home.mkdir()

    def facts() -> dict[str, float]:
        fewer, more = sizes[-2:]
        peaks = {size: _peak_mb(settings[size]) for size in (fewer, more)}
        return {
            **{f"MB at {size:,} images, the stages": peak for size, peak in peaks.items()},
            "growth of the stages' peak memory": peaks[more] / peaks[fewer],
        }

    most = sizes[-1]
    return [
        Comparison(
            "a run with nothing to do",
            f"{most:,} images, every stage done for all of them (made rows, nothing decoded), the index built",
            {
                "floor": Way(_listed(bench.folder / f"files-{most}"), "the folder's listing, os.scandir and stat"),
                "floor of Dagster": Way(
                    _process(sys.executable, "-m", "benchmarks.idle_graph", str(home)),
                    "as many assets and checks that do nothing, a new process with Dagster alone",
                ),
                "floor of the import": Way(
                    _process(sys.executable, "-c", "import imagerag_assets.definitions"), "our code location's import"
                ),
                "ours": Way(lambda: unchanged(projects[most]), "the stages, in a process that is running"),
                "whole graph": Way(
                    _process(_IMAGERAG, "materialize", "--settings", str(settings[most])),
                    "imagerag materialize, a new process with Dagster and dbt",
                ),
            },
            (
                Target("ours", at_most=1),
                Target("whole graph", at_most=5),
                Target("growth of the stages' peak memory", at_most=1.2),
            ),
            facts,
            why="What is pending is read off the rows themselves: each of ten stages joins its candidates with its "
            "results, and the index compares a digest of every image. That, the listing and copying it into the "
            "database grow with the images; a note of what was done last would be a second account that can disagree. "
            "The whole graph adds Dagster's steps, data versions, counts per collection and the checks.",
        ),
        Scaling(
            "a run with nothing to do",
            "the stages, in a process that is running",
            {"ours": lambda size: lambda: unchanged(projects[size])},
            {"ours": sizes},
            {"ours": 1.1},
        ),
    ]  # fmt: skip


def made_project(bench: Bench, count: int) -> Project:
    folder = bench.folder / f"files-{count}"
    folder.mkdir()
    for number in range(count):
        (folder / f"picture-{number:06d}.jpg").write_bytes(b"?")
    # A coarse index: what is measured here never looks at it.
    project = bench.project(f"no_op_{count}", {"made": folder}, index={"m": 4, "ef_construction": 8})
    fill(project, "made")
    unchanged(project, allowed=count)
    return project


def _listed(folder: Path) -> Callable[[], None]:
    def run() -> None:
        with os.scandir(folder) as entries:
            for entry in entries:
                entry.stat()

    return run


def _peak_mb(settings: Path) -> float:
    """Of a process of its own that runs the stages with nothing to do."""
    command = [sys.executable, "-m", "benchmarks.graph", str(settings)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True, env=_ENVIRONMENT).stdout)


def unchanged(project: Project, allowed: int = 0) -> None:
    reports = run_graph(project)
    worked = {name: report.worked + report.removed for name, report in reports.items()}
    if sum(worked.values()) > allowed:
        raise AssertionError(f"A run with nothing to do did something: {worked}")


def _settings(bench: Bench, size: int, project: Project) -> Path:
    """The project's settings as a file, for processes."""
    file = bench.folder / f"imagerag-{size}.yaml"
    values = project.settings.model_dump(mode="json", include={"collections", "database", "index", "data_dir"})
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    return file


def _process(*command: str) -> Callable[[], None]:
    def run() -> None:
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=_ENVIRONMENT)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr[-2000:]}")

    return run
