"""Sketches of the images' vectors, kept in the database: made once per image, by a basis made once per encoder.

A poor basis costs the comparison time and no result (`images.sketches`), so it stays while images come and go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.images.sketches import Vectors, make_basis, sketch

# Images whose vectors are in memory at a time.
_CHUNK = 4096
# Images that a basis is made from. One that was made from fewer is made again when there are four times as many.
_SAMPLE = 8192
_GROWTH = 4
# `parameters` of every function here are the encoder's: model, and clip, the vectors' fingerprint.
_READY = "tile_no = 0 and model = %(model)s and fingerprint = %(clip)s"


def update(connection: Connection, parameters: Mapping[str, str]) -> None:
    """Give every image that has a vector its sketch, and drop the others. Commits chunk by chunk."""
    with connection.transaction():
        number, basis = _basis(connection, parameters)
        connection.execute(
            "delete from image_sketches s where not exists (select from clip_embeddings e "  # noqa: S608
            f"where e.content = s.content and {_READY})",
            parameters,
        )
    rows = connection.execute(
        f"select content from clip_embeddings e where {_READY} "  # noqa: S608
        "and not exists (select from image_sketches s where s.content = e.content)",
        parameters,
    ).fetchall()
    connection.commit()
    contents = [row[0] for row in rows]
    for start in range(0, len(contents), _CHUNK):
        part = contents[start : start + _CHUNK]
        with connection.transaction():
            sketches = sketch(read_vectors(connection, parameters, part), basis)
            made = [(content, number, one.tobytes()) for content, one in zip(part, sketches, strict=True)]
            upsert(connection, "image_sketches", ("content", "basis", "sketch"), ("content",), made)


def read_vectors(connection: Connection, parameters: Mapping[str, str], contents: Sequence[str]) -> Vectors:
    """Their vectors, in that order. An image that vanished meanwhile has one of zeros, which is near nothing."""
    rows = connection.cursor(binary=True).execute(
        f"select content, embedding from clip_embeddings where content = any(%(contents)s) and {_READY}",  # noqa: S608
        {**parameters, "contents": list(contents)},
    )
    found = {content: embedding.to_numpy() for content, embedding in rows}
    nothing = np.zeros_like(next(iter(found.values()), np.zeros(1, dtype=np.float32)))
    return np.stack([found.get(content, nothing) for content in contents])


def _basis(connection: Connection, parameters: Mapping[str, str]) -> tuple[int, Vectors]:
    """(number, directions) of the basis for these vectors. A new one drops the old, with all its sketches."""
    known = connection.execute(
        "select basis, images, dimension, numbers from sketch_bases where clip = %(clip)s", parameters
    ).fetchone()
    count = int(one_row(connection.execute(f"select count(*) from clip_embeddings where {_READY}", parameters))[0])  # noqa: S608
    if known and (known[1] >= _SAMPLE or count < _GROWTH * known[1]):
        return known[0], np.frombuffer(known[3], dtype=np.float32).reshape(known[2], -1)
    # Contents are named by their sha256: the first are drawn by lot.
    rows = connection.execute(
        f"select content from clip_embeddings where {_READY} order by content limit {_SAMPLE}",  # noqa: S608
        parameters,
    ).fetchall()
    basis = make_basis(read_vectors(connection, parameters, [row[0] for row in rows]))
    connection.execute("delete from sketch_bases")
    made = connection.execute(
        "insert into sketch_bases (clip, images, dimension, numbers) values (%s, %s, %s, %s) returning basis",
        (parameters["clip"], count, len(basis), basis.tobytes()),
    )
    return int(one_row(made)[0]), basis
