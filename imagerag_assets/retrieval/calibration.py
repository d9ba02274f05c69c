"""What a collection measures of its own search legs, without labels: a row of `leg_calibrations`.

Two measurements. An image's own words, some of them left out, are asked for, and the τ and π (`fusion`) are taken
under which the legs most probably point at that image. Then queries that hardly any collection can answer
(background_queries.txt) are asked, and the best that they find is the background of a result's relevance.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg import sql

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.models.query_vectors import QueryVectors
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import EncodedQuery, Query, encode_query, search_rows

if TYPE_CHECKING:
    from imagerag_assets.project import Project

CALIBRATION_VERSION = 1
"""Raise it when the same collection would measure something else."""
MINIMUM_IMAGES = 20
"""Smaller collections measure nothing: the defaults of `fusion` hold."""
_CHANGED_SHARE = 0.05
"""A collection is measured again when so many of its images are new, changed or gone."""
_IMAGES = 2_000
"""Images that a query's own one is compared with; a mean over them is enough at any size."""
_SELF_QUERIES = 64
"""Of each kind: said and read."""
_WORDS = 5
"""Words of a self-query: about as many as people type."""
_SPAN = 8
"""Words in a row that a query of read words is taken from."""
_READABLE = 3
_FOUND = 10
"""Results of a background query that are looked at: what a person sees."""
_SCALES = np.geomspace(1, 256, 33)
_KNOWS = np.array([0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98])
_SAID_WORD = re.compile(r"[^\W\d_]{2,}")
_READ_WORD = re.compile(r"[^\W_]{3}")
_NO_BACKGROUND = {
    f"{of}_{name}": value
    for of in ("clip", "description", "text", "best")
    for name, value in (("median", 0.0), ("spread", 1.0))
}
_LEAST_SPREAD = {"clip": 1e-3, "description": 1e-3, "text": 0.05}

Matrix = NDArray[np.float64]
_ENCODED: dict[tuple[str, str], list[EncodedQuery]] = {}


@dataclass(frozen=True)
class SelfQuery:
    """Some of the words of the image in row `image`, and how much this query counts."""

    text: str
    image: int
    weight: float


@dataclass(frozen=True)
class _Sampled:
    """Images of a collection: their words and vectors. `tile_images` is each tile's row in the others."""

    groups: list[str]
    said: list[str]
    read: list[str]
    descriptions: Matrix
    tiles: Matrix
    tile_images: NDArray[np.int64]


def update(connection: Connection, project: Project, generation: Generation) -> list[str]:
    """Measure the collections that have changed by more than a few per cent since; returns their names.

    In the caller's transaction. Loads the models only when there is something to measure.
    """
    connection.execute(
        sql.SQL(
            "delete from leg_calibrations k where k.generation = %s "
            "and (select count(*) from {} i where i.collection = k.collection) < %s"
        ).format(generation.table("images")),
        (generation.number, MINIMUM_IMAGES),
    )
    stale = _stale(connection, generation)
    for collection in stale:
        _measure(connection, project, generation, collection)
    return stale


def self_queries(said: Sequence[str], read: Sequence[str], count: int = _SELF_QUERIES) -> list[SelfQuery]:
    """Up to `count` queries of words that were said of images, and as many of words read in them, some left out.

    The kinds weigh as the words of the collection do: on photos nearly all are said, on screenshots most are read.
    """
    spoken: list[tuple[int, list[str]]] = []
    visible: list[tuple[int, list[str]]] = []
    shares = []
    for image, (one, other) in enumerate(zip(said, read, strict=True)):
        words = list(dict.fromkeys(_SAID_WORD.findall(one)))
        seen = [word for word in other.split() if _READ_WORD.search(word)]
        # One or two words are mostly texture that was taken for letters.
        seen = seen if len(seen) >= _READABLE else []
        if words or seen:
            shares.append(len(seen) / (len(words) + len(seen)))
        chance = random.Random(f"{image} {one}")  # noqa: S311
        if words:
            spoken.append((image, chance.sample(words, min(_WORDS, len(words)))))
        if seen:
            start = chance.randint(0, max(len(seen) - _SPAN, 0))
            visible.append((image, _some_of(seen[start : start + _SPAN], chance)))
    share = float(np.mean(shares)) if shares else 0.0
    found = []
    for kind, portion in ((spoken[:count], 1 - share), (visible[:count], share)):
        found += [SelfQuery(" ".join(words), image, portion / len(kind)) for image, words in kind]
    return found


