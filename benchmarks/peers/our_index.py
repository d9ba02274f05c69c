"""Ours: python our_index.py MODEL FOLDER FOLDER_OF_MORE, the stages that search needs, on the embedded database.

Prints the same JSON as the peer, and the seconds of every stage of the full run. Neither reads text nor describes.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from imagerag_assets.project import Project
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.settings import Settings
from imagerag_assets.stages import clip_embeddings, pgvector_index, raw_images, tiles
from imagerag_assets.stages.common import RunOptions

_STAGES = {"raw_images": raw_images, "tiles": tiles, "clip_embeddings": clip_embeddings, "index": pgvector_index}


def main() -> None:
    model, first, more = sys.argv[1:4]
    collections = [{"name": "first", "source": first}, {"name": "more", "source": more}]
    settings = {
        "root": Path(first).parent,
        "data_dir": os.environ["IMAGERAG_DATA_DIR"],
        "models": {"image_text": model},
    }
    steps: dict[str, Any] = {}
    started = time.perf_counter()
    with _project(settings, collections[:1]).database.connect():
        steps["start"] = time.perf_counter() - started
    for name, chosen in (("full", collections[:1]), ("more", collections), ("nothing", collections)):
        project = _project(settings, chosen)
        started = time.perf_counter()
        for stage_name, stage in _STAGES.items():
            before = time.perf_counter()
            stage.run(project, RunOptions())
            if name == "full":
                steps[f"full, our {stage_name}"] = time.perf_counter() - before
        steps[name] = time.perf_counter() - started
    steps["found"] = len(search(project, Query("a red mug"), method="clip"))
    project.database.close()
    print("\n" + json.dumps(steps))


def _project(settings: dict[str, Any], collections: list[dict[str, str]]) -> Project:
    return Project(Settings.model_validate({**settings, "collections": collections}))


if __name__ == "__main__":
    main()
