"""One image by its id: every fact that a door shows, its thumbnail, its tiles. Finding by likeness is `search`'s.

An id is a content (the sha256 of the bytes, or eight or more of its first digits), `collection/uri`, or a uri that only
one collection has.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from PIL import Image
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import AmbiguousImageError, QueryError, UnknownImageError
from imagerag_assets.images.contents import Place, read_content
from imagerag_assets.images.decode import decode
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.filters import NO_TEXT

THUMBNAIL_TYPE = "image/webp"
State = Literal["indexed", "pending", "quarantined", "removed"]

_CONTENT = re.compile(r"[0-9a-f]{64}")
_PREFIX = re.compile(r"[0-9a-f]{8,63}")
_LONGEST_ID = 4096
_MOST_FILES = 1_000

# A file's name finds the file that is there before one that is in quarantine, and that before one that went.
_BY = {
    "content": "content = %(id)s",
    "address": "(collection, uri) = (%(collection)s, %(uri)s) or (collection = any(%(collections)s) and uri = %(id)s)",
    # In every collation hexadecimal digits sort below g.
    "prefix": "content >= %(id)s and content < %(id)s || 'g' and starts_with(content, %(id)s)",
}
_NAMED = """
    with named as (
        select collection, uri, content, case when removed_at is null then 0 else 2 end as rank
        from raw_images where {condition}
        union all select collection, uri, content, 1 from quarantine where {condition})
    select collection, uri, content from named where rank = (select min(rank) from named) order by collection, uri
    limit 100
"""


@dataclass(frozen=True)
class File:
    """One file, or page of one, that has an image's bytes."""

    collection: str
    uri: str
    first_seen: datetime
    removed_at: datetime | None


@dataclass(frozen=True)
class Trouble:
    """Why a file is in quarantine."""

    reason: str
    message: str
    attempts: int


@dataclass(frozen=True)
class StoredImage:
    """What is known of one image. Empty or None is what no stage has come to yet, or what a quarantined file lacks.

    `indexed` images are found by search, `pending` ones wait for a stage. `content` is None where not even the bytes
    could be read. Sizes are in pixels, upright. `files` and `duplicates` are the first thousand of each.
    """

    collection: str
    uri: str
    content: str | None
    state: State
    files: tuple[File, ...] = ()
    trouble: Trouble | None = None
    first_seen: datetime | None = None
    format: str | None = None
    mode: str | None = None
    width: int | None = None
    height: int | None = None
    size_bytes: int | None = None
    frames: int | None = None
    page: int | None = None
    tiles: int = 0
    general: str = ""
    key_elements: tuple[str, ...] = ()
    visible_text: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    describer: str | None = None
    confidence: float | None = None
    """0 to 1: how far the description in the index can be trusted; None where no signal says anything."""
    ocr: str = ""
    ocr_confidence: float | None = None
    languages: tuple[str, ...] = ()
    metadata: dict[str, Any] | None = None
    group_id: str | None = None
    duplicates: tuple[File, ...] = ()

    @property
    def uris(self) -> tuple[str, ...]:
        """Every present file of its collection that has these bytes."""
        return tuple(one.uri for one in self.files if one.collection == self.collection and one.removed_at is None)


def find_image(connection: Connection, project: Project, id: str) -> StoredImage:  # noqa: A002
    """The image of that id, whatever became of it.

    Raises `UnknownImageError`, or `AmbiguousImageError` that lists what the id may mean; both are `QueryError`.
    """
    collection, uri, content = resolve(connection, project, id)
    found = _seen(connection, collection, uri, content) if content else None
    return found or _quarantined(connection, collection, uri)


