"""Embedders side by side, told as one story with real encoders and dbt: the bundled one, a damaged copy, a lost one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from psycopg import sql

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.assets.evaluation import dbt_resource
from imagerag_assets.assets.studies import embedder_comparison
from imagerag_assets.automation.health import every_embedder_is_compared
from imagerag_assets.errors import BenchmarkError, GenerationError
from imagerag_assets.evaluation.studies import store
from imagerag_assets.evaluation.studies.embedders import read_labels
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.project import Project, open_project
from imagerag_assets.retrieval.switching import promote_by_hand
from imagerag_assets.sample import products
from imagerag_assets.stages import benchmark_queries, clip_embeddings, pgvector_index, raw_images, retrieval_runs, tiles
from imagerag_assets.stages import embedder_comparison as stage
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.status import status
from imagerag_assets_tests.assets.shop import scenes, write_encoder

PICTURES = 16
"""Too few to calibrate the legs, which would need the other models."""


@dataclass(frozen=True)
class Told:
    """What a run of the asset told, and how many images the models saw in it."""

    metadata: dict[str, Any]
    version: str
    seen: int
    check: dg.AssetCheckEvaluation


@dataclass(frozen=True)
class Shop:
    root: Path
    url: str

    def project(self, embedders: list[Path]) -> Project:
        values = {
            "data_dir": str(self.root / "data"),
            "database": {"url": self.url},
            "collections": [{"name": "shop", "source": "shop", "benchmark": "benchmark"}],
            "comparison": {"embedders": [{"model": str(folder)} for folder in embedders]},
        }
        (self.root / "imagerag.yaml").write_text(yaml.safe_dump(values))
        return open_project(self.root / "imagerag.yaml")

    def compare(self, *embedders: Path) -> Told:
        self.project(list(embedders))
        before = DualEncoder.images_encoded
        resource = ProjectResource(settings_file=str(self.root / "imagerag.yaml"))
        run = dg.materialize(
            [embedder_comparison, every_embedder_is_compared], resources={"project": resource, "dbt": dbt_resource()}
        )
        (event,) = run.asset_materializations_for_node("embedder_comparison")
        values = {name: value.value for name, value in event.metadata.items()}
        (check,) = run.get_asset_check_evaluations()
        version = (event.tags or {})["dagster/data_version"]
        return Told(values, version, DualEncoder.images_encoded - before, check)

    def result(self) -> store.Result:
        with self.project([]).database.connect() as connection:
            study = store.newest(connection, "embedder_comparison")
        assert study is not None
        return study.result


@pytest.fixture(scope="module")
def shop(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """An index of drawn products without OCR and descriptions, and a benchmark with labels."""
    root = tmp_path_factory.mktemp("embedders")
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("create database embedders")
    shop = Shop(root, server_url.replace("/postgres?", "/embedders?"))
    for name in ("shop", "benchmark"):
        (root / name).mkdir()
    queries, qrels, labels = [], ["query-id\tcorpus-id\tscore"], ["corpus-id,label"]
    for number, scene in enumerate(scenes()[:PICTURES]):
        uri, name = f"{scene.name}.png", f"{scene.facts['colour']} {scene.facts['object']}"
        products.draw(scene, 160).image.save(root / "shop" / uri)
        queries.append(json.dumps({"_id": f"q{number}", "text": f"a {name}"}))
        qrels.append(f"q{number}\t{uri}\t1")
        labels.append(f"{uri},{scene.facts['object']}")
    for file, lines in (("queries.jsonl", queries), ("qrels.tsv", qrels), ("labels.csv", labels)):
        (root / "benchmark" / file).write_text("\n".join(lines))
    lost = root / "shop" / "lost.png"
    products.draw(scenes()[PICTURES], 160).image.save(lost)
    project = shop.project([])
    for one in (raw_images, tiles, clip_embeddings, pgvector_index):
        one.run(project, RunOptions())
    benchmark_queries.run(project)
    lost.unlink()
    yield shop
    project.database.close()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database embedders with (force)"))


@pytest.fixture(scope="module")
def story(shop: Shop) -> dict[str, Told]:
    damaged = Path(write_encoder(shop.root / "damaged", noise=0.6))
    return {
        "nobody asks": shop.compare(),
        "first": shop.compare(damaged, shop.root / "nowhere"),
        "again": shop.compare(damaged, shop.root / "nowhere"),
    }


def test_without_an_embedder_to_compare_nothing_is_done(story: dict[str, Told]) -> None:
    assert "names no embedder" in story["nobody asks"].metadata["comparison"]
    assert story["nobody asks"].seen == 0


def test_a_damaged_encoder_is_worse_by_dbts_numbers_and_at_naming_things(story: dict[str, Told], shop: Shop) -> None:
    bundled, damaged = shop.result()["embedders"]
    assert (bundled["name"], damaged["name"]) == ("bundled", str(shop.root / "damaged"))
    numbers = {one["name"]: one["rows"][0] for one in (bundled, damaged)}
    assert numbers["bundled"]["queries"] == PICTURES
    assert numbers["bundled"]["ndcg_at_10"] > numbers[damaged["name"]]["ndcg_at_10"] + 0.1
    assert damaged["difference"]["difference"] < -0.1
    assert damaged["difference"]["verdict"] == "worse"
    assert bundled["zero_shot"][0]["accuracy"] > damaged["zero_shot"][0]["accuracy"]
    assert bundled["zero_shot"][0]["images"] == PICTURES
    for one in (bundled, damaged):
        assert one["vectors"] >= PICTURES
        assert one["parameters"] > 20_000_000
        assert one["image_dimension"] == 384
        assert one["images_per_second"] > 0
    table = story["first"].metadata["comparison"]
    assert f"{numbers['bundled']['ndcg_at_10']:.3f}" in table
    assert str(shop.root) not in table.partition("not compared")[0]


def test_a_model_that_is_not_there_is_told_and_the_others_are_compared(story: dict[str, Told]) -> None:
    first = story["first"]
    assert first.metadata["not compared"] == 1
    assert not first.check.passed
    assert first.check.severity is dg.AssetCheckSeverity.WARN
    assert "nowhere does not exist" in first.metadata["comparison"]


def test_with_the_same_images_and_models_nothing_is_embedded_or_measured_again(
    story: dict[str, Told], shop: Shop
) -> None:
    assert story["first"].seen >= PICTURES
    assert story["again"].seen == 0
    assert story["again"].version == story["first"].version
    assert story["again"].metadata["comparison"] == story["first"].metadata["comparison"]
    with shop.project([]).database.connect() as connection:
        assert connection.execute("select count(*) from evaluations").fetchone() == (2,)


@pytest.mark.parametrize("version", ["METRICS_VERSION", "SEARCH_VERSION"])
def test_with_other_metrics_or_another_search_everything_is_measured_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    project = shop.project([])
    with project.database.connect() as connection:
        states = {stage._compared(connection, "bundled", project).state for _ in range(2)}
        monkeypatch.setattr(stage, version, 99, raising=False)
        states.add(stage._compared(connection, "bundled", project).state)
    assert len(states) == 2


def test_an_image_that_fails_is_the_comparisons_failure_and_not_the_indexs(story: dict[str, Told], shop: Shop) -> None:
    assert story["first"].metadata["failed"] == 1
    with shop.project([]).database.connect() as connection:
        rows = connection.execute("select stage, error_class from stage_failures").fetchall()
    assert rows == [(f"clip_embeddings of {shop.root / 'damaged'}", "not_found")]


@pytest.mark.usefixtures("story")
def test_what_is_only_compared_is_no_generation_of_the_index(shop: Shop) -> None:
    project = shop.project([])
    assert status(project).evaluation is None
    with project.database.connect() as connection:
        version = retrieval_runs.data_version(connection)
        row = connection.execute("select max(generation) from generations where status = 'compared'").fetchone()
        assert row is not None
        with pytest.raises(GenerationError, match=r"comparison\.embedders and no index"):
            promote_by_hand(connection, row[0])
        connection.rollback()
        connection.execute("delete from evaluations")
        assert retrieval_runs.data_version(connection) == version
        connection.rollback()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("uri,label\na.png,mug\n", "needs the header corpus-id,label"),
        ("corpus-id,label\na.png\n", "needs the header corpus-id,label"),
        ('corpus-id,label\n"a.png,mug\n', "cannot be read as CSV"),
    ],
)
def test_labels_that_cannot_be_read_are_refused_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(BenchmarkError, match=message) as caught:
        read_labels("shop", tmp_path)
    assert str(tmp_path / "labels.csv") in str(caught.value)
