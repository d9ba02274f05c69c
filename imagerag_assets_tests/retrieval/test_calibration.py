"""What a collection measures of its legs: scales from known odds, nothing from noise, again only when it changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.project import Project
from imagerag_assets.retrieval import calibration, fusion, generations
from imagerag_assets.retrieval.calibration import fit, self_queries
from imagerag_assets.retrieval.search import Query, encode_query, nothing_good_enough, search, search_rows
from imagerag_assets.settings import Fusion
from imagerag_assets.stages.description_embeddings import embedded_text
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, shop_project

UNANSWERABLE = (Path(__file__).parent / "unanswerable.txt").read_text(encoding="utf-8").splitlines()
THINGS = ["printer", "network", "password", "invoice", "browser", "keyboard", "cable", "server", "monitor", "scanner"]
TROUBLES = ["offline", "expired", "missing", "blocked", "frozen"]


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Project:
    return shop_project(make_project, tmp_path)


def dialogs(count: int = 50, start: int = 0) -> list[Picture]:
    """Pictures with a line of text each; their vectors know nothing of it."""
    return [
        Picture(
            f"{number:03d}.png",
            ocr=f"the {THINGS[number % 10]} is {TROUBLES[number // 10 % 5]} code{number} please restart",
            description=f"screen {number} showing a dialog",
        )
        for number in range(start, start + count)
    ]


def calibrations(project: Project) -> dict[str, tuple[Any, ...]]:
    with project.database.connect() as connection:
        rows = connection.execute(
            "select collection, clip_scale, clip_knows, description_scale, images, seen from leg_calibrations"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize(("scale", "knows"), [(8.0, 0.9), (20.0, 0.5), (40.0, 0.7)])
def test_the_scale_and_the_share_that_made_the_answers_are_found_again(scale: float, knows: float) -> None:
    rng = np.random.default_rng(3)
    scores = rng.normal(0, 0.1, (3_000, 100))
    odds = np.exp(scale * scores)
    informed = rng.random(len(scores)) < knows
    right = np.zeros(scores.shape, dtype=bool)
    for row in range(len(scores)):
        chance = odds[row] / odds[row].sum() if informed[row] else None
        right[row, rng.choice(100, p=chance)] = True

    found_scale, found_knows = fit(scores, right, np.full(len(scores), 1 / len(scores)))

    assert found_scale == pytest.approx(scale, rel=0.25)
    assert found_knows == pytest.approx(knows, abs=0.15)


def test_a_leg_that_points_nowhere_is_worth_next_to_nothing() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 0.1, (128, 300))
    right = np.zeros(scores.shape, dtype=bool)
    right[np.arange(128), rng.integers(0, 300, 128)] = True

    scale, knows = fit(scores, right, np.full(128, 1 / 128))

    odds = np.exp(scale * scores)
    ratio = odds / odds.mean(axis=1, keepdims=True)
    assert np.abs(np.log(1 - knows + knows * ratio)).max() < 0.05


def test_self_queries_are_words_of_the_image_and_the_same_every_time() -> None:
    said = ["a red mug on a wooden table in the sun", ""]
    read = ["Lg TR =", "Sale ends on Sunday at the big market hall"]

    asked = self_queries(said, read)

    assert asked == self_queries(said, read)
    assert [one.image for one in asked] == [0, 1]
    assert set(asked[0].text.split()) < set(said[0].split())
    assert 3 <= len(asked[1].text.split()) <= 5
    assert set(asked[1].text.split()) < set(read[1].split())
    # One image only speaks, the other is only read: both kinds count alike.
    assert asked[0].weight == pytest.approx(asked[1].weight)


def test_evidence_is_the_logarithm_of_the_softmax_over_the_searched_images(shop: Project) -> None:
    build(shop, dialogs())
    clip_scale, clip_knows, description_scale, *_ = calibrations(shop)["shop"]
    values = fusion.parameters(Fusion())
    query = encode_query(shop, Query("printer offline"))
    with shop.database.connect() as connection:
        rows = search_rows(
            connection, shop, query, generations.live(connection), method="hybrid", collections=("shop",), limit=100
        )
    assert len(rows) == 50
    knows_of = {
        "clip": clip_knows * values["shown_by_others"], "description": values["description_knows"],
        "text": values["text_knows"],
    }  # fmt: skip
    total = np.zeros(len(rows))
    for leg, column, scale in (
        ("clip", "clip", clip_scale),
        ("description", "description_score", description_scale * values["paraphrase"]),
        ("text", "text_score", values["text_scale"]),
    ):
        odds = np.exp(scale * np.array([row[column] or 0.0 for row in rows]))
        total += np.log(1 - knows_of[leg] + knows_of[leg] * odds / odds.mean())
    assert [row["score"] for row in rows] == pytest.approx(total, abs=1e-5)


def test_a_collection_is_measured_again_only_when_it_has_changed(shop: Project) -> None:
    build(shop, dialogs(50))
    first = calibrations(shop)
    assert first["shop"][3] == 50
    seen = DualEncoder.texts_encoded

    build(shop, dialogs(2, start=50))
    assert calibrations(shop) == first
    assert DualEncoder.texts_encoded == seen

    build(shop, dialogs(1, start=52), removed=["000.png"])
    assert calibrations(shop)["shop"][3] == 52
    assert DualEncoder.texts_encoded > seen


def test_a_measurement_goes_with_the_collection(shop: Project) -> None:
    build(shop, dialogs(25))
    build(shop, [], removed=[one.uri for one in dialogs(25)][:10])
    assert calibrations(shop) == {}


def test_a_small_collection_is_searched_unmeasured_and_nothing_is_said_of_relevance(shop: Project) -> None:
    build(shop, dialogs(calibration.MINIMUM_IMAGES - 1))
    found = search(shop, Query("printer offline"), limit=100)
    assert calibrations(shop) == {}
    assert len(found) == calibration.MINIMUM_IMAGES - 1
    assert {result.relevance for result in found} == {None}
    assert not nothing_good_enough(found, 0.9)


def test_a_query_without_an_answer_says_so(shop: Project) -> None:
    build(shop, dialogs())
    threshold = shop.settings.index.relevance

    answered = [search(shop, Query(f"{thing} {trouble}")) for thing in THINGS for trouble in ("offline", "frozen")]
    unanswered = [search(shop, Query(text)) for text in UNANSWERABLE]

    assert all(one[0].relevance is not None and 0 <= one[0].relevance <= 1 for one in (*answered, *unanswered))
    assert sum(nothing_good_enough(one, threshold) for one in answered) == 0
    assert sum(nothing_good_enough(one, threshold) for one in unanswered) > 0.8 * len(unanswered)
    # The first page had the answer.
    later = search(shop, Query("printer offline"), offset=15)
    assert later
    assert nothing_good_enough(later, threshold)
    assert not nothing_good_enough(later, threshold, offset=15)


def test_other_methods_and_pictures_are_not_judged(shop: Project) -> None:
    from imagerag_assets_tests.pictures import draw

    build(shop, dialogs(25))
    for found in (
        search(shop, Query("printer"), method="text"),
        search(shop, Query("printer"), method="rrf"),
        search(shop, Query("printer", draw(1))),
    ):
        assert found
        assert {result.relevance for result in found} == {None}


def test_readable_text_leads_what_is_embedded_and_noise_does_not() -> None:
    said = "a tall picture of a dress."
    assert embedded_text(said, "Internet Information\nServices (IIS) Manager").startswith("Internet Information")
    assert embedded_text(said, "Lg\nTr\n=\nBF toxg").startswith(said)
    assert "=" not in embedded_text(said, "Lg\nTr\n=\nBF toxg")
    assert embedded_text(said, "") == said
