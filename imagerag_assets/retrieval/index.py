"""Keeping one generation's tables in step with the stages' results, by difference."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, LiteralString

from psycopg import sql

from imagerag_assets.database.connection import Connection, one_row, read_in_memory
from imagerag_assets.database.stages import Counts
from imagerag_assets.retrieval.generations import Generation, is_readable
from imagerag_assets.retrieval.tokens import terms
from imagerag_assets.retrieval.trust import DESCRIBED_DIGEST

DESCRIPTION_WEIGHT = 0.5
"""What a term of the description counts beside one that stands in the image. Descriptions repeat the obvious."""
_DOCUMENTS_AT_ONCE = 5_000


def _facts(among: LiteralString) -> LiteralString:
    """What is known without any model of the images whose files fulfil a condition: where they are, whose duplicates.

    `own` and `canonical` are what `metadata` and `group_id` were made from.
    """
    return f"""
        select r.collection, r.content, r.uris, r.metadata as own, d.canonical,
               coalesce(d.canonical, r.content) as group_id,
               jsonb_strip_nulls(jsonb_build_object('format', c.format, 'date', t.taken)) || c.exif || r.metadata
                   as metadata
        from (
            select collection, content, array_agg(uri order by uri) as uris,
                   (array_agg(metadata order by uri))[1] as metadata
            from raw_images where removed_at is null and {among} group by collection, content) r
        join contents c using (content)
        -- EXIF writes 2024:05:03 10:20:30; as 2024-05-03T10:20:30 it sorts and compares as text.
        cross join lateral (
            select replace(left(taken, 10), ':', '-') || 'T' || substr(taken, 12, 8) as taken
            from (values (coalesce(c.exif ->> 'DateTimeOriginal', c.exif ->> 'DateTime'))) v (taken)
            where taken ~ '^\\d{{4}}:\\d\\d:\\d\\d \\d\\d:\\d\\d:\\d\\d'
            union all select null limit 1) t
        left join deduped_set d using (content)
    """  # noqa: S608


# One row per image that has vectors of the current model, with a digest of what it is made from. What a flagged
# description counts is among that, in steps of a tenth; its confidence itself is brought up to date in place.
_READY = f"""
    select r.collection, r.content, r.group_id, r.uris, c.width, c.height,
           coalesce(concat_ws(E'\\n', v.general, array_to_string(v.key_elements, ', ')), '') as description,
           coalesce(v.category, '') as category, coalesce(v.tags, array[]::text[]) as tags, coalesce(o.text, '') as ocr,
           r.metadata,
           hashtext(r.content) as sample, e.embedding, b.confidence, w.trust, v.content is not null as described,
           e.content is not null as embedded,
           md5(concat_ws('|', r.uris::text, r.own::text, r.canonical, c.fingerprint, o.fingerprint, v.fingerprint,
                         v.context, v.general, v.key_elements::text, v.category, v.tags::text, e.fingerprint, e.inputs,
                         %(clip)s::text, w.trust)) as digest
    from ({{facts}}) r
    join contents c using (content)
    join unnest(%(names)s::text[], %(contexts)s::text[]) as k (collection, context) using (collection)
    left join ocr_text o on o.content = r.content and o.fingerprint = %(ocr)s
    left join vlm_descriptions v
        on v.content = r.content and v.context = k.context and v.fingerprint = %(descriptions)s
    left join description_embeddings e
        on e.content = r.content and e.context = k.context and e.fingerprint = %(description_embeddings)s
    left join description_confidence b
        on b.content = r.content and b.context = k.context and b.fingerprint = %(confidence)s
       and b.described = {DESCRIBED_DIGEST}
    cross join lateral (
        select case when b.confidence < %(trust)s then round((b.confidence / %(trust)s)::numeric, 1)::real else 1 end
            as trust) w
    where exists (
        select from clip_embeddings t
        where t.content = r.content and t.model = %(model)s and t.fingerprint = %(clip)s)
    -- An image whose text or description is being made anew keeps what it has in the index until that is done.
      and (o.content is not null or not exists (select from ocr_text x where x.content = r.content))
      and (v.content is not null or not exists (
        select from vlm_descriptions x where x.content = r.content and x.context = k.context))
      and (e.content is not null or not exists (
        select from description_embeddings x where x.content = r.content and x.context = k.context))
