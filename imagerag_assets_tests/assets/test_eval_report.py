"""The asset eval_report where there is nothing to be proud of."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import yaml

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.assets.evaluation import eval_report
from imagerag_assets.database.connection import Database
from imagerag_assets.evaluation.benchmarks import Benchmark, store_benchmark


def test_a_refused_benchmark_is_in_the_metadata_and_in_the_index(database: Database, tmp_path: Path) -> None:
    """It is the only one: nothing is measured, and the page of an earlier evaluation cannot say why."""
    with database.connect() as connection:
        store_benchmark(connection, "shop", Benchmark((), (), digest="d"), ["queries.jsonl: the id 'q' is there twice"])
    settings = tmp_path / "imagerag.yaml"
    values = {
        "data_dir": str(tmp_path / "data"),
        "database": {"url": database.url},
        "collections": [{"name": "shop", "source": str(tmp_path)}],
    }
    settings.write_text(yaml.safe_dump(values))
    done = dg.materialize([eval_report], resources={"project": ProjectResource(settings_file=str(settings))})
    (made,) = done.asset_materializations_for_node("eval_report")
    index = tmp_path / "data" / "reports" / "index.html"
    assert made.metadata["report"].value == str(index)
    assert "Not measured: queries.jsonl: the id 'q' is there twice" in str(made.metadata["findings"].value)
    assert "Nothing is measured of what is live." in str(made.metadata["metrics"].value)
    assert "Not measured: queries.jsonl: the id" in index.read_text(encoding="utf-8")
