"""clip_embeddings: every tile as a vector of the image–text space. Crops are made here, from one decode per image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, each, fingerprint, run_stage
from imagerag_assets.images.crops import decode_tiles
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import tiles
from imagerag_assets.stages.common import CONTENTS, RunOptions, load_bytes

VERSION = 1
_COLUMNS = ("content", "tile_no", "model", "fingerprint", "embedding")
_KEYS = ("content", "tile_no", "model")

_CANDIDATES = f"""
    select i.*, t.boxes
    from ({CONTENTS}) i
    join lateral (
        select array_agg(array[t.tile_no, t.x0, t.y0, t.x1, t.y1] order by t.tile_no) as boxes
        from tiles t where t.content = i.content and t.fingerprint = %(tiles)s) t on t.boxes is not null
"""  # noqa: S608


def stage(project: Project) -> Stage:
    upstream = tiles.stage(project).fingerprint
    identity = project.dual_encoder_identity()
    current = fingerprint(version=VERSION, decode=DECODE_VERSION, model=identity, tiles=upstream)
    return Stage(
        project.stage_name("clip_embeddings"), "clip_embeddings", current, _CANDIDATES,
        "r.content = c.content and r.model = %(model)s", {"tiles": upstream, "model": identity},
    )  # fmt: skip


def run(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)
    model = this.parameters["model"]

    def work(items: Sequence[Item]) -> Done:
        encoder = project.dual_encoder()
        side = 2 * (encoder.image_size or 224)
        limits = project.settings.limits

        def crop(item: Item) -> list[Image.Image]:
            return decode_tiles(load_bytes(project, item), limits, item.page or 1, item.boxes, side)

        cropped, failures = each(items, crop)
        pictures = [picture for _, crops in cropped for picture in crops]
        size = project.settings.models.batch_size
        parts = [encoder.encode_images(pictures[at : at + size]) for at in range(0, len(pictures), size)]
        vectors = iter(np.concatenate(parts) if parts else ())
        rows = [
            (item.content, box[0], model, this.fingerprint, next(vectors)) for item, _ in cropped for box in item.boxes
        ]

        def save(connection: Connection) -> None:
            contents = [item.content for item, _ in cropped]
            # Another tiling may have had more tiles than this one.
            connection.execute("delete from clip_embeddings where content = any(%s) and model = %s", (contents, model))
            upsert(connection, "clip_embeddings", _COLUMNS, _KEYS, rows)

        return Done(save, failures)

    return run_stage(
        project.database, this, work, batch_size=project.settings.models.batch_size,
        retries=project.settings.retries, selection=options.selection, on_progress=options.on_progress,
    )  # fmt: skip