def resolve(connection: Connection, project: Project, id: str) -> tuple[str, str, str | None]:  # noqa: A002
    """(collection, uri, content) of the first file of the image of that id. Raises like `find_image`."""
    name = id.strip()
    if not name or len(name) > _LONGEST_ID or NO_TEXT.search(name):
        raise UnknownImageError("An image's id is its sha256, eight or more of its first digits, or collection/uri.")
    collection, _, uri = name.partition("/")
    names = [one.name for one in project.settings.collections]
    lower = name.lower()
    for kind, fits in (("content", _CONTENT.fullmatch(lower)), ("address", True), ("prefix", _PREFIX.fullmatch(lower))):
        if not fits:
            continue
        wanted = name if kind == "address" else lower
        rows = connection.execute(
            _NAMED.format(condition=_BY[kind]).encode(),
            {"id": wanted, "collection": collection, "uri": uri, "collections": names},
        ).fetchall()
        if rows:
            _require_one(name, rows)
            return rows[0]
    raise UnknownImageError(
        f"There is no image {name[:200]!r}. An image goes by its sha256, eight or more of its first digits, or "
        "collection/uri as searches show it."
    )


def _require_one(name: str, rows: Sequence[tuple[Any, ...]]) -> None:
    # Files without readable bytes have no content to share.
    if len({content or (collection, uri) for collection, uri, content in rows}) > 1:
        told = ", ".join(f"{collection}/{uri}" for collection, uri, _ in rows[:5])
        more = ", …" if len(rows) > 5 else ""
        raise AmbiguousImageError(f"{name[:200]!r} may be any of {told}{more}: write collection/uri, or more digits.")


def thumbnail_of(connection: Connection, content: str) -> tuple[bytes, str]:
    """(bytes, media type) of the small picture of a content, at most 256 pixels. Raises `UnknownImageError`."""
    row = connection.execute("select thumbnail from contents where content = %s", (content,)).fetchone()
    if row is None or not row[0]:
        raise UnknownImageError(f"There is no thumbnail of {content[:64]!r}.")
    return bytes(row[0]), THUMBNAIL_TYPE


def tile_of(connection: Connection, project: Project, content: str, box: Sequence[int]) -> Image.Image:
    """The pixels of `box` (x0, y0, x1, y1) of an image, upright RGB and in full size, from its file.

    Raises like `picture_of`, and `QueryError` for a box that is not inside the image.
    """
    size = connection.execute("select width, height from contents where content = %s", (content,)).fetchone()
    if size is not None:
        _require_inside(box, *size)
    return picture_of(connection, project, content).crop((box[0], box[1], box[2], box[3]))


def picture_of(connection: Connection, project: Project, content: str) -> Image.Image:
    """The pixels of an image, upright RGB and in full size, from its file.

    Raises `UnknownImageError` for a content that no present file has, `ItemError` when the file is gone, has changed or
    does not decode any more.
    """
    rows = connection.execute(
        "select r.collection, r.uri, r.file, r.page from contents c join raw_images r using (content) "
        "where c.content = %s and r.removed_at is null order by r.collection, r.uri",
        (content,),
    ).fetchall()
    # A collection that the settings no longer name cannot be read.
    known = {one.name for one in project.settings.collections}
    place = next((Place(*row) for row in rows if row[0] in known), None)
    if place is None:
        raise UnknownImageError(f"No present file holds the image {content[:64]!r}.")
    limits = project.settings.limits
    data = read_content(project.source(place.collection), place, content, limits.max_bytes)
    # A present content was decoded once in a process of its own before anything else did.
    return decode(data, limits, place.page or 1).image


def _require_inside(box: Sequence[int], width: int, height: int) -> None:
    if len(box) != 4 or not (0 <= box[0] < box[2] <= width and 0 <= box[1] < box[3] <= height):
        raise QueryError(
            f"The box {tuple(box)} is not inside the image, which is {width} × {height} pixels. Give x0, y0, x1, y1 "
            "with x0 < x1 and y0 < y1."
        )