def fit(scores: Matrix, right: NDArray[np.bool_], weights: Matrix, scales: Matrix = _SCALES) -> tuple[float, float]:
    """(τ, π) under which the leg most probably points at the right images.

    `scores` and `right` have the shape (queries, images), `weights` (queries,). Equally probable: the smaller τ, then
    the smaller π. Both are the smallest unless the queries are more probable under them by Schwarz's criterion
    (1978) for two parameters: some τ fits any noise a little.
    """
    best = (np.log(len(scores)) / len(scores) * weights.sum(), float(scales[0]), float(_KNOWS[0]))
    top = scores.max(axis=1, keepdims=True)
    for scale in scales:
        odds = np.exp(scale * (scores - top))
        odds /= odds.mean(axis=1, keepdims=True)
        pointed = (odds * right).sum(axis=1) / np.maximum(right.sum(axis=1), 1)
        for knows in _KNOWS:
            likelihood = float((weights * np.log(1 - knows + knows * pointed)).sum())
            if likelihood > best[0] + 1e-9:
                best = (likelihood, float(scale), float(knows))
    return best[1], best[2]


def _some_of(span: Sequence[str], chance: random.Random) -> list[str]:
    """Words of the span in their order."""
    return [span[place] for place in sorted(chance.sample(range(len(span)), min(_WORDS, len(span))))]


def _stale(connection: Connection, generation: Generation) -> list[str]:
    """Collections whose first images by sample order are others, or say other things, than when it was measured.

    File names play no part: a renamed image is a new row of the index and nothing new to measure.
    """
    rows = connection.execute(
        sql.SQL("""
            select c.collection
            from (select collection, count(*) as images from {images} group by collection) c
            cross join lateral ({seen}) s
            left join leg_calibrations k on k.generation = %(generation)s and k.collection = c.collection
            cross join lateral (
                select greatest(
                    (select count(*) from unnest(s.seen) x where x <> all(k.seen)),
                    (select count(*) from unnest(k.seen) x where x <> all(s.seen))) as count) changed
            where c.images >= %(least)s
              and (k.version is distinct from %(version)s or changed.count > %(share)s * cardinality(k.seen))
            order by c.collection
        """).format(images=generation.table("images"), seen=_seen(generation, sql.SQL("c.collection"))),
        {
            "generation": generation.number, "least": MINIMUM_IMAGES, "version": CALIBRATION_VERSION,
            "share": _CHANGED_SHARE,
        },
    ).fetchall()  # fmt: skip
    return [row[0] for row in rows]


def _seen(generation: Generation, collection: sql.Composable) -> sql.Composed:
    return sql.SQL("""
        select array_agg(x.hash) as seen
        from (
            select hashtextextended(i.content || i.description || i.ocr, 0) as hash
            from {images} i where i.collection = {collection} order by i.sample, i.content limit {most}) x
    """).format(images=generation.table("images"), collection=collection, most=sql.Literal(_IMAGES))


def _measure(connection: Connection, project: Project, generation: Generation, collection: str) -> None:
    sampled = _sample(connection, generation, collection)
    evidence = _evidence(project, sampled)
    counted = sql.SQL("select (select count(*) from {images} where collection = {name}), s.seen from ({seen}) s")
    name = sql.Literal(collection)
    count, seen = one_row(
        connection.execute(counted.format(images=generation.table("images"), name=name, seen=_seen(generation, name)))
    )
    values: dict[str, Any] = {
        "generation": generation.number, "collection": collection, "version": CALIBRATION_VERSION, "images": count,
        "seen": seen, **evidence, **_NO_BACKGROUND,
    }  # fmt: skip
    _save(connection, values)
    # The background is what this collection's hybrid finds, so its evidence has to be there first.
    values |= _background(connection, project, generation, collection, evidence["clip_knows"])
    _save(connection, values)


def _save(connection: Connection, values: dict[str, Any]) -> None:
    upsert(connection, "leg_calibrations", tuple(values), ("generation", "collection"), [tuple(values.values())])


