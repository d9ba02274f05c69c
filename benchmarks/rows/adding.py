"""One per cent more images: the models' work and the time, beside the first run of all and a run with nothing to do."""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median_low

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Target, Way
from benchmarks.graph import run_graph
from benchmarks.made import jpeg, photograph
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.models.text_encoder import TextEncoder
from imagerag_assets.project import Project

_SIZE = (320, 240)


def make(bench: Bench) -> Rows:
    count = bench.size(100, 20)
    more = max(1, count // 100)
    numbers = itertools.count()
    first = bench.folder / "first"
    first.mkdir()
    for _ in range(count):
        _write(first, next(numbers))
    project = _new(bench, 0, first)
    work: dict[str, dict[str, int]] = {}
    seconds: dict[str, list[float]] = {"full": [], "none": [], "more": []}

    def measured(name: str, prepare: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            prepare()
            started = time.perf_counter()
            work[name] = _work(project)
            seconds[name].append(time.perf_counter() - started)

        return run

    def from_nothing() -> None:
        nonlocal project
        project = _new(bench, len(seconds["full"]) + 1, first)

    def add() -> None:
        for _ in range(more):
            _write(project.settings.root / project.settings.collections[0].source, next(numbers))

    def facts() -> dict[str, float]:
        # The round to warm up does not count; a quick run has none.
        full, none, added = (median_low(taken[0 if bench.quick else 1 :]) for taken in seconds.values())
        told = {f"{what}, for {more} more": done for what, done in work["more"].items()}
        most = max(work["more"][what] / work["full"][what] for what in work["full"])
        return {
            **told,
            "largest share of the full run's work": most,
            "work with nothing to do": sum(work["none"].values()),
            "share of the full run's time, beyond nothing to do": (added - none) / full,
        }

    return [
        Comparison(
            "one per cent more images",
            f"{count} JPEG of {_SIZE[0]} × {_SIZE[1]} with the bundled models and Tesseract, then {more} more",
            {
                "full": Way(measured("full", from_nothing), "every stage up to the index, from an empty database"),
                "none": Way(measured("none", lambda: None), "the same with nothing to do"),
                "ours": Way(measured("more", add), f"the same with {more} more images"),
            },
            (
                Target("largest share of the full run's work", at_most=max(0.02, more / count)),
                Target("work with nothing to do", at_most=0),
                Target("share of the full run's time, beyond nothing to do", at_most=0.05),
            ),
            facts,
            why="What a few images cost beside the models' work: batches that are not full, the words of the "
            "vocabulary (encoded once in every run that describes), statistics, and the index's difference.",
        )
    ]


def _new(bench: Bench, number: int, first: Path) -> Project:
    """A project of its own, whose folder holds the first images."""
    folder = shutil.copytree(first, bench.folder / f"files-{number}")
    return bench.project(f"adding_{number}", {"made": folder}, ocr={"engine": "tesseract"})


def _write(folder: Path, number: int) -> None:
    (folder / f"picture-{number:05d}.jpg").write_bytes(jpeg(photograph(number, _SIZE)))


def _work(project: Project) -> dict[str, int]:
    """What the models saw, by what they did with it."""
    images, texts = DualEncoder.images_encoded, TextEncoder.texts_encoded
    reports = run_graph(project)
    return {
        "images encoded": DualEncoder.images_encoded - images,
        "images read": reports["ocr_text"].worked,
        "images described": reports["vlm_descriptions"].worked,
        "descriptions encoded": TextEncoder.texts_encoded - texts,
    }
