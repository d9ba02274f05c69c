"""clip_embeddings: every tile as a vector of the image–text space. Crops are made here, from one decode per image.

As many threads as there are cores each take a part of the images from the file to the vectors: a forward pass that
shares its sums among cores makes them wait for each other at every layer, and for whoever decodes meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, each, fingerprint
from imagerag_assets.images.crops import decode_tiles
from imagerag_assets.images.decode import DECODE_VERSION
from imagerag_assets.project import Project
from imagerag_assets.stages import tiles
from imagerag_assets.stages.ahead import PARTS, parts_at_once
from imagerag_assets.stages.common import CONTENTS, RunOptions, load_bytes, run_pending

if TYPE_CHECKING:
    from imagerag_assets.models.checkpoints import FloatArray
    from imagerag_assets.models.dual_encoder import DualEncoder, Prepared

VERSION = 2
_COLUMNS = ("content", "tile_no", "model", "fingerprint", "embedding")
_KEYS = ("content", "tile_no", "model")
_MOST_CLAIMED = 2_000
"""Images of a batch: each takes a place in Postgres' table of locks, which has some 6,400."""

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
        limits = project.settings.limits

        def see(item: Item) -> list[Prepared]:
            data = load_bytes(project, item)
            return [
                encoder.prepare(tile)
                for tile in decode_tiles(data, limits, item.page or 1, item.boxes, encoder.least_side)
            ]

        def embed(part: Sequence[Item]) -> Done:
            seen, failures = each(part, see)
            vectors = _encode(encoder, [tile for _, tiles in seen for tile in tiles], size)
            rows = [
                (item.content, box[0], model, this.fingerprint, next(vectors)) for item, _ in seen for box in item.boxes
            ]
            contents = [item.content for item, _ in seen]
            return Done(_saver(model, contents, rows), failures, items=frozenset(item.item for item in part))

        with encoder.one_core_a_thread() as begin:
            yield from parts_at_once(items, embed, size, begin)

    return run_pending(project, options, this, work, min(_MOST_CLAIMED, PARTS * size))


def _encode(encoder: DualEncoder, seen: list[Prepared], size: int) -> Iterator[FloatArray]:
    """One vector per picture, `size` pictures in a batch of the model."""
    for start in range(0, len(seen), size):
        yield from encoder.encode_prepared(seen[start : start + size])


def _saver(model: str, contents: list[str], rows: list[tuple[Any, ...]]) -> Callable[[Connection], None]:
    def save(connection: Connection) -> None:
        # Another tiling may have had more tiles than this one.
        connection.execute("delete from clip_embeddings where content = any(%s) and model = %s", (contents, model))
        upsert(connection, "clip_embeddings", _COLUMNS, _KEYS, rows)

    return save
