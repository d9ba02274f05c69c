"""The estate agent's collection keeps the contract of a scene module."""

from __future__ import annotations

import numpy as np
import pytest

from imagerag_assets.sample import real_estate
from imagerag_assets.sample.scene import Scene, SceneModule

MODULE: SceneModule = real_estate


def _first(kind: str) -> Scene:
    return next(s for s in MODULE.corpus_scenes() if s.facts["kind"] == kind)


@pytest.mark.parametrize("kind", ["exterior", "interior", "plan"])
def test_a_scene_is_drawn_twice_as_the_same_picture(kind: str) -> None:
    first, second = (MODULE.draw(_first(kind), 200).image for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert max(first.size) == 200


@pytest.mark.parametrize("kind", ["exterior", "interior"])
def test_photographs_have_the_size_of_photographs(kind: str) -> None:
    assert 640 <= max(MODULE.draw(_first(kind)).image.size) <= 900


def test_plans_are_large_and_say_where_their_details_are() -> None:
    drawing = MODULE.draw(_first("plan"))
    assert 3000 <= max(drawing.image.size) <= 4200
    assert drawing.regions
    assert all(0 <= r.box[0] < r.box[2] <= 1 and 0 <= r.box[1] < r.box[3] <= 1 for r in drawing.regions)


def test_every_symbol_that_a_plan_s_facts_name_is_drawn() -> None:
    from imagerag_assets.sample.real_estate.plans import SYMBOL_FACTS

    for scene in MODULE.corpus_scenes():
        if scene.facts["kind"] == "plan":
            drawn = {region.label for region in MODULE.draw(scene, 400).regions}
            assert drawn >= {label for name, label in SYMBOL_FACTS.items() if scene.facts[name]}


def test_every_query_has_between_one_and_twelve_relevant_scenes() -> None:
    for query in MODULE.QUERIES:
        relevant = [s for s in MODULE.corpus_scenes() if query.relevant(s.facts)]
        assert 1 <= len(relevant) <= 12, query
        assert (query.kind == "by_example") == (query.example is not None and not query.text)


def test_examples_are_of_their_subject_and_not_in_the_corpus() -> None:
    for query in MODULE.QUERIES:
        if query.example:
            assert query.relevant(query.example.facts)
            assert 2**31 <= query.example.seed < 2**32


def test_no_query_is_a_caption() -> None:
    texts = {query.text for query in MODULE.QUERIES}
    for seed in range(5):
        rng = np.random.default_rng(seed)
        for scene in MODULE.corpus_scenes():
            made = MODULE.captions(scene, rng)
            assert 4 <= len(made) <= 8
            assert not texts.intersection(c.lower() for c in made)


def test_names_are_unique_and_random_scenes_are_never_of_the_corpus() -> None:
    scenes = MODULE.corpus_scenes()
    assert len({s.name for s in scenes}) == len(scenes)
    assert all(s.seed < 2**31 for s in scenes)
    rng = np.random.default_rng(0)
    assert all(MODULE.random_scene(rng).seed >= 2**32 for _ in range(50))


def test_random_scenes_of_all_kinds_can_be_drawn_and_described() -> None:
    rng = np.random.default_rng(1)
    for _ in range(24):
        scene = MODULE.random_scene(rng)
        drawing = MODULE.draw(scene, 120)
        assert MODULE.captions(scene, rng)
        assert all(MODULE.region_captions(region, rng) for region in drawing.regions)
