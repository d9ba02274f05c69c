"""The promise of the README: a clean project, one command, and hybrid search that earns its place on the sample."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Drawing and reading 250 pictures takes minutes on two cores.
pytestmark = pytest.mark.timeout(1800)
COLLECTIONS = ("products", "it_support")
"""Photos and screenshots: half of the sample, as all of it takes six minutes. The figures of all are in the README."""
LEGS = ("clip", "description", "text")


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A project of its own: no database, no Dagster instance yet."""
    folder = Path(tempfile.mkdtemp(prefix="imagerag-sample-"))
    # As root the embedded server runs as a user of its own, who has to get here.
    folder.chmod(0o755)
    collections = [{"name": one, "source": f"sample://{one}", "benchmark": f"sample://{one}"} for one in COLLECTIONS]
    settings = folder / "imagerag.yaml"
    settings.write_text(json.dumps({"collections": collections}))
    hidden = {"DAGSTER_HOME", "IMAGERAG_DATABASE_URL"}
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    variables |= {"IMAGERAG_DATA_DIR": str(folder / "data"), "IMAGERAG_SETTINGS": str(settings)}
    yield variables
    imagerag("stop", environment=variables)
    shutil.rmtree(folder)


def imagerag(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagerag_assets.serving.cli", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def demo(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return imagerag("demo", environment=environment)


@pytest.fixture(scope="module")
def metrics(demo: subprocess.CompletedProcess[str], environment: dict[str, str]) -> dict[tuple[str, str, str], Any]:
    """Rows of eval_metrics by (benchmark, method, kind)."""
    assert demo.returncode == 0, demo.stderr
    told = imagerag("metrics", "--json", environment=environment)
    assert told.returncode == 0, told.stderr
    rows = [row for row in json.loads(told.stdout) if row["language"] == "all"]
    return {(row["benchmark"], row["method"], row["kind"]): row for row in rows}


def test_the_demo_shows_progress_the_table_and_where_to_look_next(demo: subprocess.CompletedProcess[str]) -> None:
    assert demo.returncode == 0, demo.stderr
    assert "ocr_text: " in demo.stderr
    for words in ("hybrid", "Recall@10", "The report: ", "make dev"):
        assert words in demo.stdout


@pytest.mark.parametrize("metric", ["precision_at_5", "recall_at_10"])
def test_hybrid_beats_every_leg_over_all_and_is_worse_than_the_best_nowhere(
    metrics: dict[tuple[str, str, str], Any], metric: str
) -> None:
    best = max(metrics["all", leg, "all"][metric] for leg in LEGS)
    assert metrics["all", "hybrid", "all"][metric] > best
    for collection in COLLECTIONS:
        best = max(metrics[collection, leg, "all"][metric] for leg in LEGS)
        assert metrics[collection, "hybrid", "all"][metric] >= best, collection


def test_the_bundled_encoder_finds_looks(metrics: dict[tuple[str, str, str], Any]) -> None:
    assert metrics["all", "clip", "by_look"]["precision_at_5_of_ceiling"] >= 0.6


def test_some_queries_only_one_leg_can_answer(metrics: dict[tuple[str, str, str], Any]) -> None:
    assert metrics["all", "text", "by_example"]["recall_at_10"] == 0
    assert metrics["all", "clip", "by_text"]["recall_at_10"] < 0.5 * metrics["all", "text", "by_text"]["recall_at_10"]
    assert metrics["all", "text", "by_look"]["recall_at_10"] < 0.6 * metrics["all", "clip", "by_look"]["recall_at_10"]


def test_a_second_demo_does_no_model_work_and_says_so(
    demo: subprocess.CompletedProcess[str], environment: dict[str, str]
) -> None:
    assert demo.returncode == 0, demo.stderr
    again = imagerag("demo", environment=environment)

    assert again.returncode == 0, again.stderr
    assert "nothing was new, no model was loaded" in again.stdout
    assert "The report: " in again.stdout
