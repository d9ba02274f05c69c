"""What a child process runs that kills itself in the middle of a stage's transaction."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagerag_assets.database import stages
from imagerag_assets.evaluation import runs
from imagerag_assets.images import ingest
from imagerag_assets.project import open_project
from imagerag_assets.retrieval import index
from imagerag_assets.stages import deduped_set, retrieval_runs, tiles
from imagerag_assets.stages import raw_images as stage_module
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.stages import graph

# Where in a stage the process dies: after rows were written, before they are committed.
_MIDDLES: dict[str, tuple[Any, str]] = {
    "raw_images": (ingest, "_save_quarantine"),
    "deduped_set": (deduped_set, "_save_comparison"),
    "pgvector_index": (index, "_refresh_statistics"),
    "retrieval_runs": (runs, "upsert"),
}


def _die_at(real: Callable[..., Any], call: int) -> Callable[..., Any]:
    calls = 0

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = real(*arguments, **named)
        if calls == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return dying


def main(settings: str, stage: str) -> None:
    project = open_project(Path(settings))
    tiles._BATCH = 4
    ingest._BATCH = 4
    module, name = _MIDDLES.get(stage, (stages, "_record_failures"))
    call = 1 if stage in ("deduped_set", "pgvector_index", "retrieval_runs") else 2
    one = next((step for step in graph.STAGES if step.__name__.endswith(f".{stage}")), None)
    setattr(module, name, _die_at(getattr(module, name), call))
    if stage == "retrieval_runs":
        retrieval_runs.run(project, RunOptions(), "killed")
    elif one is None:
        stage_module.run(project, RunOptions())
    else:
        one.run(project, RunOptions())
