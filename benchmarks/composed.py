"""How a picture and words make one query: sum, weighted sum, or a leg for each, on the sample's product photos.

    python -m benchmarks.composed --settings imagerag.yaml

Every photo of one product asks for the same product in another colour, in another place, or with another brand, where
the sample has such a photo. The sample has to be materialized. Scores are put together here from the same vectors.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from rich.console import Console
from rich.table import Table

from imagerag_assets.database.connection import Connection
from imagerag_assets.project import Project, open_project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.search import Query, encode_query, search_rows
from imagerag_assets.sample.corpus import plan
from imagerag_assets.sample.products.scenes import COLLECTION, corpus_scenes
from imagerag_assets.sample.scene import Facts

Scores = NDArray[np.float64]
_CHANGES = {"colour": "in {}", "setting": "with a {} background", "brand": "the one by {}"}


@dataclass(frozen=True)
class Wish:
    """One composed query: the picture's group, the words, and which groups are right."""

    change: str
    group: str
    words: str
    right: frozenset[str]


@dataclass(frozen=True)
class Asked:
    """A wish's scores of every group but its own: cosines of the picture, the words, and both at each weight."""

    wish: Wish
    groups: list[str]
    picture: Scores
    words: Scores
    composed: dict[float, Scores]
    lexical: Scores
    """Evidence of the legs that only words have."""


WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Of the words in the weighted sum; 0.5 is the plain sum."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path)
    project = open_project(parser.parse_args().settings)
    with project.database.connect() as connection:
        live = generations.live(connection)
        scale, knows = connection.execute(
            "select clip_scale, clip_knows * 0.65 from leg_calibrations where generation = %s and collection = %s",
            (live.number, COLLECTION),
        ).fetchone() or (30.0, 0.5)
        asked = [_ask(connection, project, live, wish) for wish in _wishes(_facts(connection))]
    _print(asked, _ways(scale, knows))


def _ways(scale: float, knows: float) -> dict[str, Callable[[Asked], Scores]]:
    def summed(weight: float, *, hybrid: bool) -> Callable[[Asked], Scores]:
        return lambda one: (
            _evidence(one.composed[weight], scale, knows) + one.lexical if hybrid else one.composed[weight]
        )

    def apart(share: float) -> Callable[[Asked], Scores]:
        return lambda one: _evidence(one.picture, scale * share, knows) + words(one)

    def words(one: Asked) -> Scores:
        return _evidence(one.words, scale, knows) + one.lexical

    return {
        "picture alone": lambda one: one.picture,
        "words alone (hybrid)": words,
        **{f"clip, words {weight}": summed(weight, hybrid=False) for weight in WEIGHTS},
        **{f"hybrid, words {weight}": summed(weight, hybrid=True) for weight in WEIGHTS},
        **{f"a leg each, picture's scale × {share}": apart(share) for share in (0.25, 0.5, 1.0)},
    }


def _evidence(cosines: Scores, scale: float, knows: float) -> Scores:
    """docs/fusion.md's, over all images."""
    weights = np.exp(scale * (cosines - cosines.max()))
    result: Scores = np.log(1 - knows + knows * weights / weights.mean())
    return result


def _facts(connection: Connection) -> dict[str, Facts]:
    """By group: the facts of a photo of one product."""
    scenes = corpus_scenes()
    paths = {Path(job.path).name: scenes[job.source[1]].facts for job in plan(COLLECTION) if job.source[0] == "scene"}
    rows = connection.execute("select group_id, uri from corpus_groups where collection = %s", (COLLECTION,)).fetchall()
    found = {group: paths[Path(uri).name] for group, uri in rows if Path(uri).name in paths}
    return {group: facts for group, facts in found.items() if facts["layout"] == "single"}


def _wishes(facts: dict[str, Facts]) -> Iterator[Wish]:
    for group, mine in sorted(facts.items()):
        like = {other: its for other, its in facts.items() if other != group and its["object"] == mine["object"]}
        for change, template in _CHANGES.items():
            for value in sorted({_value(its, change) for its in like.values()} - {_value(mine, change), ""}):
                right = {
                    other
                    for other, its in like.items()
                    if _value(its, change) == value and (change != "setting" or its["colour"] == mine["colour"])
                }
                if right:
                    yield Wish(change, group, template.format(value), frozenset(right))


def _value(facts: Facts, change: str) -> str:
    return str(facts["words"]).split(" / ")[0] if change == "brand" else str(facts[change])


def _ask(connection: Connection, project: Project, live: generations.Generation, wish: Wish) -> Asked:
    rows = connection.execute(
        sql.SQL(
            "select i.group_id, t.tile_no, t.embedding, i.content from {} i join {} t using (image_id) "
            "where i.collection = %s"
        ).format(live.table("images"), live.table("tiles")),
        (COLLECTION,),
    ).fetchall()
    vectors = np.stack([row[2].to_numpy() for row in rows]).astype(np.float64)
    example = next(vector for row, vector in zip(rows, vectors, strict=True) if row[3] == wish.group and row[1] == 0)
    query = encode_query(project, Query(wish.words))
    assert query.clip is not None  # noqa: S101
    told = {row["group_id"]: row for row in search_rows(
        connection, project, query, live, method="hybrid", collections=(COLLECTION,), limit=10_000
    )}  # fmt: skip
    groups = sorted(told.keys() - {wish.group})

    def best(vector: NDArray[np.float64]) -> Scores:
        cosines = vectors @ (vector / np.linalg.norm(vector))
        found: dict[str, float] = {}
        for row, cosine in zip(rows, cosines, strict=True):
            found[row[0]] = max(found.get(row[0], -1.0), float(cosine))
        return np.array([found[group] for group in groups])

    words = np.asarray(query.clip, dtype=np.float64)
    lexical = np.array([
        sum(
            np.log(1 - knows + knows * told[group][f"{leg}_ratio"])
            for leg, knows in (("description", 0.5), ("text", 0.7)) if told[group][f"{leg}_ratio"] is not None
        )
        for group in groups
    ])  # fmt: skip
    composed = {weight: best(weight * words + (1 - weight) * example) for weight in WEIGHTS}
    return Asked(wish, groups, best(example), best(words), composed, lexical)


def _print(asked: list[Asked], ways: dict[str, Callable[[Asked], Scores]]) -> None:
    changes = list(_CHANGES)
    table = Table(
        "way", *(f"{change} ({sum(one.wish.change == change for one in asked)})" for change in changes), "all"
    )
    for name, score in ways.items():
        found = [(one.wish.change, *_quality(one, score(one))) for one in asked]
        cells = []
        for change in (*changes, None):
            mine = [quality for kind, *quality in found if change in (kind, None)]
            cells.append(" / ".join(f"{value:.3f}" for value in np.mean(mine, axis=0)))
        table.add_row(name, *cells)
    Console(width=140).print("Mean reciprocal rank / Recall@10", table)


def _quality(one: Asked, scores: Scores) -> tuple[float, float]:
    order = np.argsort(-scores, kind="stable")
    hits = np.array([one.groups[at] in one.wish.right for at in order])
    return 1.0 / (int(np.argmax(hits)) + 1), float(hits[:10].sum()) / len(one.wish.right)


if __name__ == "__main__":
    main()