"""  # noqa: S608

# Only what tells the difference: the words and vectors of images that stay as they are would be copied for nothing.
_DESIRED = """
    create temporary table desired on commit drop as
    select collection, content, digest, sample, confidence, described, embedded
    from ({ready}) d
"""

# In the order of the pseudo-random sample: what stands for the whole is then read from neighbouring pages.
_FRESH = """
    create temporary table fresh on commit drop as
    select nextval(pg_get_serial_sequence({sequence}, 'image_id')) as image_id, d.collection, d.content
    from (
        select d.* from desired d
        where not exists (
            select from {images} i where i.collection = d.collection and i.content = d.content)
        order by d.sample, d.collection, d.content) d
"""

_IS_FRESH = "(collection, content) in (select f.collection, f.content from fresh f)"

# Another describer keeps its descriptions under other contexts, and may take days.
_POORER = """
    delete from desired d using {images} i left join {descriptions} e using (image_id)
    where i.collection = d.collection and i.content = d.content
      and (i.description <> '' and not d.described or e.image_id is not null and not d.embedded)
"""

# Rows of the index (alias i) that go: their image is gone, or a newer row is ready. What is pending stays as it was.
_GONE = """
    not exists (
        select from raw_images r
        where r.collection = i.collection and r.content = i.content and r.removed_at is null)
    or exists (
        select from desired d
        where d.collection = i.collection and d.content = i.content and d.digest <> i.digest)
