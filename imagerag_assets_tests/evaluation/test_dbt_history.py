"""What dbt_eval keeps, measures again and refuses from one evaluation to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerag_assets.database.connection import Database
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import store_benchmark
from imagerag_assets.evaluation.metrics import count_unmeasured, metrics_markdown, metrics_table, read
from imagerag_assets.evaluation.report import write_report
from imagerag_assets_tests.evaluation.corpus import add_evaluation, add_images, benchmark, measure, run_dbt


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")


def test_before_any_evaluation_there_is_no_metric_and_no_report(database: Database, tmp_path: Path) -> None:
    with database.connect() as connection:
        assert metrics_table(connection) == []
        assert metrics_markdown(connection) == "No evaluation has been measured yet."
        with pytest.raises(BenchmarkError, match="no evaluation to report"):
            write_report(connection, tmp_path)


def test_an_evaluation_without_a_judged_image_is_not_waited_for(database: Database) -> None:
    """Otherwise every run would start dbt, from `imagerag benchmark new` until the first mark."""
    groups = {"a.jpg": "a.jpg"}
    with database.connect() as connection:
        add_images(connection, "b", groups)
        store_benchmark(connection, "b", benchmark({"q": {"a.jpg": 0}}))
        add_evaluation(connection, {("b", "clip", "q"): ["a.jpg"]}, groups)
        assert count_unmeasured(connection) == 0
        store_benchmark(connection, "b", benchmark({"q": {"a.jpg": 1}}))
        assert count_unmeasured(connection) == 1


def test_a_method_that_finds_nothing_at_all_scores_zero_on_every_query(database: Database, target: Path) -> None:
    with database.connect() as connection:
        add_images(connection, "b", {"a.jpg": "a.jpg"})
        store_benchmark(connection, "b", benchmark({"q1": {"a.jpg": 1}, "q2": {"a.jpg": 1}}))
        add_evaluation(connection, {("b", "clip", "q1"): ["a.jpg"]}, {"a.jpg": "a.jpg"}, timed=[("b", "text", "q1")])
    measure(database, target)
    with database.connect() as connection:
        rows = {row["method"]: row for row in metrics_table(connection) if row["benchmark"] == "all"}
    assert (rows["clip"]["queries"], rows["clip"]["recall_at_10"]) == (2, 0.5)
    assert (rows["text"]["queries"], rows["text"]["recall_at_10"]) == (2, 0.0)


def test_an_earlier_evaluation_keeps_its_numbers_and_a_bad_number_fails_the_build(
    database: Database, target: Path
) -> None:
    groups = {uri: uri for uri in ("a.jpg", "b.jpg")}
    with database.connect() as connection:
        add_images(connection, "b", groups)
        store_benchmark(connection, "b", benchmark({"q": {"a.jpg": 1}}))
        add_evaluation(connection, {("b", "clip", "q"): ["a.jpg"]}, groups)
    measure(database, target)
    with database.connect() as connection:
        store_benchmark(connection, "b", benchmark({"q": {"b.jpg": 1, "gone.jpg": 1}}))
        add_evaluation(connection, {("b", "clip", "q"): ["a.jpg"]}, groups)
        connection.execute("update imagerag_eval.query_metrics set precision_at_5 = 0.6")
    done = run_dbt(database, target, "build", "--full-refresh", "--exclude-resource-type", "unit_test")
    with database.connect() as connection:
        recalls = read(connection, "select evaluation, recall_at_10 from imagerag_eval.query_metrics order by 1")
        missing = read(connection, "select corpus_id from imagerag_eval.stg_missing_judgements")
    assert recalls == [{"evaluation": 1, "recall_at_10": 1.0}, {"evaluation": 2, "recall_at_10": 0.0}]
    assert missing == [{"corpus_id": "gone.jpg"}]
    assert done.returncode == 1
    assert "query_metrics_precision_within_ceiling" in done.stdout


def test_an_emptied_database_that_counts_from_one_again_is_measured_again(database: Database, target: Path) -> None:
    groups = {uri: uri for uri in ("a.jpg", "b.jpg")}
    for ranking in (["a.jpg"], ["b.jpg"]):
        with database.connect() as connection:
            connection.execute("truncate raw_images, generations, benchmarks restart identity cascade")
            add_images(connection, "b", groups)
            store_benchmark(connection, "b", benchmark({"q": {"a.jpg": 1}}))
            assert add_evaluation(connection, {("b", "clip", "q"): ranking}, groups) == 1
            assert count_unmeasured(connection) == 1
        measure(database, target)
    with database.connect() as connection:
        assert [row["recall_at_10"] for row in metrics_table(connection)] == [0.0, 0.0]
        assert count_unmeasured(connection) == 0
