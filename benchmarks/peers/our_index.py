"""Ours: python -m benchmarks.peers.our_index DATABASE_URL MODEL FOLDER FOLDER_OF_MORE, the stages that search needs.

Prints the same JSON as the peer. Neither reads text nor describes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from benchmarks.made import peak_mb
from imagerag_assets.project import Project
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.settings import Settings
from imagerag_assets.stages import clip_embeddings, pgvector_index, raw_images, tiles
from imagerag_assets.stages.common import RunOptions


def main() -> None:
    url, model, first, more = sys.argv[1:5]
    collections = [{"name": "first", "source": first}, {"name": "more", "source": more}]
    steps = {}
    for name, chosen in (("full", collections[:1]), ("more", collections), ("nothing", collections)):
        folder = Path(first).parent
        settings = {"root": folder, "data_dir": folder, "database": {"url": url}, "collections": chosen}
        project = Project(Settings.model_validate(settings | {"models": {"image_text": model}}))
        started = time.perf_counter()
        for stage in (raw_images, tiles, clip_embeddings, pgvector_index):
            stage.run(project, RunOptions())
        steps[name] = time.perf_counter() - started
        found = len(search(project, Query("a red mug"), method="clip"))
        project.database.close()
    print("\n" + json.dumps(steps | {"peak": peak_mb(), "found": found}))


if __name__ == "__main__":
    main()