"""


@dataclass(frozen=True)
class Difference:
    """How many images an update wrote and took away."""

    new: int
    updated: int
    removed: int
    unchanged: int


def update(connection: Connection, generation: Generation, parameters: dict[str, Any]) -> Difference:
    """Write the difference between what the stages have and what the index has, in the caller's transaction.

    `parameters` are the stages' current fingerprints: tiles, clip, ocr, descriptions, description_embeddings,
    confidence, and model, names, contexts, trust (the confidence from which on a description is not flagged).
    """
    images = generation.table("images")
    # It reads every image. The planner takes their groups for far fewer than they are, and would look into each of
    # seven tables once for every image: twice the time.
    connection.execute("set local enable_nestloop = off")
    read_in_memory(connection)
    connection.execute(sql.SQL(_DESIRED).format(ready=_ready()), parameters)
    connection.execute("set local enable_nestloop to default")
    connection.execute("analyze desired")
    connection.execute(sql.SQL(_POORER).format(images=images, descriptions=generation.table("descriptions")))
    moved = _follow(connection, images)
    counts = _count(connection, images)
    if counts.new or counts.updated or counts.removed:
        connection.execute(
            "create temporary table changes (collection text, term text, documents bigint) on commit drop"
        )
        _delete_gone(connection, generation)
        _choose_fresh(connection, generation)
        _insert_words(connection, generation, parameters)
        _insert_images(connection, generation, parameters)
        _insert_vectors(connection, generation, parameters)
        _refresh_statistics(connection, generation)
        connection.execute("drop table changes, fresh, lengths")
    _refresh_confidences(connection, images)
    connection.execute("drop table desired")
    return replace(counts, updated=counts.updated + moved, unchanged=counts.unchanged - moved)


def _ready(among: LiteralString = "true") -> sql.Composed:
    return sql.SQL(_READY).format(facts=sql.SQL(_facts(among)))


def counts(connection: Connection, generation: Generation | None, parameters: dict[str, Any]) -> list[Counts]:
    """How far the index is, by collection; `parameters` as in `update`. What is not ready to be indexed is pending."""
    images = generation.table("images") if generation else None
    empty = sql.SQL("(select null::text as collection, null::text as content, null::text as digest limit 0)")
    rows = connection.execute(
        sql.SQL("""
            select r.collection, count(*) filter (where i.content is not null and not s.stale),
                   count(*) filter (where i.content is null or s.stale), 0, count(*) filter (where s.stale)
            from (
                select distinct collection, content from raw_images
                where removed_at is null and collection = any(%(names)s::text[])) r
            left join ({ready}) d using (collection, content)
            left join {images} i using (collection, content)
            cross join lateral (select coalesce(d.digest <> i.digest, false) as stale) s
            group by r.collection order by r.collection
        """).format(ready=_ready(), images=images or empty),
        parameters,
    ).fetchall()
    return [Counts(*row) for row in rows]


def index_digest(connection: Connection, generation: Generation) -> str:
    """Changes when anything that search reads does."""
    row = one_row(
        connection.execute(
            sql.SQL(
                "select count(*), coalesce(sum(hashtextextended(concat(collection, content, digest, confidence), 0)"
                "::numeric), 0) from {}"
            ).format(generation.table("images"))
        )
    )
    return f"{generation.fingerprint}-{row[0]}-{row[1]}"


def faults(connection: Connection, generation: Generation) -> dict[str, int]:
    """What a complete and consistent index has none of, counted over the whole index."""
    names = {"images": generation.table("images"), "tiles": generation.table("tiles")}
    queries = {
        "removed_but_indexed": """
            select count(*) from {images} i where not exists (
                select from raw_images r
                where r.collection = i.collection and r.content = i.content and r.removed_at is null)
        """,
        "embedded_but_missing": """
            select count(distinct (r.collection, r.content)) from raw_images r
            join clip_embeddings e on e.content = r.content and e.model = %(model)s
            where r.removed_at is null and not exists (
                select from {images} i where i.collection = r.collection and i.content = r.content)
        """,
        "with_other_tiles": """
            select count(*) from {images} i
            where (select count(*) from {tiles} t where t.image_id = i.image_id)
               <> (select count(*) from clip_embeddings e where e.content = i.content and e.model = %(model)s)
        """,
    }
    parameters = {"model": generation.parameters["image_model"]}
    return {
        name: int(one_row(connection.execute(sql.SQL(query).format(**names), parameters))[0])
        for name, query in queries.items()
    }


def missing_images(connection: Connection, generation: Generation, live: Generation) -> int:
    """How many images search would lose if `generation` went live now, or find by their description no more.

    They are live ones that it has no row of yet, or no description, unless that failed.
    """
    # Tables of another version are known only to have the words.
    found = "exists (select from {} e where e.image_id = i.image_id)" if is_readable(live) else "i.description <> ''"
    query = sql.SQL("""
        select count(*) from {live} i
        where exists (
            select from raw_images r
            where r.collection = i.collection and r.content = i.content and r.removed_at is null)
          and not exists (
            select from {candidate} n
            where n.collection = i.collection and n.content = i.content
              and (exists (select from {candidate_descriptions} e where e.image_id = n.image_id)
                or not ({found})
                or exists (select from stage_failures f
                where f.stage in ('vlm_descriptions', 'description_embeddings') and starts_with(f.item, n.content))))
    """).format(
        live=live.table("images"), found=sql.SQL(found).format(live.table("descriptions")),
        candidate=generation.table("images"), candidate_descriptions=generation.table("descriptions"),
    )  # fmt: skip
    return int(one_row(connection.execute(query))[0])


def _count(connection: Connection, images: sql.Identifier) -> Difference:
    row = one_row(
        connection.execute(
            sql.SQL("""
            select count(*) filter (where i.image_id is null),
                   count(*) filter (where i.digest <> d.digest),
                   count(*) filter (where d.content is null and not g.live),
                   count(*) filter (where i.digest = d.digest or (d.content is null and g.live))
            from desired d
            full join {} i using (collection, content)
            cross join lateral (select exists (
                select from raw_images r
                where r.collection = i.collection and r.content = i.content and r.removed_at is null) as live) g
        """).format(images)
        )
    )
    return Difference(*map(int, row))


def _follow(connection: Connection, images: sql.Identifier) -> int:
    """Bring where an image is and what its file says up to date, though a model is still to come to it.

    A description may take days: meanwhile a renamed file must not be found under its old name. How many were behind.
    """
    kept = connection.execute(
        sql.SQL(
            "create temporary table kept on commit drop as select collection, content from {images} i "
            "where not exists (select from desired d where d.collection = i.collection and d.content = i.content)"
        ).format(images=images)
    ).rowcount
    moved = 0
    if kept:
        moved = connection.execute(
            sql.SQL("""
            update {images} i
            set uris = f.uris, metadata = f.metadata, group_id = f.group_id,
                digest = md5(concat_ws('|', i.digest, f.uris::text, f.metadata::text, f.group_id))
            from ({facts}) f
            where f.collection = i.collection and f.content = i.content
              and (f.uris, f.metadata, f.group_id) is distinct from (i.uris, i.metadata, i.group_id)
        """).format(images=images, facts=sql.SQL(_facts("(collection, content) in (table kept)")))
        ).rowcount
    connection.execute("drop table kept")
    return moved


def _delete_gone(connection: Connection, generation: Generation) -> None:
    """Delete what goes, and note of how many documents each of its terms loses."""
    names = {name: generation.table(name) for name in ("images", "postings")}
    connection.execute(
        sql.SQL(
            "create temporary table gone on commit drop as "  # noqa: S608
            "select image_id, collection from {images} i where " + _GONE
        ).format(**names)
    )
    connection.execute(
        sql.SQL(
            "with words as (delete from {postings} p using gone g where p.image_id = g.image_id "
            "returning g.collection, p.term) "
            "insert into changes select collection, term, -count(*) from words group by 1, 2"
        ).format(**names)
    )
    connection.execute(sql.SQL("delete from {images} i using gone g where i.image_id = g.image_id").format(**names))
    connection.execute("drop table gone")


def _choose_fresh(connection: Connection, generation: Generation) -> None:
    """Give numbers to the images that are missing."""
    images = generation.table("images")
    sequence = sql.Literal(images.as_string(connection))
    connection.execute(sql.SQL(_FRESH).format(sequence=sequence, images=images))
    connection.execute("analyze fresh")


def _insert_words(connection: Connection, generation: Generation, parameters: dict[str, Any]) -> None:
    """The fresh images' postings, some thousand images at a time, and how long their documents are."""
    connection.execute("create temporary table lengths (image_id bigint, terms integer) on commit drop")
    texts = sql.SQL(
        "select f.image_id, d.ocr, d.description, d.trust from ({}) d join fresh f using (collection, content)"
    )
    with connection.cursor("fresh_texts") as cursor:
        cursor.execute(texts.format(_ready(_IS_FRESH)), parameters)
        while batch := cursor.fetchmany(_DOCUMENTS_AT_ONCE):
            documents = [(image_id, *_document(*words)) for image_id, *words in batch]
            lengths = [(image_id, length) for image_id, length, _ in documents]
            postings = [
                (word, image_id, frequency, length)
                for image_id, length, words in documents
                for word, frequency in sorted(words.items())
            ]
            _copy(connection, sql.SQL("lengths (image_id, terms)"), ("int8", "int4"), lengths)
            target = sql.SQL("{} (term, image_id, frequency, terms)").format(generation.table("postings"))
            _copy(connection, target, ("text", "int8", "float4", "int4"), postings)
    connection.execute("analyze lengths")
    connection.execute(
        sql.SQL(
            "insert into changes select f.collection, p.term, count(*) "
            "from {postings} p join fresh f using (image_id) group by 1, 2"
        ).format(postings=generation.table("postings"))
    )


