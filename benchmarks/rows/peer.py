"""From files to a searchable index beside pixeltable, which has an embedded Postgres too: full, some more, nothing new.

PIXELTABLE_PYTHON names an interpreter that has pixeltable, torch and transformers: it is not installed with this
project, whose versions of other packages it does not share. `make bench-peer` makes one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median

import psutil

from benchmarks import peers
from benchmarks.bench import Bench, Missing, Rows
from benchmarks.comparison import Comparison, Target, Way
from benchmarks.made import clip_model, write_photographs

_TOLD = {"start": "start", "full": "full", "more": "more", "nothing": "nothing new", "peak": "memory"}
"""What both processes tell of themselves, by the name of its fact."""
Told = Mapping[str, float]


def make(bench: Bench) -> Rows:
    python = os.environ.get("PIXELTABLE_PYTHON")
    if not python:
        raise Missing("PIXELTABLE_PYTHON names no interpreter that has pixeltable: make bench-peer makes one.")
    count, further = bench.size(2_000, 20), bench.size(20, 2)
    first, more = bench.folder / "first", bench.folder / "more"
    files = write_photographs(first, count + further, (640, 480))
    more.mkdir()
    for file in files[count:]:
        file.rename(more / file.name)
    folders = (str(clip_model(bench.folder / "clip", small=True)), str(first), str(more))
    told: dict[str, list[Told]] = {"peer": [], "ours": []}
    return [
        Comparison(
            "files to index beside pixeltable",
            f"{count:,} JPEG of 640 × 480, a scaled-down CLIP of random weights, float32, batches of 32, then "
            f"{further} more, then nothing new: a new process with an empty embedded Postgres, its start included",
            {
                "peer": Way(
                    _runner(bench.folder / "pixeltable", told["peer"], [python, _script("pixeltable_index"), *folders]),
                    "pixeltable: a table of images with an embedding index",
                ),
                "ours": Way(
                    _runner(bench.folder / "ours", told["ours"], [sys.executable, _script("our_index"), *folders]),
                    "the stages from raw_images to pgvector_index without text and descriptions",
                ),
            },
            tuple(
                Target(f"{name}, pixeltable / ours", at_least=1) for name in ("full", "more", "nothing new", "memory")
            ),
            lambda: _facts(told),
            "Of a file pixeltable stores its path and its vector. Ours first looks inside it in a process of its own "
            "(what breaks a decoder costs no run): content hash, EXIF, two perceptual hashes, thumbnail, quarantine; "
            "and decodes it a second time for the model, so that every later stage can be run alone. Our first index "
            "also loads the text model and encodes 68 background queries with both models, one by one, by which search "
            "calibrates itself: a fixed time, which weighs on few images. With nothing new the peer's script compares "
            "file names, by hand; ours also notices what changed in place or vanished, and looks for what is pending "
            "in every stage.",
            # Every round is a new process and a new server: nothing stays warm but the files.
            warm_up=False,
        )
    ]


def _script(name: str) -> str:
    return str(Path(peers.__file__).parent / f"{name}.py")


def _runner(home: Path, told: list[Told], command: Sequence[str]) -> Callable[[], None]:
    """Run the command with an empty folder as its home, and keep what it tells."""
    # An interpreter of its own has packages of its own; ours is started as a script, whose folder is not this one.
    ours = command[0] == sys.executable
    path = str(Path(peers.__file__).parent.parent.parent) if ours else ""

    def run() -> None:
        home.mkdir()
        home.chmod(0o755)
        environment = {**os.environ, "PYTHONPATH": path, "PIXELTABLE_HOME": str(home), "IMAGERAG_DATA_DIR": str(home)}
        try:
            told.append(_told(command, environment))
        finally:
            _stop_server(home)
            shutil.rmtree(home, ignore_errors=True)

    return run


def _told(command: Sequence[str], environment: Mapping[str, str]) -> Told:
    """The last line that the command prints, and the peak memory of its processes in MB."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        started = subprocess.Popen(command, stdout=out, stderr=errors, text=True, env=environment)
        peak = 0.0
        while started.poll() is None:
            peak = max(peak, _memory_mb(started.pid))
            time.sleep(0.2)
        for file in (out, errors):
            file.seek(0)
        if started.returncode:
            raise RuntimeError(f"{command[:2]} failed: {errors.read()[-1500:]}")
        found: dict[str, float] = json.loads(out.read().strip().splitlines()[-1])
    if found["found"] != 10:
        raise RuntimeError(f"{command[:2]}: a query finds {found['found']:g} images and not 10")
    return found | {"peak": peak}


def _memory_mb(pid: int) -> float:
    """Of the process and those that it started, what they share counted once; Postgres left out on both sides."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += 0 if "postgres" in one.name() else one.memory_full_info().pss
    return total / 2**20


def _stop_server(home: Path) -> None:
    """Both leave their server running for the next process."""
    for file in home.glob("*/postmaster.pid"):
        with suppress(psutil.Error):
            server = psutil.Process(int(file.read_text(encoding="utf-8").split()[0]))
            server.send_signal(2)
            server.wait(60)


def _facts(told: Mapping[str, Sequence[Told]]) -> dict[str, float]:
    """Medians over the rounds: seconds of every step inside the processes, peak memory, and their ratios."""
    facts: dict[str, float] = {}
    for key, name in _TOLD.items():
        peer, ours = (median(one[key] for one in told[side]) for side in ("peer", "ours"))
        unit = "MB" if key == "peak" else "s"
        facts |= {f"{name}, pixeltable {unit}": peer, f"{name}, ours {unit}": ours}
        facts[f"{name}, pixeltable / ours"] = peer / ours
    stages = {key for one in told["ours"] for key in one if key.startswith("full, ")}
    return facts | {f"{key} s": median(one[key] for one in told["ours"]) for key in sorted(stages)}
