"""clip_embeddings: every tile as a vector of the image–text space. Crops are made here, from one decode per image.

Threads decode the next images while the model looks at these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from PIL import Image

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, fingerprint
from imagerag_assets.images.crops import decode_tiles
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import tiles
from imagerag_assets.stages.ahead import PARTS, parts_ahead
from imagerag_assets.stages.common import CONTENTS, RunOptions, load_bytes, run_pending

if TYPE_CHECKING:
    from imagerag_assets.models.checkpoints import FloatArray
    from imagerag_assets.models.dual_encoder import DualEncoder

VERSION = 1
_COLUMNS = ("content", "tile_no", "model", "fingerprint", "embedding")
_KEYS = ("content", "tile_no", "model")

_CANDIDATES = f"""
    select i.*, (
        select array_agg(array[t.tile_no, t.x0, t.y0, t.x1, t.y1] order by t.tile_no)
        from tiles t where t.content = i.content and t.fingerprint = %(tiles)s) as boxes
    from ({CONTENTS}) i
    where exists (select from tiles t where t.content = i.content and t.fingerprint = %(tiles)s)
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
    size = project.settings.models.batch_size

    def work(items: Sequence[Item]) -> Iterator[Done]:
        encoder = project.dual_encoder()
        side = 2 * (encoder.image_size or 224)
        limits = project.settings.limits

        def crop(item: Item) -> list[Image.Image]:
            return decode_tiles(load_bytes(project, item), limits, item.page or 1, item.boxes, side)

        for part, cropped, failures in parts_ahead(items, crop, size):
            vectors = _encode(encoder, [picture for _, crops in cropped for picture in crops], size)
            rows = [
                (item.content, box[0], model, this.fingerprint, next(vectors))
                for item, _ in cropped
                for box in item.boxes
            ]
            contents = [item.content for item, _ in cropped]
            yield Done(_saver(model, contents, rows), failures, items=frozenset(item.item for item in part))

    return run_pending(project, options, this, work, PARTS * size)


def _encode(encoder: DualEncoder, pictures: list[Image.Image], size: int) -> Iterator[FloatArray]:
    """One vector per picture, `size` pictures in a batch of the model."""
    for start in range(0, len(pictures), size):
        yield from encoder.encode_images(pictures[start : start + size])


def _saver(model: str, contents: list[str], rows: list[tuple[Any, ...]]) -> Callable[[Connection], None]:
    def save(connection: Connection) -> None:
        # Another tiling may have had more tiles than this one.
        connection.execute("delete from clip_embeddings where content = any(%s) and model = %s", (contents, model))
        upsert(connection, "clip_embeddings", _COLUMNS, _KEYS, rows)

    return save