def _document(ocr: str, description: str, trust: float) -> tuple[int, dict[str, float]]:
    """(length, term → frequency) of an image's words."""
    read, described = terms(ocr), terms(description) if trust else []
    words: defaultdict[str, float] = defaultdict(float)
    for found, weight in ((read, 1.0), (described, DESCRIPTION_WEIGHT * trust)):
        for word in found:
            words[word] += weight
    return len(read) + round(DESCRIPTION_WEIGHT * trust * len(described)), words


def _copy(
    connection: Connection, target: sql.Composable, types: tuple[str, ...], rows: Iterable[tuple[Any, ...]]
) -> None:
    with connection.cursor().copy(sql.SQL("copy {} from stdin (format binary)").format(target)) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _insert_images(connection: Connection, generation: Generation, parameters: dict[str, Any]) -> None:
    connection.execute(
        sql.SQL("""
            insert into {images} (image_id, collection, content, group_id, uris, width, height, description, category,
                                  tags, ocr, metadata, terms, sample, confidence, trust, digest)
            overriding system value
            select f.image_id, d.collection, d.content, d.group_id, d.uris, d.width, d.height, d.description,
                   d.category, d.tags, d.ocr, d.metadata, l.terms, d.sample, d.confidence, d.trust, d.digest
            from ({ready}) d join fresh f using (collection, content) join lengths l using (image_id)
            order by f.image_id
        """).format(images=generation.table("images"), ready=_ready(_IS_FRESH)),
        parameters,
    )


