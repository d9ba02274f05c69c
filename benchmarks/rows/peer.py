"""From files to a searchable index beside pixeltable, which has an embedded Postgres too: full, some more, nothing new.

PIXELTABLE_PYTHON names an interpreter that has pixeltable, torch and transformers: it is not installed with this
project, whose versions of other packages it does not share.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks import peers
from benchmarks.bench import Bench, Missing, Rows
from benchmarks.comparison import Comparison, Target, Way
from benchmarks.made import clip_model, write_photographs

_STEPS = ("full", "more", "nothing")


def make(bench: Bench) -> Rows:
    python = os.environ.get("PIXELTABLE_PYTHON")
    if not python:
        raise Missing("PIXELTABLE_PYTHON names no interpreter that has pixeltable.")
    count = bench.size(300, 10)
    first, more = bench.folder / "first", bench.folder / "more"
    files = write_photographs(first, count + count // 100 + 1, (640, 480))
    more.mkdir()
    for file in files[count:]:
        file.rename(more / file.name)
    model = str(clip_model(bench.folder / "clip", small=True))
    folders = (model, str(first), str(more))
    home = bench.folder / "pixeltable"
    script = str(Path(peers.__file__).parent / "pixeltable_index.py")
    told: dict[str, dict[str, float]] = {}
    urls = (bench.database(f"peer_{number}").url for number in range(100))

    def ours() -> None:
        command = [sys.executable, "-m", "benchmarks.peers.our_index", next(urls), *folders]
        told["ours"] = _told(command, os.environ)

    def peer() -> None:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        home.chmod(0o755)
        # Not this project's packages: the interpreter has its own.
        told["peer"] = _told([python, script, *folders], {**os.environ, "PIXELTABLE_HOME": str(home), "PYTHONPATH": ""})

    return [
        Comparison(
            "files to index beside pixeltable",
            f"{count} JPEG of 640 × 480, a scaled-down CLIP of random weights, then {count // 100 + 1} more, then "
            "nothing new: one process, its start included",
            {
                "peer": Way(peer, "pixeltable: a table of images with an embedding index"),
                "ours": Way(ours, "the stages from raw_images to pgvector_index without text and descriptions"),
            },
            (Target("peer", "ours", at_least=1),),
            lambda: _facts(told),
        )
    ]


def _told(command: list[str], environment: Mapping[str, str]) -> dict[str, float]:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{command[:3]} failed: {done.stderr[-1500:]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def _facts(told: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Of the last round: seconds of every step inside the processes, and their peak memory."""
    peer, ours = told["peer"], told["ours"]
    facts: dict[str, float] = {}
    for step in _STEPS:
        facts |= {f"{step}: pixeltable s": peer[step], f"{step}: ours s": ours[step]}
    return facts | {"peak MB: pixeltable": peer["peak"], "peak MB: ours": ours["peak"]}
