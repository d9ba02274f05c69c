"""What dbt_eval keeps, measures again and refuses from one evaluation to the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerag_assets.database.connection import Database
from imagerag_assets.evaluation.benchmarks import store_benchmark
from imagerag_assets.evaluation.history import reported_evaluations
from imagerag_assets.evaluation.metrics import (
    changes_of_means,
    changes_of_queries,
    comparability,
    count_unmeasured,
    metrics_markdown,
    metrics_table,
    read,
)
from imagerag_assets.evaluation.report import write_report
from imagerag_assets.evaluation.significance import Side, compare
from imagerag_assets_tests.evaluation.corpus import add_evaluation, add_images, benchmark, compute, run_dbt


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")


def test_before_any_evaluation_there_is_no_metric_and_the_report_says_so(database: Database, tmp_path: Path) -> None:
    with database.connect() as connection:
        assert metrics_table(connection) == []
        assert metrics_markdown(connection) == "Nothing is measured of what is live."
        page = write_report(connection, tmp_path)
    assert page.name == "index.html"
    assert "Nothing is measured of what is live now." in page.read_text(encoding="utf-8")


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
        store_benchmark(connection, "b", benchmark({"another": {"a.jpg": 1}}))
        assert count_unmeasured(connection) == 0, "what was asked then will never be asked again"


def test_a_method_that_finds_nothing_at_all_scores_zero_on_every_query(database: Database, target: Path) -> None:
    with database.connect() as connection:
        add_images(connection, "b", {"a.jpg": "a.jpg"})
        store_benchmark(connection, "b", benchmark({"q1": {"a.jpg": 1}, "q2": {"a.jpg": 1}}))
        add_evaluation(connection, {("b", "clip", "q1"): ["a.jpg"]}, {"a.jpg": "a.jpg"}, timed=[("b", "text", "q2")])
    compute(database, target)
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
    compute(database, target)
    with database.connect() as connection:
        judged = {"q": {"b.jpg": 1, "gone.jpg": 1}, "came later": {"a.jpg": 1}}
        store_benchmark(connection, "b", benchmark(judged))
        add_evaluation(connection, {("b", "clip", "q"): ["a.jpg"]}, groups)
        connection.execute("update imagerag_eval.query_metrics set precision_at_5 = 0.6")
    done = run_dbt(database, target, "build", "--full-refresh", "--exclude-resource-type", "unit_test")
    with database.connect() as connection:
        recalls = read(connection, "select evaluation, recall_at_10 from imagerag_eval.query_metrics order by 1")
        missing = read(connection, "select corpus_id from imagerag_eval.stg_missing_judgements")
        changes = changes_of_means(connection, 2, 1)
        of_queries = changes_of_queries(connection, 2, 1)
        same = compare(connection, Side(1, "clip"), Side(2, "clip"))
    assert recalls == [{"evaluation": 1, "recall_at_10": 1.0}, {"evaluation": 2, "recall_at_10": 0.0}]
    assert missing == [{"corpus_id": "gone.jpg"}]
    assert done.returncode == 1
    assert "query_metrics_precision_within_ceiling" in done.stdout
    # Another judgement is another question: from 1 to 0 is no fall.
    assert (changes["b", "clip"]["compared"], changes["b", "clip"]["recall_at_10"]) == (0, None)
    assert (of_queries, same) == ([], [])
    assert comparability(changes, 1).startswith("Nothing can be compared with evaluation 1")

    with database.connect() as connection:
        # The means of the second were not computed: its build failed.
        assert [one.evaluation for one in reported_evaluations(connection)] == [1]
        connection.execute("delete from benchmarks")
        assert reported_evaluations(connection) == []
        assert metrics_table(connection) == []
        assert len(metrics_table(connection, 1)) == 2, "it stays as history"
        assert count_unmeasured(connection) == 0


def test_means_are_compared_on_the_queries_that_were_judged_alike(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(
            """
            create schema imagerag_eval;
            create table imagerag_eval.query_metrics as
            select e.evaluation, b.benchmark, 'clip' as method, q::text as query_id,
                   case when b.changed and (q > 1) then e.evaluation::text end as judged_as,
                   m.value as precision_at_5, m.value as recall_at_10, m.value as ndcg_at_10, m.value as reciprocal_rank
            from generate_series(1, 2) e (evaluation), (values ('same', false), ('half', true)) b (benchmark, changed),
                 generate_series(1, 2) q, lateral (select (e.evaluation - 1) * q / 4.0::float8) m (value);
            update imagerag_eval.query_metrics set judged_as = 'alike' where judged_as is null
            """
        )
        changes = changes_of_means(connection, 2, 1)
        of_queries = changes_of_queries(connection, 2, 1)
    means = {key: (row["compared"], row["queries"], row["recall_at_10"]) for key, row in changes.items()}
    assert means == {
        ("same", "clip"): (2, 2, 0.375), ("half", "clip"): (1, 2, 0.25), ("all", "clip"): (3, 4, pytest.approx(1 / 3)),
    }  # fmt: skip
    assert [(row["benchmark"], row["query_id"], row["now"]) for row in of_queries] == [
        ("half", "1", 0.25), ("same", "1", 0.25), ("same", "2", 0.5),
    ]  # fmt: skip
    assert comparability(changes, 1) == (
        "Compared with evaluation 1: half: 1 of 2 queries compare, the others are new or judged otherwise since."
    )


def test_an_emptied_database_that_counts_from_one_again_is_measured_again(database: Database, target: Path) -> None:
    groups = {uri: uri for uri in ("a.jpg", "b.jpg")}
    for ranking in (["a.jpg"], ["b.jpg"]):
        with database.connect() as connection:
            connection.execute("truncate raw_images, generations, benchmarks restart identity cascade")
            add_images(connection, "b", groups)
            store_benchmark(connection, "b", benchmark({"q": {"a.jpg": 1}}))
            assert add_evaluation(connection, {("b", "clip", "q"): ranking}, groups) == 1
            assert count_unmeasured(connection) == 1
        compute(database, target)
    with database.connect() as connection:
        assert [row["recall_at_10"] for row in metrics_table(connection)] == [0.0, 0.0]
        assert count_unmeasured(connection) == 0