_FACTS = """
    select c.format, c.mode, c.width, c.height, c.size_bytes, c.frames, c.page,
           (select count(*) from tiles t where t.content = c.content) as tiles,
           v.general, v.key_elements, v.visible_text, v.category, v.tags, v.model,
           o.text as ocr, o.mean_confidence, o.languages, i.content is not null as is_indexed, i.confidence,
           coalesce(i.metadata, c.exif || %(metadata)s) as metadata, coalesce(d.canonical, c.content) as group_id
    from contents c
    left join ocr_text o using (content)
    left join deduped_set d using (content)
    left join {images} i on i.content = c.content and i.collection = %(collection)s
    -- A content may be described for several collections: what the index shows comes first.
    left join lateral (
        select * from vlm_descriptions v where v.content = c.content
        order by concat_ws(E'\\n', v.general, array_to_string(v.key_elements, ', ')) = i.description desc nulls last,
                 v.context
        limit 1) v on true
    where c.content = %(content)s
"""
_NO_INDEX = (
    "(select null::text as content, null::text as collection, null::jsonb as metadata, null::text as description, "
    "null::real as confidence)"
)


def _seen(connection: Connection, collection: str, uri: str, content: str) -> StoredImage | None:
    """The facts of a content; None for one that was never usable."""
    with connection.cursor(row_factory=dict_row) as cursor:
        files = cursor.execute(
            "select * from (select collection, uri, first_seen, removed_at, metadata from raw_images "
            "where content = %s order by (collection, uri) <> (%s, %s), removed_at is not null, collection, uri "
            "limit %s) f order by removed_at is not null, collection, uri",
            (content, collection, uri, _MOST_FILES),
        ).fetchall()
        mine = next((one for one in files if (one["collection"], one["uri"]) == (collection, uri)), None)
        if mine is None:
            return None
        live = generations.find_live(connection)
        # Tables of another version may lack the columns.
        images = live.table("images") if live and generations.is_readable(live) else sql.SQL(_NO_INDEX)
        values = {"content": content, "collection": collection, "metadata": Jsonb(mine["metadata"])}
        row = cursor.execute(sql.SQL(_FACTS).format(images=images), values).fetchone()
    if row is None:
        return None
    present = mine["removed_at"] is None
    return StoredImage(
        collection, uri, content, ("indexed" if row["is_indexed"] else "pending") if present else "removed",
        tuple(_file(one) for one in files), None, min(one["first_seen"] for one in files),
        row["format"], row["mode"], row["width"], row["height"], row["size_bytes"], row["frames"], row["page"],
        row["tiles"], row["general"] or "", tuple(row["key_elements"] or ()), row["visible_text"] or "",
        row["category"] or "", tuple(row["tags"] or ()), row["model"], row["confidence"], row["ocr"] or "",
        row["mean_confidence"], tuple(row["languages"] or ()), row["metadata"], row["group_id"],
        _duplicates(connection, content, row["group_id"]),
    )  # fmt: skip


def _duplicates(connection: Connection, content: str, group_id: str) -> tuple[File, ...]:
    """The present files of the other images of the group."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select r.collection, r.uri, r.first_seen, r.removed_at from deduped_set d join raw_images r "
            "using (content) where d.canonical = %s and d.content <> %s and r.removed_at is null "
            "order by 1, 2 limit %s",
            (group_id, content, _MOST_FILES),
        ).fetchall()
    return tuple(_file(one) for one in rows)


def _quarantined(connection: Connection, collection: str, uri: str) -> StoredImage:
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(
            "select content, size_bytes, page, reason, message, attempts, first_seen from quarantine "
            "where collection = %s and uri = %s order by page nulls first limit 1",
            (collection, uri),
        ).fetchone()
    if row is None:
        raise UnknownImageError(f"{collection}/{uri} was seen, but never as an image that can be used.")
    trouble = Trouble(row["reason"], row["message"], row["attempts"])
    return StoredImage(
        collection, uri, row["content"], "quarantined", trouble=trouble, first_seen=row["first_seen"],
        size_bytes=row["size_bytes"], page=row["page"],
    )  # fmt: skip


def _file(row: dict[str, Any]) -> File:
    return File(row["collection"], row["uri"], row["first_seen"], row["removed_at"])
