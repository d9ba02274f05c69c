"""Every method ranks as its plain definition does, whichever way the statement goes and whatever the filters leave."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator

import pytest

from imagerag_assets.methods import METHODS, Method
from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.retrieval.search import search
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, shop_project
from imagerag_assets_tests.retrieval.plain import Asked, Calibration, ranking

MODULE = sys.modules[search.__module__]
WORDS = [f"word{number}" for number in range(40)]
HOLDS: dict[str, Callable[[Picture], bool]] = {
    "": lambda _one: True,
    "width>=300": lambda one: one.tiles == 3,
    "uri~1": lambda one: "1" in one.uri,
}
"""What a filter leaves."""
QUERIES = ("word3 word17 word30", "word0 word1 word2 word39", "word5", "lamp")


def made_pictures() -> list[Picture]:
    """Words of unequal frequency, tiles, two collections, and groups of three whose members differ."""
    chance = random.Random(5)
    weights = [1 / (number + 1) for number in range(len(WORDS))]

    def words(longest: int) -> str:
        return " ".join(chance.choices(WORDS, weights, k=chance.randint(0, longest)))

    return [
        Picture(
            f"{number:03d}.png", words(12), words(6), collection="office" if number % 4 == 0 else "shop",
            canonical=f"{number // 3 * 3:03d}.png" if number < 30 else "", tiles=chance.choice((1, 1, 3)),
        )
        for number in range(120)
    ]  # fmt: skip


PICTURES = made_pictures()


@pytest.fixture(scope="module")
def shop(make_shared_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = shop_project(
        make_shared_project, tmp_path_factory.mktemp("plain"), index={"ef_search": 400}, fusion={"tile_weight": 0.9}
    )
    build(project, PICTURES)
    return project


@pytest.fixture(params=["few", "many"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Few are compared one by one. Many go by HNSW and bounds: here everything is many, and the sample is all."""
    if request.param == "many":
        monkeypatch.setattr(MODULE, "_EXACT_ROWS", 0)
        monkeypatch.setattr(MODULE, "_BACKGROUND_OF_MANY", len(PICTURES))
    MODULE._statement.cache_clear()
    yield request.param
    MODULE._statement.cache_clear()


def calibration(project: Project, collections: tuple[str, ...]) -> Calibration:
    with project.database.connect() as connection:
        rows = connection.execute(
            "select images, clip_scale, clip_knows, description_scale from leg_calibrations where collection = any(%s)",
            (list(collections or ("shop", "office")),),
        ).fetchall()
    rules = project.settings.fusion
    assert rows
    images = sum(row[0] for row in rows)
    scale, knows, described = (sum(row[0] * row[column] for row in rows) / images for column in (1, 2, 3))
    return Calibration(scale, knows * rules.shown_by_others, described * rules.paraphrase)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("collections", "where"), [((), ""), (("office",), ""), ((), "width>=300"), (("shop",), "uri~1")]
)
def test_the_best_are_those_of_the_plain_definition(
    shop: Project, way: str, method: Method, collections: tuple[str, ...], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "many":
        # A fused rank is one among the candidates: let them be all. A single leg has few, which puts it to the test.
        monkeypatch.setattr(MODULE, "_HITS", len(PICTURES) if method in ("rrf", "hybrid") else 4)
    inside = [one for one in PICTURES if not collections or one.collection in collections]
    for query in QUERIES:
        asked = Asked(
            shop.dual_encoder().encode_texts([query])[0], shop.text_encoder().encode_texts([query])[0],
            query.split(), inside, [one for one in inside if HOLDS[where](one)],
        )  # fmt: skip
        expected = ranking(asked, method, shop.settings.fusion, calibration(shop, collections))
        best = sorted(expected.values(), reverse=True)
        # Of three results the candidates are so few that bounds leave out most documents.
        for limit in (3, 10):
            found = search(
                shop, query, method=method, collections=collections, limit=limit,
                where=parse_conditions([where] if where else []),
            )  # fmt: skip
            # Its own score for each, and no better one left out: equal scores may come in either order.
            assert [one.score for one in found] == pytest.approx([expected[one.uri] for one in found], abs=1e-5)
            assert [one.score for one in found] == pytest.approx(best[:limit], abs=1e-5)
