"""Files that come in by the API or the web page: into a collection's source, where the next run finds them.

What becomes of a file is looked up in the stages' own tables: there is no second bookkeeping that could disagree.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.locks import lock_until_commit
from imagerag_assets.images.hashing import content_hash
from imagerag_assets.images.sources.writing import put_file, refusal
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.serving.api.bodies import look_at
from imagerag_assets.serving.api.problems import ProblemError
from imagerag_assets.serving.api.schemas import UploadStatus

_FOLDER = "uploads"
_SUFFIXES = {"JPEG": "jpg", "TIFF": "tif", "HEIF": "heic", "JPEG2000": "jp2"}


@dataclass(frozen=True)
class Upload:
    """A stored file and what has become of it. `upload` and `at` are None for one that came another way."""

    upload: UUID | None
    status: UploadStatus
    collection: str
    uri: str
    content: str
    message: str
    known_before: bool
    at: datetime | None


@dataclass(frozen=True)
class _Row:
    upload: UUID | None
    collection: str
    uri: str
    content: str
    contents: list[str]
    at: datetime | None


def store(project: Project, collection: str, data: bytes, key_id: str | None = None) -> Upload:
    """Put a picture's bytes into the collection's source, unless it has them already.

    Its name is its sha256 with the suffix of what its bytes are: nothing of what the sender calls it is used. Raises
    `ProblemError` (409 for a collection that takes no files, 413, 422) and `SourceError`.
    """
    chosen = next((one for one in project.settings.collections if one.name == collection), None)
    if chosen is None:
        known = ", ".join(one.name for one in project.settings.collections)
        raise ProblemError(422, "unknown-collection", f"There is no such collection. The settings have: {known}.")
    pages = look_at(data, project.settings)
    content, contents = content_hash(data), [page.content for page in pages]
    uri = f"{_FOLDER}/{content}.{_suffix(pages[0].format)}"
    if why := refusal(chosen, uri):
        raise ProblemError(409, "no-uploads", why)
    with project.database.connect() as connection:
        # Two that send the same picture at the same time store it once.
        lock_until_commit(connection, f"upload:{collection}:{content}")
        if there := _present(connection, collection, uri, content, contents):
            return _told(connection, there, known_before=True)
        # Stored and not taken up yet: written once more, because somebody may have deleted it meanwhile.
        put_file(project.settings, chosen, uri, data)
        before = connection.execute(
            "select 1 from uploads u where collection = %s and uri = %s and not exists (select from raw_images r "
            "where r.collection = u.collection and r.file = u.uri and r.removed_at > u.at)",
            (collection, uri),
        ).fetchone()
        with connection.cursor(row_factory=class_row(_Row)) as cursor:
            row = cursor.execute(
                "insert into uploads (collection, uri, content, contents, key_id) values (%s, %s, %s, %s, %s) "
                "on conflict (collection, uri) do update set at = now(), key_id = excluded.key_id "
                "returning upload, collection, uri, content, contents, at",
                (collection, uri, content, contents, key_id),
            ).fetchone()
        if row is None:
            raise LookupError("an insert that returns its row gave none")
        return _told(connection, row, known_before=before is not None)


def find(connection: Connection, upload: UUID) -> Upload:
    """What has become of an upload. Raises a 404 `ProblemError`."""
    with connection.cursor(row_factory=class_row(_Row)) as cursor:
        row = cursor.execute(
            "select upload, collection, uri, content, contents, at from uploads where upload = %s", (upload,)
        ).fetchone()
    if row is None:
        raise ProblemError(404, "unknown-upload", "There is no upload of this id.")
    return _told(connection, row, known_before=False)


def _present(connection: Connection, collection: str, uri: str, content: str, contents: list[str]) -> _Row | None:
    """The file of the collection that has these images, by the tables; where there are several, the upload."""
    found = connection.execute(
        "select r.file, u.upload, u.at from raw_images r left join uploads u on (u.collection, u.uri) = (r.collection, "
        "r.file) where r.collection = %s and r.content = any(%s) and r.removed_at is null "
        "order by r.file <> %s, r.file limit 1",
        (collection, contents, uri),
    ).fetchone()
    return _Row(found[1], collection, found[0], content, contents, found[2]) if found else None


def _told(connection: Connection, row: _Row, *, known_before: bool) -> Upload:
    status, message = _status(connection, row)
    return Upload(row.upload, status, row.collection, row.uri, row.content, message, known_before, row.at)


def _status(connection: Connection, row: _Row) -> tuple[UploadStatus, str]:
    values = {"collection": row.collection, "uri": row.uri, "contents": row.contents}
    live = generations.find_live(connection)
    found = "select 1 from {} where collection = %(collection)s and content = any(%(contents)s) limit 1"
    if live and connection.execute(sql.SQL(found).format(live.table("images")), values).fetchone():
        return "indexed", ""
    quarantined = connection.execute(
        "select reason || ': ' || message from quarantine where collection = %(collection)s and file = %(uri)s "
        "order by page nulls first limit 1",
        values,
    ).fetchone()
    if quarantined:
        return "quarantined", str(quarantined[0])
    # A stage's item is a content, alone or with more behind it.
    failed = connection.execute(
        "select f.stage || ': ' || f.message from stage_failures f "
        "where left(f.item, 64) = any(%(contents)s) order by f.last_try desc limit 1",
        values,
    ).fetchone()
    return ("failed", str(failed[0])) if failed else ("stored", "")


def _suffix(image_format: str) -> str:
    return _SUFFIXES.get(image_format) or re.sub(r"[^a-z0-9]", "", image_format.lower())[:8] or "image"
