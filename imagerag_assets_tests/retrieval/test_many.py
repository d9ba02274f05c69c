"""Search of many images finds what an exhaustive one does: here every index counts as large."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from imagerag_assets.methods import METHODS, Method
from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.retrieval.search import Query, Result, search
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, shop_project

MODULE = sys.modules[search.__module__]
WORDS = [f"word{number}" for number in range(40)]

# A rare word in documents so long that it counts little there, and a common one that is all that others say.
_MISLEADING = [
    *(Picture(f"long{number}.png", " ".join(["seldom", *["filling"] * 150]), "") for number in range(4)),
    *(Picture(f"short{number:02d}.png", " ".join(["often"] * (1 + number % 4)), "") for number in range(50)),
]


@pytest.fixture(scope="module")
def shop(make_shared_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = shop_project(make_shared_project, tmp_path_factory.mktemp("many"), index={"ef_search": 400})
    chance = random.Random(1)
    weights = [1 / (number + 1) for number in range(len(WORDS))]
    pictures = [
        Picture(
            f"{number:03d}.png",
            " ".join(chance.choices(WORDS, weights, k=chance.randint(0, 12))),
            " ".join(chance.choices(WORDS, weights, k=chance.randint(0, 6))),
            collection="office" if number % 8 == 0 else "shop",
            tiles=chance.choice((1, 1, 3)),
        )
        for number in range(150)
    ]
    twins = [Picture(f"twin{number:02d}.png", "word1 word39", "word2", canonical="twin00.png") for number in range(40)]
    build(project, [*pictures, *twins, *_MISLEADING])
    return project


@pytest.fixture(autouse=True)
def _everything_is_many(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(MODULE, "_EXACT_ROWS", 0)
    monkeypatch.setattr(MODULE, "_HITS", 4)
    MODULE._statement.cache_clear()
    yield
    MODULE._statement.cache_clear()


def same(found: list[Result], expected: list[Result]) -> bool:
    """Score for score; of the equal ones that do not all fit it may be others."""
    last = expected[-1].score if expected else 0.0
    better = [[one.uri for one in results if one.score > last + 1e-9] for results in (found, expected)]
    return better[0] == better[1] and [one.score for one in found] == pytest.approx(
        [one.score for one in expected], rel=1e-6
    )


@pytest.mark.parametrize("limit", [3, 60])
def test_the_best_documents_are_those_of_an_exhaustive_okapi(shop: Project, limit: int) -> None:
    chance = random.Random(2)
    for _ in range(25):
        query = " ".join(chance.sample(WORDS, chance.randint(1, 5)))
        found = search(shop, query, method="text", limit=limit)
        assert same(found, search(shop, query, method="text", limit=limit, exact=True)), query


def test_rare_words_that_count_little_where_they_stand_do_not_hide_what_common_ones_find(shop: Project) -> None:
    found = search(shop, "seldom often", method="text", limit=2)
    assert same(found, search(shop, "seldom often", method="text", limit=2, exact=True))
    assert all(one.uri.startswith("short") for one in found)


@pytest.mark.parametrize("method", METHODS)
def test_with_room_for_all_every_method_finds_what_an_exhaustive_search_does(shop: Project, method: Method) -> None:
    queries = [Query("word3 word17 word30")]
    if method != "hybrid":
        # An example counts itself among the images that its evidence is weighed against.
        queries.append(Query("word0", image_id="shop/001.png"))
    for query in queries:
        found = search(shop, query, method=method, limit=150)
        assert same(found, search(shop, query, method=method, limit=150, exact=True))


@pytest.mark.parametrize("method", ["clip", "description", "text"])
@pytest.mark.parametrize("where", ["width>=300", "uri=009.png", "uri~0", "uri!=001.png", "tag=a tag"])
def test_a_filter_however_selective_leaves_the_best_that_pass(shop: Project, method: Method, where: str) -> None:
    for text in ("word1 word5", "word12", "word33 word2 word0"):
        for collections in ((), ("office",)):
            asked: dict[str, Any] = {
                "method": method, "where": parse_conditions([where]), "collections": collections, "limit": 3
            }  # fmt: skip
            found = search(shop, text, **asked)
            assert same(found, search(shop, text, **asked, exact=True))


@pytest.mark.parametrize("exact", [False, True])
def test_duplicates_that_fill_the_nearest_do_not_crowd_out_the_rest(shop: Project, *, exact: bool) -> None:
    # All 40 twins have these words, and nothing else has both of them as often.
    found = search(shop, "word39 word2", method="text", limit=5, exact=exact)
    assert len(found) == 5
    assert found[0].uri == "twin00.png"
    assert len(found[0].duplicates) == 39


def test_where_all_that_match_were_ranked_they_are_not_asked_for_again(
    shop: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    plain = MODULE._ask

    def ask(*values: Any) -> Any:
        asked.append(1)
        return plain(*values)

    monkeypatch.setattr(MODULE, "_ask", ask)
    # Four images have the word; of the other two, forty copies of one fill the first places.
    for text, found, times in (("seldom", 4, 1), ("nothinghasit", 0, 1), ("word39 word2", 5, 2)):
        asked.clear()
        assert len(search(shop, text, method="text", limit=5, exact=True)) == found
        assert len(asked) == times, text


@pytest.mark.parametrize(
    ("share", "expected"),
    [(None, 100), (1.0, 200), (0.5, 200), (0.1, 300), (0.04, 800), (0.02, 200), (0.0, 200)],
)
def test_the_fewer_pass_the_more_of_the_nearest_are_looked_at_up_to_the_widest_scan(
    share: float | None, expected: int
) -> None:
    assert MODULE._nearest(100, 10, share) == expected
