"""The answer without a language model: the best images and what is known of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerag_assets.answers import Answer, ask, ask_stream
from imagerag_assets.errors import NoLiveIndexError, QueryError, SettingsError
from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, content_of, shop_project


@pytest.fixture(scope="module")
def shop(make_shared_project: MakeProject) -> Project:
    project = shop_project(make_shared_project, Path("unread"))
    build(project, [
        Picture("mug.png", "OFFER [7] of the day", "A red mug on a table.", tiles=2),
        Picture("printer.png", "paper jam", "A printer in an office.", collection="office"),
        Picture("lamp.png", "", "A lamp."),
    ])  # fmt: skip
    return project


def test_the_best_images_are_cited_with_what_is_known_and_no_model_is_claimed(shop: Project) -> None:
    answer = ask(shop, "where is the offer mug?", limit=2)
    assert answer.extractive
    assert not answer.refused
    assert (answer.model, answer.usd, answer.tokens_in) == (None, None, None)
    assert answer.text.startswith("No language model is configured")
    assert "[1] shop/mug.png: A red mug on a table." in answer.text
    assert [one.number for one in answer.citations] == [1, 2]
    first = answer.citations[0]
    assert (first.collection, first.uri, first.content) == ("shop", "mug.png", content_of("mug.png"))
    assert first.box == answer.results[0].box
    assert first.box is not None


def test_text_in_an_image_cannot_look_like_a_citation(shop: Project) -> None:
    assert "OFFER (7) of the day" in ask(shop, "offer", limit=1).text


def test_the_stream_ends_with_the_answer_that_its_pieces_make(shop: Project) -> None:
    *pieces, answer = ask_stream(shop, "paper jam", limit=1)
    assert isinstance(answer, Answer)
    assert "".join(map(str, pieces)) == answer.text
    assert answer.latency_ms > 0


def test_filters_hold_for_answers(shop: Project) -> None:
    answer = ask(shop, "mug", collections=("office",))
    assert {one.uri for one in answer.citations} == {"printer.png"}
    answer = ask(shop, "mug", where=parse_conditions(["uri=lamp.png"]))
    assert {one.uri for one in answer.citations} == {"lamp.png"}


def test_where_nothing_is_found_the_answer_is_a_refusal(shop: Project) -> None:
    answer = ask(shop, "mug", where=parse_conditions(["uri=nowhere.png"]))
    assert answer.refused
    assert answer.citations == ()
    assert "do not answer" in answer.text


def test_nothing_good_enough_is_a_refusal_and_no_model_is_asked(make_project: MakeProject, tmp_path: Path) -> None:
    nobody = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
    # Relevance is measured from 20 images on; no result of theirs has one above this.
    project = shop_project(make_project, tmp_path, models={"answerer": nobody}, index={"relevance": 1.0})
    words = ["red", "blue", "lamp", "mug", "chair", "printer", "error", "paper", "network", "disk"]
    build(project, [
        Picture(f"{number}.png", " ".join(words[number % 5 : number % 5 + 5]), f"A {words[number % 10]} {number}.")
        for number in range(24)
    ])  # fmt: skip
    answer = ask(project, "what is the capital of Mongolia?", collections=("shop",))
    assert answer.refused
    assert (answer.model, answer.citations) == (None, ())
    assert len(answer.results) == 3


def test_a_question_of_an_image_leaves_that_image_out(shop: Project) -> None:
    answer = ask(shop, "something like it", image_id="shop/mug.png")
    assert "mug.png" not in {one.uri for one in answer.results}


@pytest.mark.parametrize(
    ("question", "more", "message"),
    [
        ("  ", {}, "Nothing is asked"),
        ("x" * 4_001, {}, "at most 4,000"),
        ("mug", {"limit": 0}, "1 to 10 images"),
        ("mug", {"image_id": "no.png"}, "no image 'no.png'"),
    ],
)
def test_a_question_without_sense_is_refused(
    shop: Project, question: str, more: dict[str, object], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        ask(shop, question, **more)  # type: ignore[arg-type]


def test_unknown_collections_and_a_missing_index_are_told(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="no collection 'attic'"):
        ask(shop, "mug", collections=("attic",))
    with pytest.raises(NoLiveIndexError):
        ask(shop_project(make_project, tmp_path), "mug")
