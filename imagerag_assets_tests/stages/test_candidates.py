"""Candidates are written so that Postgres can count them cheaply: they are those of the plain queries."""

from __future__ import annotations

from typing import Any

from psycopg import sql

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.stages import clip_embeddings, vlm_descriptions
from imagerag_assets.stages.common import CONTENTS

_PLAIN_CONTENTS = """
    select c.content as item, c.content, c.width, c.height, s.collection, s.uri, s.file, s.page
    from live_contents c
    cross join lateral (
        select r.collection, r.uri, r.file, r.page from raw_images r
        where r.content = c.content and r.removed_at is null
        order by r.collection, r.uri limit 1) s
"""
_PLAIN_CLIP = f"""
    select i.*, t.boxes
    from ({_PLAIN_CONTENTS}) i
    join lateral (
        select array_agg(array[t.tile_no, t.x0, t.y0, t.x1, t.y1] order by t.tile_no) as boxes
        from tiles t where t.content = i.content and t.fingerprint = %(tiles)s) t on t.boxes is not null
"""
_PLAIN_SEEN = """
    select c.content || ':' || x.context as item, c.content, x.context, x.collection, x.uri, x.file, x.page,
           c.width, c.height, coalesce(o.text, '') as ocr, coalesce(md5(o.text), 'unread') as inputs
    from live_contents c
    cross join lateral (
        select distinct on (k.context) k.context, r.collection, r.uri, r.file, r.page
        from raw_images r
        join unnest(%(names)s::text[], %(contexts)s::text[]) as k (collection, context) using (collection)
        where r.content = c.content and r.removed_at is null
        order by k.context, r.collection, r.uri) x
    left join ocr_text o on o.content = c.content and o.fingerprint = %(ocr)s
"""
# Content, collection, path, page, whether it was removed.
_FILES = [
    ("aa", "shop", "z.jpg", None, False),
    ("aa", "shop", "b.jpg", None, False),
    ("aa", "shop", "a.jpg", None, True),
    ("aa", "archive", "y.jpg", None, False),
    ("bb", "shop", "scan.pdf#page=2", 2, False),
    ("bb", "nowhere", "scan.pdf#page=9", 9, False),
    ("cc", "shop", "gone.jpg", None, True),
    ("dd", "nowhere", "d.jpg", None, False),
    ("ee", "archive", "e.jpg", None, False),
]
_GIVEN = {
    "names": ["shop", "archive", "also"],
    "contexts": ["sold", "kept", "sold"],
    "ocr": "now",
    "tiles": "now",
}


def fill(connection: Connection) -> None:
    connection.cursor().executemany(
        "insert into raw_images (collection, uri, content, page, removed_at, size_bytes, version, fingerprint) "
        "values (%s, %s, %s, %s, case when %s then now() end, 1, '1', 'f')",
        [(collection, uri, content, page, gone) for content, collection, uri, page, gone in _FILES],
    )
    connection.cursor().executemany(
        "insert into contents (content, fingerprint, format, mode, width, height, size_bytes, exif, phash, dhash, "
        "colours, thumbnail) values (%s, 'f', 'PNG', 'RGB', 4, 3, 1, '{}', 0::bit(64), 0::bit(64), '', '')",
        [(content,) for content in ("aa", "bb", "cc", "dd", "ee")],
    )
    connection.cursor().executemany(
        "insert into ocr_text (content, fingerprint, text, words, mean_confidence, languages, engine) "
        "values (%s, %s, %s, '[]', 0.9, '{eng}', 'tesseract')",
        [("aa", "now", "read"), ("bb", "then", "read long ago"), ("ee", "now", "")],
    )
    connection.cursor().executemany(
        "insert into tiles (content, side, tile_no, level, x0, y0, x1, y1, fingerprint) "
        "values (%s, 192, %s, 0, 0, 0, %s, 3, %s)",
        [("aa", 1, 2, "now"), ("aa", 0, 4, "now"), ("bb", 0, 4, "then"), ("ee", 0, 4, "now")],
    )


def rows(connection: Connection, query: str) -> list[dict[str, Any]]:
    cursor = connection.execute(sql.SQL("select * from ({}) c order by item").format(sql.SQL(query)), _GIVEN)
    names = [column.name for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_candidates_are_those_of_the_plain_queries(database: Database) -> None:
    pairs = {
        "contents": (CONTENTS, _PLAIN_CONTENTS),
        "clip_embeddings": (clip_embeddings._CANDIDATES, _PLAIN_CLIP),
        "vlm_descriptions": (vlm_descriptions._SEEN, _PLAIN_SEEN),
    }
    with database.connect() as connection:
        fill(connection)
        found = {name: tuple(rows(connection, query) for query in pair) for name, pair in pairs.items()}
    for name, (ours, plain) in found.items():
        assert ours == plain, name
    contents, clip, seen = (found[name][0] for name in pairs)
    assert [(row["item"], row["collection"], row["uri"]) for row in contents] == [
        ("aa", "archive", "y.jpg"), ("bb", "nowhere", "scan.pdf#page=9"), ("dd", "nowhere", "d.jpg"),
        ("ee", "archive", "e.jpg"),
    ]  # fmt: skip
    assert [(row["item"], len(row["boxes"])) for row in clip] == [("aa", 2), ("ee", 1)]
    assert [(row["item"], row["uri"]) for row in seen] == [
        ("aa:kept", "y.jpg"), ("aa:sold", "b.jpg"), ("bb:sold", "scan.pdf#page=2"), ("ee:kept", "e.jpg"),
    ]  # fmt: skip
