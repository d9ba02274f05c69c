"""What the check of the newest evaluation says of the one before it. The numbers are written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
import yaml

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.checks import STATE, no_worse_than_last_run
from imagerag_assets.database.connection import Database
from imagerag_assets.evaluation.benchmarks import store_benchmark
from imagerag_assets_tests.evaluation.corpus import add_evaluation, benchmark

QUERIES = [f"q{number}" for number in range(10)]
FULL = [1.0] * 10


@dataclass(frozen=True)
class Live:
    """A live index of which one evaluation after the other is measured."""

    database: Database
    settings: Path

    def measure(self, hits: Sequence[float], judged_as: str = "alike") -> None:
        rankings = {("shop", "hybrid", query): ["a.jpg"] for query in QUERIES}
        with self.database.connect() as connection:
            number = add_evaluation(connection, rankings, {"a.jpg": "a.jpg"})
            evaluation = "select evaluation, generation, created_at from evaluations where evaluation = %s"
            connection.execute(f"insert into imagerag_eval.eval_metrics {evaluation}", (number,))
            connection.cursor().executemany(
                "insert into imagerag_eval.query_metrics values (%s, 'shop', 'hybrid', %s, %s, %s, %s, %s, %s)",
                [(number, query, judged_as, hit / 5, hit, hit, hit) for query, hit in zip(QUERIES, hits, strict=True)],
            )

    def check(self) -> dg.AssetCheckResult:
        found = no_worse_than_last_run(project=ProjectResource(settings_file=str(self.settings)))
        assert isinstance(found, dg.AssetCheckResult)
        return found


@pytest.fixture
def live(database: Database, tmp_path: Path) -> Live:
    settings = tmp_path / "imagerag.yaml"
    settings.write_text(yaml.safe_dump({"database": {"url": database.url}, "data_dir": str(tmp_path)}))
    with database.connect() as connection:
        store_benchmark(connection, "shop", benchmark({query: {"a.jpg": 1} for query in QUERIES}))
        connection.execute("""
            create schema imagerag_eval;
            create table imagerag_eval.eval_metrics (evaluation integer, generation integer, evaluated_at timestamptz);
            create table imagerag_eval.query_metrics (
                evaluation integer, benchmark text, method text, query_id text, judged_as text,
                precision_at_5 float8, recall_at_10 float8, ndcg_at_10 float8, reciprocal_rank float8)
        """)
    return Live(database, settings)


def test_what_fell_since_the_evaluation_before_is_a_warning_that_says_by_how_much_and_how_surely(live: Live) -> None:
    live.measure(FULL)
    live.measure([1.0] * 4 + [0.0] * 6)
    found = live.check()
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert found.description is not None
    for words in (
        "Evaluation 2 after evaluation 1", "Recall@10 of hybrid fell from 1.000 to 0.400 by 0.600",
        "95% interval of the change -0.900 to", "p 0.031, 10 queries: worse", "10 of 10 queries compare",
    ):  # fmt: skip
        assert words in found.description
    assert found.metadata is not None
    assert found.metadata["hybrid_recall_at_10_change"].value == pytest.approx(-0.6)
    # Another evaluation that is worse than the one before it is news; the same one, looked at again, is not.
    assert found.metadata[STATE].value == "evaluation 2"


def test_the_next_evaluation_is_compared_with_the_last_and_not_with_the_best(live: Live) -> None:
    live.measure(FULL)
    live.measure([1.0] * 4 + [0.0] * 6)
    live.measure([1.0] * 5 + [0.0] * 5)
    found = live.check()
    assert found.passed
    assert found.description == "Evaluation 3 after evaluation 2: nothing fell. 10 of 10 queries compare."


def test_other_judgements_are_no_fall_and_are_told(live: Live) -> None:
    live.measure(FULL)
    assert live.check().passed
    live.measure([0.0] * 10, judged_as="another way")
    found = live.check()
    assert found.passed
    assert "only 0 of 10 queries were asked of both and judged alike" in str(found.description)
