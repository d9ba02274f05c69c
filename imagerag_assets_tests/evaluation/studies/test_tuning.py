"""Proposals: what is better is found, chance is not, nothing is applied, and the test split is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ir_measures import nDCG
from typer.testing import CliRunner

from imagerag_assets.evaluation.benchmarks import Benchmark, Judgement, store_benchmark
from imagerag_assets.evaluation.benchmarks import Query as Asked
from imagerag_assets.evaluation.benchmarks.splits import Split
from imagerag_assets.evaluation.studies import store, tuning
from imagerag_assets.evaluation.studies.tuning import adjusted, choose, halves, ndcg_at_10, tuning_proposal
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.serving.cli import app
from imagerag_assets.settings import Fusion
from imagerag_assets_tests.retrieval.corpus import Picture, build, content_of, shop_project

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
WORDS = ("printer", "network", "mug", "lamp", "chair", "invoice", "window", "garden", "motor")


@given(st.dictionaries(st.sampled_from("abcdefghijklmnop"), st.integers(0, 3), min_size=1), st.randoms())
def test_the_objective_is_ndcg_as_ir_measures_has_it(grades: dict[str, int], chance: object) -> None:
    if not any(grades.values()):
        grades["a"] = 1
    ranking = sorted("abcdefghijklmnopqr", key=lambda _: chance.random())  # type: ignore[attr-defined]
    theirs = ir_measures.calc_aggregate(
        [nDCG @ 10], {"q": grades}, {"q": {name: 100.0 - rank for rank, name in enumerate(ranking)}}
    )
    assert ndcg_at_10(ranking[:10], grades) == pytest.approx(theirs[nDCG @ 10])


def test_a_value_that_is_better_on_most_queries_is_chosen() -> None:
    chance = np.random.default_rng(1)
    scores = chance.normal(0.5, 0.1, size=(5, 60))
    scores[3] += 0.1
    place, gain = choose(scores, 1, folds=5)
    assert place == 3
    assert gain == pytest.approx(0.1, abs=0.05)


def test_a_value_that_suits_a_single_query_is_not_chosen() -> None:
    # The best mean of all, owed to one query: the fold that it is in did not choose it.
    scores = np.full((2, 20), 0.5)
    scores[1] -= 0.01
    scores[1, 7] = 1.0
    assert scores[1].mean() > scores[0].mean()
    assert choose(scores, 0, folds=5)[0] == 0


def test_values_that_do_not_differ_leave_what_is_set() -> None:
    assert choose(np.full((4, 12), 0.7), 2, folds=5) == (2, 0.0)


def test_with_several_proposals_chance_has_less_to_say() -> None:
    # Holm (1979): .01 · 4, then the running maximum of .03 · 3 and .04 · 2, then .005 of the first place.
    assert adjusted([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert adjusted([]) == []


def row(settings: dict[str, float], difference: float, verdict: str) -> dict[str, object]:
    return {"settings": settings, "difference": difference, "verdict": verdict}


FIRST, SECOND = {"fusion.text_knows": 0.85}, {"fusion.tile_weight": 0.9}


@pytest.mark.parametrize(
    ("together", "printed", "alone"),
    [
        ((-0.02, "worse"), SECOND, ["fusion.text_knows"]),
        ((0.01, "no difference seen"), SECOND, ["fusion.text_knows"]),
        ((0.01, "better"), SECOND, ["fusion.text_knows"]),
        ((0.05, "better"), {**FIRST, **SECOND}, []),
    ],
)
def test_values_are_proposed_together_only_if_together_they_were_measured_to_be_better(
    together: tuple[float, str], printed: dict[str, float], alone: list[str]
) -> None:
    duplicates = row({"dedup.similarity": 0.8}, 0.1, "better")
    rows = [row(FIRST, 0.02, "better"), row(SECOND, 0.03, "better"), row({**FIRST, **SECOND}, *together), duplicates]
    assert tuning.better({"proposals": rows}) == {**printed, "dedup.similarity": 0.8}
    assert tuning.left_alone({"proposals": rows}) == alone


def test_a_value_that_is_better_only_together_with_others_is_proposed_with_them() -> None:
    rows = [
        row(FIRST, 0.02, "better"),
        row(SECOND, 0.0, "no difference seen"),
        row({**FIRST, **SECOND}, 0.03, "better"),
    ]
    assert tuning.better({"proposals": rows}) == {**FIRST, **SECOND}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda pair: pair[0] != pair[1])))
def test_no_image_is_in_both_halves_of_the_decided_pairs(numbers: list[tuple[int, int]]) -> None:
    pairs = [(str(one), str(other)) for one, other in numbers]
    first, second = halves(pairs)
    assert sorted((*first, *second)) == list(range(len(pairs)))
    images = [{image for place in side for image in pairs[place]} for side in (first, second)]
    assert images[0].isdisjoint(images[1])


def test_pairs_that_share_no_image_are_halved_evenly() -> None:
    first, second = halves([(f"a{number}", f"b{number}") for number in range(9)])
    assert {len(first), len(second)} == {4, 5}


@pytest.fixture(scope="module")
def shop(make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Eighteen images and their words, a query of each split for every word, and no pair that anyone decided."""
    project = shop_project(make_shared_project, Path("unread"), tuning={"min_queries": 4, "folds": 2})
    build(
        project,
        [
            Picture(f"{word}-{number}.png", ocr=f"{word} {number}", tiles=1 + number)
            for word in WORDS
            for number in (1, 2)
        ],
    )
    queries = [Asked(f"{split} {word}", word, None, "by_text", "en", split) for split in SPLITS for word in WORDS]
    qrels = tuple(Judgement(one.query_id, f"{one.text}-{number}.png", 1) for one in queries for number in (1, 2))
    with project.database.connect() as connection:
        store_benchmark(connection, "shop", Benchmark(tuple(queries), qrels, "first"))
    file = tmp_path_factory.mktemp("tuning") / "imagerag.yaml"
    settings = {"database": {"url": project.settings.database.url}, "tuning": {"min_queries": 4, "folds": 2}}
    collections = [{"name": name, "source": "."} for name in ("shop", "office")]
    file.write_text(json.dumps({**settings, "collections": collections}))
    project.__dict__["file"] = file
    return project


