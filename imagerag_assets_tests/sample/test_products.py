"""The collection `products`: drawn deterministically, and its queries judged by what the scenes show."""

from __future__ import annotations

import numpy as np
import pytest

from imagerag_assets.sample import products
from imagerag_assets.sample.scene import Scene

CORPUS = products.corpus_scenes()
SHELVES = [scene for scene in CORPUS if scene.facts["layout"] == "shelf"]


def _with_label(label: str) -> Scene:
    return next(scene for scene in CORPUS if scene.facts["label"] == label)


def test_names_and_seeds_are_unique_and_the_seeds_below_those_of_the_examples() -> None:
    assert len({scene.name for scene in CORPUS}) == len(CORPUS)
    assert len({scene.seed for scene in CORPUS}) == len(CORPUS)
    assert all(scene.seed < 2**31 for scene in CORPUS)
    examples = [query.example for query in products.QUERIES if query.example]
    assert all(2**31 <= example.seed < 2**32 for example in examples)


def test_random_scenes_have_seeds_above_the_corpus_and_the_examples() -> None:
    rng = np.random.default_rng(1)
    assert all(products.random_scene(rng).seed >= 2**32 for _ in range(50))


def test_a_scene_is_drawn_the_same_twice() -> None:
    for scene in CORPUS[:6]:
        first, second = products.draw(scene, 160), products.draw(scene, 160)
        assert first.image.tobytes() == second.image.tobytes()
        assert first.regions == second.regions


@pytest.mark.parametrize("long_side", [96, 288])
def test_every_random_scene_is_drawn_with_the_long_side_asked_for(long_side: int) -> None:
    rng = np.random.default_rng(2)
    for _ in range(25):
        image = products.draw(products.random_scene(rng), long_side).image
        assert max(image.size) == long_side
        assert image.mode == "RGB"
        assert float(np.asarray(image).std()) > 10


def test_a_small_drawing_shows_the_same_as_the_natural_one() -> None:
    for label in ("none", "card", "banner", "print"):
        scene = _with_label(label)
        large, small = products.draw(scene).image, products.draw(scene, 288).image
        shrunk = np.asarray(large.resize((48, 48)), dtype=np.float32)
        assert np.abs(shrunk - np.asarray(small.resize((48, 48)), dtype=np.float32)).mean() < 8


def test_a_shelf_marks_each_of_its_goods_within_the_picture() -> None:
    drawing = products.draw(SHELVES[0], 288)
    assert [region.label for region in drawing.regions] == str(SHELVES[0].facts["items"]).split("|")
    for region in drawing.regions:
        left, top, right, bottom = region.box
        assert 0 <= left < right <= 1
        assert 0 <= top < bottom <= 1
        assert products.region_captions(region, np.random.default_rng(0))


def test_every_query_has_one_to_twelve_relevant_scenes() -> None:
    for query in products.QUERIES:
        assert 1 <= sum(query.relevant(scene.facts) for scene in CORPUS) <= 12, query.text


def test_an_example_is_relevant_to_its_own_query() -> None:
    examples = [query for query in products.QUERIES if query.kind == "by_example"]
    assert len(examples) >= 4
    for query in examples:
        assert query.text == ""
        assert query.example is not None
        assert query.relevant(query.example.facts)


def test_queries_by_text_ask_for_what_is_written_in_a_picture() -> None:
    for query in products.QUERIES:
        relevant = [scene for scene in CORPUS if query.relevant(scene.facts)]
        if query.kind in ("by_text", "both"):
            assert all(scene.text for scene in relevant), query.text


def test_no_query_is_a_caption() -> None:
    queries = {query.text for query in products.QUERIES}
    rng = np.random.default_rng(3)
    for scene in (*CORPUS, *(products.random_scene(rng) for _ in range(400))):
        assert not queries & {caption.lower().rstrip(".") for caption in products.captions(scene, rng)}


def test_captions_name_the_object_and_never_leave_a_gap() -> None:
    rng = np.random.default_rng(4)
    for scene in CORPUS:
        found = products.captions(scene, rng)
        assert len(found) >= 4
        assert all("  " not in caption and caption == caption.strip() for caption in found)


def test_the_text_of_a_picture_has_a_language() -> None:
    assert all(bool(scene.text) == bool(scene.language) for scene in CORPUS)
    assert {scene.language for scene in CORPUS} == {"", "en", "fr"}