def _refresh_confidences(connection: Connection, images: sql.Identifier) -> None:
    """Of rows that stay: most confidences move a little with every measurement, and nothing else depends on them."""
    connection.execute(
        sql.SQL(
            "update {} i set confidence = d.confidence from desired d where d.collection = i.collection "
            "and d.content = i.content and d.digest = i.digest and d.confidence is distinct from i.confidence"
        ).format(images)
    )


def _insert_vectors(connection: Connection, generation: Generation, parameters: dict[str, Any]) -> None:
    connection.execute(
        sql.SQL("""
            insert into {tiles} (image_id, tile_no, x0, y0, x1, y1, embedding)
            select f.image_id, t.tile_no, t.x0, t.y0, t.x1, t.y1, e.embedding
            from fresh f
            join clip_embeddings e
              on e.content = f.content and e.model = %(model)s and e.fingerprint = %(clip)s
            join tiles t on t.content = e.content and t.tile_no = e.tile_no and t.fingerprint = %(tiles)s
            order by f.image_id, t.tile_no
        """).format(tiles=generation.table("tiles")),
        parameters,
    )
    connection.execute(
        sql.SQL("""
            insert into {descriptions} (image_id, embedding)
            select f.image_id, d.embedding from ({ready}) d join fresh f using (collection, content)
            where d.embedding is not null
            order by f.image_id
        """).format(descriptions=generation.table("descriptions"), ready=_ready(_IS_FRESH)),
        parameters,
    )


def _refresh_statistics(connection: Connection, generation: Generation) -> None:
    """Bring the counts of documents, by term and by collection, up to what has changed."""
    names = {name: generation.table(name) for name in ("terms", "collections", "images")}
    connection.execute(
        sql.SQL(
            "insert into {terms} as t (collection, term, documents) "
            "select collection, term, sum(documents) from changes group by 1, 2 having sum(documents) <> 0 "
            "on conflict (term, collection) do update set documents = t.documents + excluded.documents"
        ).format(**names)
    )
    connection.execute(sql.SQL("delete from {terms} where documents = 0").format(**names))
    connection.execute(sql.SQL("delete from {collections}").format(**names))
    connection.execute(
        sql.SQL("insert into {collections} select collection, count(*), sum(terms) from {images} group by 1").format(
            **names
        )
    )
