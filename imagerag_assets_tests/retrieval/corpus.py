"""The stages' results written by hand, so that an index holds exactly what a test says and no model is run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector import Bit
from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import StageReport
from imagerag_assets.models.checkpoints import minilm_folder
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.stages import (
    clip_embeddings,
    description_embeddings,
    ocr_text,
    pgvector_index,
    tiles,
    vlm_descriptions,
)
from imagerag_assets.stages.common import RunOptions

DIMENSION = 384
MakeProject = Callable[..., Project]
Vector = NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """One image. Its content is named by its uri; `canonical` is the uri of its group's canonical image."""

    uri: str
    ocr: str = ""
    description: str = ""
    collection: str = "shop"
    canonical: str = ""
    tiles: int = 1

    @property
    def content(self) -> str:
        return content_of(self.uri)

    def tile_vectors(self) -> list[Vector]:
        return [random_vector(f"{self.uri} tile {number}") for number in range(self.tiles)]


def content_of(uri: str) -> str:
    return hashlib.sha256(uri.encode()).hexdigest()


def random_vector(seed: str) -> Vector:
    """A unit vector that belongs to `seed`."""
    rng = np.random.default_rng(int(hashlib.sha256(seed.encode()).hexdigest()[:8], 16))
    vector = rng.normal(size=DIMENSION)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def shop_project(make_project: MakeProject, tmp_path: Path, **values: Any) -> Project:
    """A project with the collections shop and office. Nothing is read from their folders."""
    return make_project({"shop": tmp_path, "office": tmp_path}, **values)


def other_text_model(folder: Path) -> str:
    """The bundled text model as another one: equal vectors under another identity, without a copy of the weights."""
    source = minilm_folder()
    for file in source.rglob("*"):
        if file.is_file():
            (folder / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (folder / file.relative_to(source)).symlink_to(file)
    (folder / "note.txt").write_text("another model")
    return str(folder)


def store(project: Project, pictures: Sequence[Picture], removed: Sequence[str] = (), look: str = "first") -> None:
    """Write the pictures as the stages would have, replacing what is known of them; `removed` are uris that went.

    Another `look` tells the index that known contents were looked at anew.
    """
    contexts = vlm_descriptions.contexts(project)
    context = dict(zip(contexts["names"], contexts["contexts"], strict=True))
    clip, boxes = clip_embeddings.stage(project), tiles.stage(project).fingerprint
    side = project.dual_encoder_side()
    read, described = ocr_text.stage(project).fingerprint, vlm_descriptions.stage(project).fingerprint
    embedded = description_embeddings.stage(project).fingerprint
    with project.database.connect() as connection:
        connection.execute("update raw_images set removed_at = now() where uri = any(%s)", (list(removed),))
        _write(connection, "raw_images", ("collection", "uri"), "content size_bytes version fingerprint", [
            (one.collection, one.uri, one.content, 1, "0", "f") for one in pictures
        ])  # fmt: skip
        for table in ("tiles", "clip_embeddings"):
            connection.execute(
                sql.SQL("delete from {} where content = any(%s)").format(sql.Identifier(table)),
                ([one.content for one in pictures],),
            )
        bits = Bit([False] * 64)
        columns = "fingerprint format mode width height size_bytes exif phash dhash colours thumbnail"
        _write(connection, "contents", ("content",), columns, [
            (one.content, look, "PNG", "RGB", 100 * one.tiles, 50, 1, Jsonb({}), bits, bits, bytes(32), b"")
            for one in pictures
        ])  # fmt: skip
        _write(connection, "tiles", ("content", "side", "tile_no"), "level x0 y0 x1 y1 fingerprint", [
            (one.content, side, number, min(number, 1), 100 * max(number - 1, 0), 0, 100 * max(number, 1), 50, boxes)
            for one in pictures for number in range(one.tiles)
        ])  # fmt: skip
        _write(connection, "clip_embeddings", ("content", "tile_no", "model"), "fingerprint embedding", [
            (one.content, number, clip.parameters["model"], clip.fingerprint, vector)
            for one in pictures for number, vector in enumerate(one.tile_vectors())
        ])  # fmt: skip
        _write(connection, "ocr_text", ("content",), "fingerprint text words languages", [
            (one.content, read, one.ocr, Jsonb([]), ["eng"]) for one in pictures
        ])  # fmt: skip
        columns = "fingerprint model general key_elements visible_text category tags"
        _write(connection, "vlm_descriptions", ("content", "context"), columns, [
            (one.content, context[one.collection], described, "m", one.description, [], "", "thing", ["a tag"])
            for one in pictures
        ])  # fmt: skip
        text = project.text_encoder_identity()
        _write(connection, "description_embeddings", ("content", "context", "model"), "fingerprint embedding", [
            (one.content, context[one.collection], text, embedded, random_vector(one.description)) for one in pictures
        ])  # fmt: skip
        _write(connection, "deduped_set", ("content",), "canonical relation distance fingerprint", [
            (one.content, content_of(one.canonical or one.uri), "perceptual" if one.canonical else "canonical", 0, "f")
            for one in pictures
        ])  # fmt: skip


def build(
    project: Project, pictures: Sequence[Picture], removed: Sequence[str] = (), look: str = "first"
) -> StageReport:
    """Store the pictures and bring the live index up to date."""
    store(project, pictures, removed, look)
    return pgvector_index.run(project, RunOptions())


def index_rows(project: Project, number: int | None = None) -> dict[str, list[tuple[Any, ...]]]:
    """What a generation (the live one if not named) holds, without the numbers that it gives to its rows."""
    with project.database.connect() as connection:
        live = generations.live(connection)
        chosen = live if number is None else generations.Generation(number, "", "", {})
        names = {name: chosen.table(name) for name in ("images", "tiles", "descriptions", "postings", "terms")}
        queries = {
            "images": "select collection, content, group_id, uris, description, ocr, terms, digest, "
            "embedding::text from {images} left join {descriptions} using (image_id) order by 1, 2",
            "tiles": "select i.collection, i.content, t.tile_no, t.x0, t.x1, t.embedding::text "
            "from {tiles} t join {images} i using (image_id) order by 1, 2, 3",
            "postings": "select p.term, i.collection, i.content, p.frequency, p.terms "
            "from {postings} p join {images} i using (image_id) order by 1, 2, 3",
            "terms": "select term, collection, documents from {terms} order by 1, 2",
        }
        return {
            table: connection.execute(sql.SQL(query).format(**names)).fetchall() for table, query in queries.items()
        }


def _write(
    connection: Connection, table: str, keys: tuple[str, ...], others: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    upsert(connection, table, (*keys, *others.split()), keys, rows)
