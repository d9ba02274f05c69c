"""A made generation of the index: clustered vectors, Zipfian documents and filters, by binary COPY, without a model.

The filters are metadata: `random_10` holds for ten per cent of the images, wherever they lie; `near_10` for whole
clusters of vectors, ten per cent in all. Queries are drawn as the images are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from imagerag_assets.database.connection import Connection
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.generations import Generation

COLLECTION = "made"
SHARES = (50.0, 25.0, 10.0, 4.0, 1.0, 0.1)
"""Per cent of the images for which the filters of that name hold."""
_CLIP_DIMENSION, _TEXT_DIMENSION, _LATENT = 512, 384, 48
_CLUSTERS = 500
_VOCABULARY = 50_000
_ZIPF = 1.07
_WORDS = 40
_ROWS_AT_ONCE = 10_000
_LOREM = "A made description of about the length that descriptions have, which says nothing of any picture. " * 2
_MAGIC = b"PGCOPY\n\xff\r\n\0" + bytes(8)

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Made:
    """The made images: vectors, documents as runs of term numbers, and for which images each filter holds."""

    clip: Matrix
    description: Matrix
    document_of: NDArray[np.int64]
    term_of: NDArray[np.int64]
    filters: dict[str, NDArray[np.bool_]]
    centres: Matrix
    seed: int

    @property
    def rows(self) -> int:
        return len(self.clip)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        return np.bincount(self.document_of, minlength=self.rows)

    @cached_property
    def postings(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """(term, document, frequency), in the order of terms."""
        pairs, frequency = np.unique(self.term_of * self.rows + self.document_of, return_counts=True)
        return pairs // self.rows, pairs % self.rows, frequency

    def vector_queries(self, count: int) -> tuple[Matrix, Matrix]:
        """(for clip, for description), each of length one."""
        rng = np.random.default_rng(self.seed + 1)
        latent = _latent(rng, self.centres, rng.integers(0, len(self.centres), count))
        return tuple(_vectors(latent, size, self.seed, rng) for size in (_CLIP_DIMENSION, _TEXT_DIMENSION))  # type: ignore[return-value]

    def text_queries(self, count: int, words: int = 4) -> list[list[int]]:
        """Some terms each of one document: what is common there is common in questions."""
        rng = np.random.default_rng(self.seed + 2)
        starts = np.concatenate([[0], np.cumsum(self.lengths)])
        found = [np.unique(self.term_of[starts[one] : starts[one + 1]]) for one in rng.integers(0, self.rows, count)]
        return [[int(number) for number in rng.choice(one, min(words, len(one)), replace=False)] for one in found]


def term_name(number: int) -> str:
    return f"w{number:07d}"


def make(rows: int, seed: int = 0) -> Made:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((_CLUSTERS, _LATENT)).astype(np.float32)
    cluster = rng.integers(0, _CLUSTERS, rows)
    latent = _latent(rng, centres, cluster)
    lengths = np.maximum(rng.lognormal(np.log(_WORDS) - 0.125, 0.5, rows).astype(np.int64), 3)
    weights = 1.0 / np.arange(1, _VOCABULARY + 1) ** _ZIPF
    terms = np.searchsorted(np.cumsum(weights / weights.sum()), rng.random(int(lengths.sum())))
    filters = {}
    for share in SHARES:
        filters[f"random_{share:g}"] = rng.random(rows) < share / 100
        chosen = rng.permutation(_CLUSTERS)[: max(1, round(_CLUSTERS * share / 100))]
        # One cluster is more than a thousandth of the images: as many of it as are wanted.
        filters[f"near_{share:g}"] = np.isin(cluster, chosen) & (rng.random(rows) < share / 100 * _CLUSTERS)
    return Made(
        _vectors(latent, _CLIP_DIMENSION, seed, rng), _vectors(latent, _TEXT_DIMENSION, seed, rng),
        np.repeat(np.arange(rows), lengths), np.minimum(terms, _VOCABULARY - 1), filters, centres, seed,
    )  # fmt: skip


def _latent(rng: np.random.Generator, centres: Matrix, cluster: NDArray[np.int64]) -> Matrix:
    noise = rng.standard_normal((len(cluster), centres.shape[1]), dtype=np.float32)
    return np.asarray(centres[cluster] + 0.7 * noise, dtype=np.float32)


def _vectors(latent: Matrix, dimension: int, seed: int, rng: np.random.Generator) -> Matrix:
    """Few latent dimensions seen through many, as encoders' vectors are, of length one."""
    seen = latent @ np.random.default_rng(seed + dimension).standard_normal((_LATENT, dimension)).astype(np.float32)
    seen += 0.5 * rng.standard_normal(seen.shape, dtype=np.float32)
    return np.asarray(seen / np.linalg.norm(seen, axis=1, keepdims=True), dtype=np.float32)


def begin(connection: Connection, made: Made) -> Generation:
    """An empty generation for such images."""
    parameters = {
        "image_model": f"made {made.rows}", "text_model": "made", "image_dimension": made.clip.shape[1],
        "text_dimension": made.description.shape[1], "m": 16, "ef_construction": 64,
    }  # fmt: skip
    return generations.create(connection, parameters)


