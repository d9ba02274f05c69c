"""Graded and missing judgements in dbt_eval, against ir_measures; and what the report says of a benchmark's faults."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from imagerag_assets.database.connection import Database
from imagerag_assets.evaluation.benchmarks import Benchmark, store_benchmark
from imagerag_assets.evaluation.benchmarks.model import Rules
from imagerag_assets.evaluation.metrics import read
from imagerag_assets.evaluation.report import write_report
from imagerag_assets_tests.evaluation.corpus import add_evaluation, add_images, benchmark, content_of, measure, run_dbt

THRESHOLDS = {"lenient": 1, "strict": 2}
FILES = [f"{number:02}.jpg" for number in range(40)]
QUERIES = 60
HOSTILE = "</li><script>alert(1)</script>"

Qrels = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]


def random_case(rng: random.Random) -> tuple[Qrels, dict[str, list[str]]]:
    """Grades from -1 to 3 for a few images, and rankings of which many results are unjudged and some are empty."""
    qrels, rankings = {}, {}
    for number in range(QUERIES):
        query = f"q{number}"
        qrels[query] = {uri: rng.choice((-1, 0, 0, 1, 1, 2, 3)) for uri in rng.sample(FILES, rng.randint(1, 12))}
        length = rng.choice((0, 1, 4, 10, 15))
        rankings[query] = sorted(FILES, key=lambda uri: rng.random() - 0.3 * qrels[query].get(uri, 0))[:length]
    return qrels, rankings


def with_rules(made: Benchmark, relevant_from: int) -> Benchmark:
    return replace(made, rules=Rules(relevant_from=relevant_from))


@pytest.fixture(scope="module")
def cases(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Qrels, Run]]:
    """One random benchmark per threshold, and one of a benchmark that is refused, measured by one run of dbt."""
    rng = random.Random(5)
    groups = {uri: uri for uri in FILES}
    made = {name: random_case(rng) for name in THRESHOLDS}
    rankings = {(name, "clip", query): uris for name, (_, ranked) in made.items() for query, uris in ranked.items()}
    with module_database.connect() as connection:
        for name, (qrels, _) in made.items():
            add_images(connection, name, groups)
            store_benchmark(connection, name, with_rules(benchmark(qrels), THRESHOLDS[name]))
        add_images(connection, "refused", groups)
        store_benchmark(
            connection, "refused", benchmark({}), [f"qrels.tsv, line 2: the score {HOSTILE!r} is no number."]
        )
        split = benchmark({"reported": {"00.jpg": 1}, "tuned": {"00.jpg": 1}})
        reported, tuned = split.queries
        add_images(connection, "halves", groups)
        halves = (replace(reported, split="test"), replace(tuned, split="train"))
        store_benchmark(connection, "halves", replace(split, queries=halves))
        rankings["halves", "clip", "reported"] = ["01.jpg", "00.jpg"]
        # Asked before it was put aside for tuning.
        rankings["halves", "clip", "tuned"] = ["00.jpg"]
        # Asked with a picture that the collection has and that is judged relevant, too.
        example = tmp_path_factory.mktemp("example") / "00.jpg"
        example.write_bytes(b"00.jpg")
        asked = benchmark({"own": {"00.jpg": 3, "01.jpg": 1}})
        add_images(connection, "examples", groups)
        store_benchmark(
            connection, "examples", replace(asked, queries=tuple(replace(one, image=example) for one in asked.queries))
        )
        rankings["examples", "clip", "own"] = ["02.jpg", "01.jpg"]
        add_evaluation(connection, rankings, groups)
    measure(module_database, tmp_path_factory.mktemp("dbt"))
    return {
        name: (
            {query: {content_of(uri): grade for uri, grade in grades.items()} for query, grades in qrels.items()},
            {query: {content_of(uri): 99.0 - at for at, uri in enumerate(uris)} for query, uris in ranked.items()},
        )
        for name, (qrels, ranked) in made.items()
    }


@pytest.mark.parametrize("name", THRESHOLDS)
def test_grades_thresholds_and_unjudged_results_are_as_ir_measures_says(
    cases: dict[str, tuple[Qrels, Run]], module_database: Database, name: str
) -> None:
    import ir_measures
    from ir_measures import AP, RR, Judged, P, R, Success, nDCG

    qrels, run = cases[name]
    least = THRESHOLDS[name]
    measured = {query: grades for query, grades in qrels.items() if max(grades.values()) >= least}
    columns = {
        AP(rel=least) @ 10: "average_precision",
        P(rel=least) @ 5: "precision_at_5",
        R(rel=least) @ 10: "recall_at_10",
        # trec_eval knows no gain below 0.
        nDCG @ 10: "ndcg_at_10",
        RR(rel=least) @ 10: "reciprocal_rank",
        Success(rel=least) @ 1: "hit_at_1",
    }
    theirs = list(ir_measures.iter_calc(list(columns), measured, run))
    # ir_measures says that none of nothing is judged, and dbt_eval says nothing.
    answered = {query: results for query, results in run.items() if results}
    judged = {one.query_id: one.value for one in ir_measures.iter_calc([Judged @ 10], measured, answered)}
    with module_database.connect() as connection:
        rows = read(connection, "select * from imagerag_eval.query_metrics where benchmark = %s", name)
    ours = {row["query_id"]: row for row in rows}
    assert set(ours) == set(measured)
    for metric in theirs:
        assert ours[metric.query_id][columns[metric.measure]] == pytest.approx(metric.value, abs=1e-9), metric
    for query, row in ours.items():
        assert row["judged_at_10"] == (pytest.approx(judged[query], abs=1e-9) if run[query] else None), query


def test_the_cases_hold_what_is_difficult(cases: dict[str, tuple[Qrels, Run]]) -> None:
    qrels, run = cases["strict"]
    best = [max(grades.values()) for grades in qrels.values()]
    assert {-1, 0, 1, 2, 3} <= {grade for grades in qrels.values() for grade in grades.values()}
    assert 1 in best, "a query that only the threshold leaves without a relevant image"
    assert [] in [list(results) for results in run.values()]
    assert any(set(results) - set(qrels[query]) for query, results in run.items()), "unjudged results"


def test_what_is_tuned_on_is_not_reported(cases: dict[str, tuple[Qrels, Run]], module_database: Database) -> None:
    with module_database.connect() as connection:
        rows = read(
            connection, "select query_id, judged_at_10 from imagerag_eval.query_metrics where benchmark = 'halves'"
        )
    assert rows == [{"query_id": "reported", "judged_at_10": 0.5}]


def test_the_example_that_was_asked_with_is_not_missed(
    cases: dict[str, tuple[Qrels, Run]], module_database: Database
) -> None:
    with module_database.connect() as connection:
        rows = read(
            connection,
            "select n_relevant, recall_at_10, ndcg_at_10, precision_at_5_ceiling from imagerag_eval.query_metrics "
            "where benchmark = 'examples'",
        )
        missing = read(connection, "select * from imagerag_eval.stg_missing_judgements where benchmark = 'examples'")
    gained = pytest.approx(1 / math.log2(3))
    assert rows == [{"n_relevant": 1, "recall_at_10": 1.0, "ndcg_at_10": gained, "precision_at_5_ceiling": 0.2}]
    assert missing == []


def test_the_report_says_what_is_wrong_with_a_benchmark_and_how_much_is_judged(
    cases: dict[str, tuple[Qrels, Run]], module_database: Database, tmp_path: Path
) -> None:
    with module_database.connect() as connection:
        page = write_report(connection, tmp_path).read_text(encoding="utf-8")
    assert "What is wrong with the benchmarks" in page
    assert "Not measured: qrels.tsv, line 2: the score" in page
    assert HOSTILE not in page
    assert "queries have fewer than five relevant images" in page
    assert "1 of 2 queries are measured, those of the test split" in page
    assert "<th>Judged@10</th>" in page
    assert page.count('<figure class="unjudged">') == page.count("<b>?</b>") > 0


def test_dbt_warns_when_nothing_was_evaluated_for_a_month(
    cases: dict[str, tuple[Qrels, Run]], module_database: Database, tmp_path: Path
) -> None:
    with module_database.connect() as connection:
        connection.execute("update evaluations set created_at = created_at - interval '31 days'")
    said = run_dbt(module_database, tmp_path, "source", "freshness")
    assert said.returncode == 0, said.stdout
    assert "WARN freshness of imagerag.evaluations" in said.stdout
