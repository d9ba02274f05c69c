"""tiles: boxes over every image."""

from __future__ import annotations

from collections.abc import Sequence

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, fingerprint
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.images.tiling import TILING_VERSION, tile_boxes
from imagerag_assets.project import Project
from imagerag_assets.stages.common import CONTENTS, RunOptions, run_pending

_COLUMNS = ("content", "side", "tile_no", "level", "x0", "y0", "x1", "y1", "fingerprint")
_BATCH = 1000


def stage(project: Project) -> Stage:
    parts = project.settings.tiling.model_dump()
    side = project.dual_encoder_side()
    current = fingerprint(version=TILING_VERSION, decode=DECODE_VERSION, tiling=parts, encoder_side=side)
    return Stage(
        project.stage_name("tiles"), "tiles", current, CONTENTS, "r.content = c.content and r.side = %(side)s",
        {"side": side},
    )  # fmt: skip


def run(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)
    side = project.dual_encoder_side()

    def work(items: Sequence[Item]) -> Done:
        rows = [
            (item.content, side, number, tile.level, tile.x0, tile.y0, tile.x1, tile.y1, this.fingerprint)
            for item in items
            for number, tile in enumerate(tile_boxes(item.width, item.height, side, project.settings.tiling))
        ]

        def save(connection: Connection) -> None:
            contents = [item.content for item in items]
            # Of side 0 are those that were made before sides were kept.
            connection.execute("delete from tiles where content = any(%s) and side = any(%s)", (contents, [0, side]))
            upsert(connection, "tiles", _COLUMNS, _COLUMNS[:3], rows)

        return Done(save)

    return run_pending(project, options, this, work, _BATCH)