def test_too_few_queries_for_tuning_are_said_and_no_model_is_loaded(shop: Project) -> None:
    seen = DualEncoder.texts_encoded
    with shop.database.connect() as connection:
        connection.execute("update benchmark_queries set split = 'test' where split = 'validation' and text > 'h'")
        notes = tuning_proposal(connection, shop).result["notes"]
        connection.rollback()
    assert DualEncoder.texts_encoded == seen
    assert notes[0].startswith(
        "fusion: 4 judged queries are needed for each of train and validation, and there are 9 for train and 2 for"
    )
    assert "20 pairs" not in notes[1]
    assert "8 pairs decided by people are needed, and there are 0" in notes[1]


def test_a_proposal_is_measured_by_the_search_that_its_settings_would_give(shop: Project) -> None:
    other = Fusion(description_knows=0.9, text_knows=0.05, tile_weight=0.3)
    changed = Project(shop.settings.model_copy(update={"fusion": other}), beside=shop)
    with shop.database.connect() as connection:
        live = generations.live(connection)
        asked = [tuning._encoded(shop, *one) for one in tuning._asked(connection, live, "train")]
        now = tuning._scores(connection, shop, live, Fusion(), asked)
        then = tuning._scores(connection, shop, live, other, asked)
        texts = {one.query.terms[0]: place for place, one in enumerate(asked)}
    assert len(asked) == len(WORDS)
    assert not np.array_equal(now, then)
    for project, scores in ((shop, now), (changed, then)):
        for word in WORDS[:3]:
            found = [one.group_id for one in search(project, Query(word), collections=("shop",))]
            grades = {content_of(f"{word}-{number}.png"): 1 for number in (1, 2)}
            assert scores[texts[word]] == pytest.approx(ndcg_at_10(found, grades))