def _sample(connection: Connection, generation: Generation, collection: str) -> _Sampled:
    """The first images of the collection in their pseudo-random order, which content alone decides."""
    rows = connection.execute(
        sql.SQL(
            "select image_id, group_id, description, ocr, embedding from {} join {} using (image_id) "
            "where collection = %s order by sample, content limit %s"
        ).format(generation.table("images"), generation.table("descriptions")),
        (collection, _IMAGES),
    ).fetchall()
    place = {row[0]: number for number, row in enumerate(rows)}
    tiles = connection.execute(
        sql.SQL("select image_id, embedding from {} where image_id = any(%s) order by image_id, tile_no").format(
            generation.table("tiles")
        ),
        (list(place),),
    ).fetchall()
    return _Sampled(
        [row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows],
        np.array([row[4].to_numpy() for row in rows], dtype=np.float64),
        np.array([vector.to_numpy() for _, vector in tiles], dtype=np.float64),
        np.array([place[image] for image, _ in tiles], dtype=np.int64),
    )  # fmt: skip


def _evidence(project: Project, sampled: _Sampled) -> dict[str, float]:
    asked = self_queries(sampled.said, sampled.read)
    if not asked:
        return {"clip_scale": float(_SCALES[0]), "clip_knows": float(_KNOWS[0]), "description_scale": float(_SCALES[0])}
    texts = [one.text for one in asked]
    groups = np.array(sampled.groups)
    right = np.stack([groups == groups[one.image] for one in asked])
    weights = np.array([one.weight for one in asked])
    by_tile = project.dual_encoder().encode_texts(texts).astype(np.float64) @ sampled.tiles.T
    clip = np.full(right.shape, -1.0)
    np.maximum.at(clip.T, sampled.tile_images, by_tile.T)
    clip_scale, clip_knows = fit(clip, right, weights)
    described = project.text_encoder().encode_texts(texts).astype(np.float64) @ sampled.descriptions.T
    description_scale, _ = fit(described, right, weights)
    return {"clip_scale": clip_scale, "clip_knows": clip_knows, "description_scale": description_scale}


def _background(
    connection: Connection, project: Project, generation: Generation, collection: str, clip_knows: float
) -> dict[str, float]:
    """Medians and spreads of what queries without an answer find: by leg, and of the legs' standardised sum."""
    found = []
    for query in _background_queries(project):
        rows = search_rows(
            connection, project, query, generation, method="hybrid", collections=(collection,), limit=_FOUND
        )
        found.append([[row["clip"], row["description_score"] or 0.0, row["text_share"] or 0.0] for row in rows])
    legs = [np.array(rows, dtype=np.float64) for rows in found if rows]
    values: dict[str, float] = {}
    sums = [np.zeros(len(rows)) for rows in legs]
    for column, (leg, weight) in enumerate((("clip", clip_knows), ("description", 1.0), ("text", 1.0))):
        middle, spread = _robust([float(rows[:, column].max()) for rows in legs], _LEAST_SPREAD[leg])
        values |= {f"{leg}_median": middle, f"{leg}_spread": spread}
        sums = [total + weight * (rows[:, column] - middle) / spread for total, rows in zip(sums, legs, strict=True)]
    middle, spread = _robust([float(total.max()) for total in sums], 0.1)
    return values | {"best_median": middle, "best_spread": spread}


def _robust(values: Sequence[float], least: float) -> tuple[float, float]:
    """Median, and the spread of a normal distribution with this median deviation.

    Unlike mean and standard deviation they hold when some of the queries have an answer after all.
    """
    middle = float(np.median(values))
    return middle, max(1.4826 * float(np.median(np.abs(np.array(values) - middle))), least)


def _background_queries(project: Project) -> list[EncodedQuery]:
    """Encoded once for each pair of models in a process."""
    key = (project.dual_encoder_identity(), project.text_encoder_identity())
    if key not in _ENCODED:
        text = (resources.files("imagerag_assets.retrieval") / "background_queries.txt").read_text(encoding="utf-8")
        asked = [line.strip() for line in text.splitlines() if line.strip()]
        vectors = QueryVectors()
        for encoder in (project.dual_encoder(), project.text_encoder()):
            vectors.learn(encoder, asked)
        _ENCODED[key] = [encode_query(project, Query(one), vectors=vectors) for one in asked]
    return _ENCODED[key]
