"""A description that is not trusted counts less: it neither finds its image nor hides it."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerag_assets.methods import Method
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.images import find_image
from imagerag_assets.retrieval.search import Query, Result, encode_query, search, search_rows
from imagerag_assets.stages import description_confidence, pgvector_index, vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, content_of, shop_project, store

SAME = "a red bicycle in the rain"
PICTURES = [
    Picture("a.png", description=SAME), Picture("b.png", description=SAME),
    *(Picture(f"{number}.png", description=f"screen {number} with a dialog") for number in range(30)),
]  # fmt: skip


def measured(project: Project, confidences: dict[str, float]) -> None:
    """Write confidences as the stage would have, of the descriptions as they are, and update the index."""
    with project.database.connect() as connection:
        context = vlm_descriptions.contexts(project)["contexts"][0]
        this = description_confidence.stage(project)
        for uri, value in confidences.items():
            connection.execute(
                "insert into description_confidence (content, context, model, fingerprint, inputs, described, "
                "confidence) select content, context, %s, %s, '', md5(concat_ws('|', general, key_elements::text, "
                "visible_text, category, tags::text)), %s from vlm_descriptions where content = %s and context = %s "
                "on conflict (content, context, model) do update set confidence = excluded.confidence",
                (this.parameters["model"], this.fingerprint, value, content_of(uri), context),
            )
    pgvector_index.run(project, RunOptions())


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Project:
    """Descriptions with vectors of their words."""
    project = shop_project(make_project, tmp_path)
    store(project, PICTURES)
    with project.database.connect() as connection:
        vectors = project.text_encoder().encode_texts([picture.description for picture in PICTURES])
        for picture, vector in zip(PICTURES, vectors, strict=True):
            connection.execute(
                "update description_embeddings set embedding = %s where content = %s", (vector, picture.content)
            )
    pgvector_index.run(project, RunOptions())
    return project


def found(project: Project, method: Method) -> dict[str, Result]:
    return {result.uri: result for result in search(project, Query(SAME), method=method, limit=100)}


@pytest.mark.parametrize("method", ["description", "text"])
def test_of_two_images_with_one_description_the_trusted_one_comes_first(shop: Project, method: Method) -> None:
    assert found(shop, method)["a.png"].score == pytest.approx(found(shop, method)["b.png"].score)
    for low, high in (("a.png", "b.png"), ("b.png", "a.png")):
        measured(shop, {low: 0.1, high: 0.97})
        results = found(shop, method)
        assert next(iter(results)) == high
        assert results[high].score > results[low].score
        assert results[low].confidence == pytest.approx(0.1)
        assert results[high].confidence == pytest.approx(0.97)
        assert found(shop, "rrf")[high].legs["description"].rank == 1
        assert found(shop, "rrf")[low].legs["description"].rank > 1


def evidence(project: Project, uri: str) -> dict[str, float]:
    """What search.sql's own rows say of one image."""
    with project.database.connect() as connection:
        rows = search_rows(
            connection, project, encode_query(project, Query(SAME)), generations.live(connection), method="hybrid",
            collections=("shop",), limit=100,
        )  # fmt: skip
    (row,) = (row for row in rows if row["uris"][0] == uri)
    return row


def test_a_flagged_description_gives_less_evidence_and_hides_less(shop: Project) -> None:
    before = {uri: evidence(shop, uri)["score"] for uri in ("a.png", "7.png")}
    measured(shop, {"a.png": 0.05, "7.png": 0.05})
    assert evidence(shop, "a.png")["score"] < before["a.png"] - 0.3
    assert evidence(shop, "7.png")["score"] > before["7.png"]
    # What the leg itself measured is told as it is.
    assert found(shop, "description")["a.png"].legs["description"].score == pytest.approx(
        found(shop, "description")["b.png"].legs["description"].score
    )


def test_a_confidence_above_the_threshold_changes_no_ranking_and_is_told(shop: Project) -> None:
    before = {uri: result.score for uri, result in found(shop, "hybrid").items()}
    with shop.database.connect() as connection:
        version = pgvector_index.data_version(connection)
    measured(shop, {"a.png": 0.6, "b.png": 0.99})
    results = found(shop, "hybrid")
    assert {uri: result.score for uri, result in results.items()} == pytest.approx(before)
    assert results["a.png"].confidence == pytest.approx(0.6)
    assert results["7.png"].confidence is None
    with shop.database.connect() as connection:
        assert find_image(connection, shop, "shop/a.png").confidence == pytest.approx(0.6)
        assert find_image(connection, shop, "shop/7.png").confidence is None
    with shop.database.connect() as connection:
        assert pgvector_index.data_version(connection) != version


def test_the_confidence_of_another_description_does_not_count(shop: Project) -> None:
    measured(shop, {"a.png": 0.1})
    build(shop, [Picture("a.png", description="a green bicycle in the sun")])
    assert found(shop, "text")["a.png"].confidence is None
