"""The manufacturing collection: the same pictures every time, and queries that its scenes can answer."""

from __future__ import annotations

import numpy as np
import pytest

from imagerag_assets.sample import manufacturing
from imagerag_assets.sample.scene import SampleQuery, Scene

SCENES = manufacturing.corpus_scenes()


def test_a_scene_is_drawn_the_same_twice() -> None:
    for scene in SCENES[::17]:
        first, second = (manufacturing.draw(scene, 160).image.tobytes() for _ in range(2))
        assert first == second


def test_corpus_names_and_seeds_are_unique_and_no_training_scene_is_in_the_corpus() -> None:
    assert len({scene.name for scene in SCENES}) == len({scene.seed for scene in SCENES}) == len(SCENES)
    rng = np.random.default_rng(5)
    assert all(manufacturing.random_scene(rng).seed >= 2**32 for _ in range(50))


@pytest.mark.parametrize("long_side", [96, 288])
def test_the_long_side_is_as_asked(long_side: int) -> None:
    for scene in SCENES[::19]:
        assert max(manufacturing.draw(scene, long_side).image.size) == long_side


def test_natural_photos_are_small_and_detail_pictures_large() -> None:
    small = next(scene for scene in SCENES if scene.text)
    large = next(scene for scene in SCENES if scene.facts["large"] and scene.facts["defect"] != "none")
    assert 640 <= max(manufacturing.draw(small).image.size) <= 900
    drawn = manufacturing.draw(large)
    assert 1600 <= max(drawn.image.size) <= 2400
    (region,) = drawn.regions
    left, top, right, bottom = region.box
    assert 0 <= left < right <= 1
    assert 0 <= top < bottom <= 1
    assert (right - left) * (bottom - top) < 0.05


@pytest.mark.parametrize("query", manufacturing.QUERIES, ids=lambda query: query.text or query.example.name)
def test_every_query_has_between_one_and_twelve_relevant_scenes(query: SampleQuery) -> None:
    found = sum(query.relevant(scene.facts) for scene in SCENES)
    assert 1 <= found <= 12
    if query.kind in ("by_look", "by_example"):
        assert found >= 4


def test_examples_are_not_in_the_corpus_and_answer_their_own_query() -> None:
    for query in manufacturing.QUERIES:
        assert (query.kind == "by_example") == (query.example is not None) == (query.text == "")
        if query.example is not None:
            assert 2**31 <= query.example.seed < 2**32
            assert query.relevant(query.example.facts)


def _captions_of(scenes: tuple[Scene, ...], rounds: int) -> set[str]:
    return {
        caption.casefold().rstrip(".")
        for seed in range(rounds)
        for scene in scenes
        for caption in manufacturing.captions(scene, np.random.default_rng(seed))
    }


def test_no_query_is_a_caption() -> None:
    queries = {query.text.casefold() for query in manufacturing.QUERIES if query.text}
    assert not queries & _captions_of(SCENES, 12)


def test_captions_are_several_and_vary_with_the_generator() -> None:
    for scene in SCENES:
        captions = manufacturing.captions(scene, np.random.default_rng(1))
        assert 4 <= len(captions) <= 8
    assert len(_captions_of(SCENES[:1], 12)) > 30


def test_defects_of_training_scenes_can_be_drawn_and_told() -> None:
    rng = np.random.default_rng(11)
    for _ in range(60):
        scene = manufacturing.random_scene(rng)
        drawn = manufacturing.draw(scene, 96)
        assert manufacturing.captions(scene, rng)
        assert all(manufacturing.region_captions(region, rng) for region in drawn.regions)