def test_a_tile_counts_as_much_as_its_weight(shop: Project) -> None:
    query = Query("printer")
    whole = {one.uri: one.score for one in search(shop, query, method="clip", limit=18)}
    light = Project(shop.settings.model_copy(update={"fusion": Fusion(tile_weight=0.01)}), beside=shop)
    weighed = {one.uri: one.score for one in search(light, query, method="clip", limit=18)}
    # Pictures of a single tile have nothing to weigh.
    singles = [f"{word}-1.png" for word in WORDS]
    assert whole.keys() == weighed.keys()
    assert any(whole[uri] != weighed[uri] for uri in whole)
    assert all(weighed[uri] <= max(whole[uri], 0) + 1e-9 for uri in whole)
    assert len([uri for uri in singles if uri in whole]) == len(WORDS)


def decide_pairs(shop: Project, count: int) -> None:
    """Pairs that people decided: the same from .79 on, and different below; .87 is set."""
    with shop.database.connect() as connection:
        connection.execute("delete from duplicate_decisions")
        connection.execute("delete from near_pairs")
        for number in range(count):
            a, b = sorted((content_of(f"a{number}"), content_of(f"b{number}")))
            same = number % 2 == 0
            connection.execute(
                "insert into duplicate_decisions (a, b, verdict, decided_by, reason) values (%s, %s, %s, 'me', '')",
                (a, b, "same" if same else "different"),
            )
            connection.execute(
                "insert into near_pairs values (%s, %s, 'f', 'perceptual', %s, false)", (a, b, 0.82 if same else 0.76)
            )


def test_a_threshold_that_people_contradict_gets_a_better_one_and_the_command_prints_it(shop: Project) -> None:
    before = shop.settings.model_dump()
    with shop.database.connect() as connection:
        connection.execute("update benchmark_queries set split = 'test'")
    decide_pairs(shop, 40)
    file = shop.__dict__["file"]
    told = CliRunner().invoke(app, ["tune", "--settings", str(file)], env={"COLUMNS": "200"})
    assert told.exit_code == 0, told.output
    assert "dedup:\n  similarity: 0.78" in told.output
    (row,) = json.loads(CliRunner().invoke(app, ["tune", "--json", "--settings", str(file)]).output)["proposals"]
    assert (row["verdict"], row["queries"], row["after"]) == ("better", 20, 1.0)
    assert row["before"] < 0.8
    assert row["p_adjusted"] == row["p"] < 0.05
    assert shop.settings.model_dump() == before


def test_with_few_decided_pairs_what_looks_better_is_not_called_so(shop: Project) -> None:
    with shop.database.connect() as connection:
        connection.execute("update benchmark_queries set split = 'test'")
    decide_pairs(shop, 10)
    with shop.database.connect() as connection:
        result = tuning_proposal(connection, shop).result
    (row,) = result["proposals"]
    assert row["difference"] > 0
    assert row["verdict"] == "no difference seen"
    assert tuning.better(result) == {}


def test_the_same_queries_and_settings_are_searched_once(shop: Project) -> None:
    with shop.database.connect() as connection:
        first, second = tuning_proposal(connection, shop), tuning_proposal(connection, shop)
    assert not second.made
    assert second.result == first.result


def test_the_command_prints_the_best_alone_and_names_the_others_where_together_they_are_worse(shop: Project) -> None:
    def proposal(settings: dict[str, float], gain: float, verdict: str) -> dict[str, object]:
        made = tuning._proposal(("told", "", ""), settings, "nDCG@10", gain, np.zeros(9), np.full(9, gain))
        return {**made, "p_adjusted": 0.01, "verdict": verdict}

    found = [proposal(FIRST, 0.2, "better"), proposal(SECOND, 0.1, "better")]
    found.append(proposal({**FIRST, **SECOND}, -0.1, "worse"))
    decide_pairs(shop, 6)
    with shop.database.connect() as connection:
        state = tuning._state(connection, shop, generations.live(connection))
        store.keep(connection, tuning.STUDY, state, {"proposals": found, "notes": []})
    told = CliRunner().invoke(app, ["tune", "--settings", str(shop.__dict__["file"])], env={"COLUMNS": "200"})
    assert "fusion:\n  text_knows: 0.85\n" in told.output
    assert "  tile_weight" not in told.output
    assert "not to be added: together they were not seen to gain more. fusion.tile_weight" in told.output