def load(connection: Connection, generation: Generation, made: Made, rows: range | None = None) -> None:
    """Write the rows (None: all) into the generation's tables."""
    chosen = rows or range(made.rows)
    part = slice(chosen.start, chosen.stop)
    ids = np.arange(chosen.start + 1, chosen.stop + 1)
    _copy_images(connection, generation, made, chosen)
    box = [np.full(len(chosen), side) for side in (0, 0, 0, 640, 480)]
    _copy(connection, generation.table("tiles"), [">i8", *[">i4"] * 5, "vector"], [ids, *box, made.clip[part]])
    _copy(connection, generation.table("descriptions"), [">i8", "vector"], [ids, made.description[part]])
    terms, documents, frequencies = made.postings
    mine = (documents >= chosen.start) & (documents < chosen.stop)
    terms, documents, frequencies = terms[mine], documents[mine], frequencies[mine]
    names = np.char.add("w", np.char.zfill(np.arange(_VOCABULARY).astype(str), 7)).astype("S8")[terms]
    columns = [names, documents + 1, frequencies, made.lengths[documents]]
    _copy(connection, generation.table("postings"), ["S8", ">i8", ">f4", ">i4"], columns)
    used, counts = np.unique(terms, return_counts=True)
    connection.cursor().executemany(
        sql.SQL(
            "insert into {} as t (term, collection, documents) values (%s, %s, %s) "
            "on conflict (term, collection) do update set documents = t.documents + excluded.documents"
        ).format(generation.table("terms")),
        [(term_name(int(term)), COLLECTION, int(count)) for term, count in zip(used, counts, strict=True)],
    )
    connection.execute(
        sql.SQL(
            "insert into {} as c values (%s, %s, %s) on conflict (collection) do update "
            "set documents = c.documents + excluded.documents, terms = c.terms + excluded.terms"
        ).format(generation.table("collections")),
        (COLLECTION, len(chosen), int(made.lengths[part].sum())),
    )


def vacuum(url: str, generation: Generation) -> None:
    """As after every update of an index."""
    with psycopg.connect(url, autocommit=True) as connection:
        for name in ("images", "tiles", "descriptions", "postings", "terms", "collections"):
            connection.execute(
                sql.SQL("vacuum (analyze) {}").format(sql.Identifier(f"imagerag_generation_{generation.number}", name))
            )


def _copy_images(connection: Connection, generation: Generation, made: Made, rows: range) -> None:
    sample = np.random.default_rng(made.seed + 3).integers(-(2**31), 2**31, made.rows)
    names = list(made.filters)
    holds = np.stack(list(made.filters.values()))
    statement = sql.SQL(
        "copy {} (image_id, collection, content, group_id, uris, width, height, description, category, tags, ocr, "
        "metadata, terms, sample, trust, digest) from stdin"
    ).format(generation.table("images"))
    with connection.cursor().copy(statement) as copy:
        for row in rows:
            content = f"{row:064x}"
            facts = {name: "yes" for name, one in zip(names, holds[:, row], strict=True) if one}
            copy.write_row((
                row + 1, COLLECTION, content, content, [f"{row}.jpg"], 640, 480, _LOREM, "thing", ["made"], _LOREM,
                json.dumps(facts), int(made.lengths[row]), int(sample[row]), 1.0, content,
            ))  # fmt: skip
    connection.execute(
        sql.SQL("select setval(pg_get_serial_sequence({}, 'image_id'), %s)").format(
            sql.Literal(f"imagerag_generation_{generation.number}.images")
        ),
        (made.rows,),
    )


def _copy(connection: Connection, table: sql.Identifier, types: list[str], columns: list[NDArray[Any]]) -> None:
    """Binary COPY of columns of fixed width, put together by numpy: a million rows are no loop.

    Each value is preceded by its length in bytes; a vector is its dimension, two empty bytes, and its numbers.
    """
    fields: list[tuple[str, Any]] = [("fields", ">i2")]
    for number, (name, column) in enumerate(zip(types, columns, strict=True)):
        fields.append((f"length{number}", ">i4"))
        if name == "vector":
            fields += [("dimension", ">i2"), ("unused", ">i2")]
        fields.append((f"value{number}", (">f4", column.shape[1]) if name == "vector" else name))
    with connection.cursor().copy(sql.SQL("copy {} from stdin (format binary)").format(table)) as copy:
        copy.write(_MAGIC)
        for start in range(0, len(columns[0]), _ROWS_AT_ONCE):
            parts = [column[start : start + _ROWS_AT_ONCE] for column in columns]
            rows = np.zeros(len(parts[0]), dtype=fields)
            rows["fields"] = len(types)
            for number, (name, part) in enumerate(zip(types, parts, strict=True)):
                rows[f"value{number}"] = part
                rows[f"length{number}"] = rows.dtype[f"value{number}"].itemsize + 4 * (name == "vector")
                if name == "vector":
                    rows["dimension"] = part.shape[1]
            copy.write(rows.tobytes())
        copy.write(b"\xff\xff")
