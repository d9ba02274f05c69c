"""The help desk's screenshots keep the contract of a sample collection."""

from __future__ import annotations

import numpy as np
import pytest

from imagerag_assets.sample import it_support
from imagerag_assets.sample.it_support.scenes import OPTIONS, paint
from imagerag_assets.sample.scene import Scene


@pytest.fixture(scope="module")
def scenes() -> tuple[Scene, ...]:
    return it_support.corpus_scenes()


def test_the_corpus_is_the_same_every_time(scenes: tuple[Scene, ...]) -> None:
    assert scenes == it_support.corpus_scenes()
    assert len({scene.name for scene in scenes}) == len(scenes)
    assert {scene.facts["kind"] for scene in scenes} == set(OPTIONS)


def test_drawing_twice_gives_the_same_pixels(scenes: tuple[Scene, ...]) -> None:
    for scene in {str(s.facts["kind"]): s for s in scenes}.values():
        first, second = (it_support.draw(scene, 200).image for _ in range(2))
        assert first.tobytes() == second.tobytes()
        assert max(first.size) == 200


@pytest.mark.parametrize(
    ("kind", "size"), [("phone", (600, 1240)), ("screen_photo", (960, 720)), ("terminal", (1200, 750))]
)
def test_natural_sizes(scenes: tuple[Scene, ...], kind: str, size: tuple[int, int]) -> None:
    scene = next(s for s in scenes if s.facts["kind"] == kind)
    assert it_support.draw(scene).image.size == size


def test_a_screen_says_the_same_whatever_its_size(scenes: tuple[Scene, ...]) -> None:
    for scene in scenes[::9]:
        assert paint(scene.facts, scene.seed, 160)[1] == scene.text


def test_every_query_has_one_to_twelve_relevant_scenes(scenes: tuple[Scene, ...]) -> None:
    for query in it_support.QUERIES:
        relevant = sum(query.relevant(scene.facts) for scene in scenes)
        assert 1 <= relevant <= 12, query.text
        if query.kind in ("by_look", "by_example"):
            assert relevant >= 4, query.text


def test_queries_by_example_show_pictures_that_are_not_in_the_corpus(scenes: tuple[Scene, ...]) -> None:
    examples = [query for query in it_support.QUERIES if query.kind == "by_example"]
    for query in examples:
        assert query.example is not None
        assert 2**31 <= query.example.seed < 2**32
        assert query.relevant(query.example.facts)
        assert query.text == ""
    assert max(scene.seed for scene in scenes) < 2**31


def test_words_asked_for_can_be_read_in_a_relevant_picture(scenes: tuple[Scene, ...]) -> None:
    for query in it_support.QUERIES:
        if query.kind == "by_text":
            asked = {word.strip(":,?") for word in query.text.lower().split()}
            relevant = next(scene for scene in scenes if query.relevant(scene.facts))
            shown = " ".join(relevant.text).lower()
            assert any(word in shown for word in asked if len(word) > 3), query.text


def test_no_caption_is_a_query(scenes: tuple[Scene, ...]) -> None:
    queries = {query.text.lower().strip(" .") for query in it_support.QUERIES if query.text}
    for seed in range(20):
        rng = np.random.default_rng(seed)
        for scene in scenes:
            found = it_support.captions(scene, rng)
            assert 4 <= len(found) <= 8
            assert not queries & {caption.lower().strip(" .") for caption in found}


def test_random_scenes_are_never_those_of_the_corpus_and_can_be_drawn() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        scene = it_support.random_scene(rng)
        assert scene.seed >= 2**32
        drawing = it_support.draw(scene, 96)
        for region in drawing.regions:
            left, top, right, bottom = region.box
            assert 0 <= left < right <= 1.05
            assert 0 <= top < bottom <= 1.05
            assert it_support.region_captions(region, rng)
