"""dbt_eval on a real database, against two independent implementations of the same metrics."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path

import pytest

from imagerag_assets.database.connection import Database
from imagerag_assets.evaluation.benchmarks import store_benchmark
from imagerag_assets.evaluation.metrics import metrics_table, read
from imagerag_assets_tests.evaluation.corpus import (
    add_evaluation,
    add_images,
    benchmark,
    content_of,
    run_dbt,
)

METHODS = tuple(f"method-{number}" for number in range(100))
BENCHMARKS = ("products", "receipts")
GROUPS = {f"{number:03}.jpg": f"{number - number % 3:03}.jpg" for number in range(60)}
"""Twenty images, each with two near-duplicates."""
FIRST = METHODS[0]

Run = dict[str, dict[str, float]]
Qrels = dict[str, dict[str, int]]


def random_qrels(rng: random.Random) -> Qrels:
    return {
        f"q{number}": {uri: rng.choice((0, 1, 1, 2, 3)) for uri in rng.sample(sorted(GROUPS), rng.randint(1, 25))}
        for number in range(8)
    }


def random_ranking(rng: random.Random, qrels: dict[str, int]) -> list[str]:
    """Nothing for every sixth, else up to 25 files that favour the relevant."""
    if rng.random() < 1 / 6:
        return []
    length = rng.randint(1, 25)
    return sorted(GROUPS, key=lambda uri: rng.random() - 0.2 * qrels.get(uri, 0))[:length]


def folded(uris: list[str]) -> dict[str, float]:
    """Distinct groups of a ranking with falling scores, as the references want them."""
    distinct = list(dict.fromkeys(content_of(GROUPS[uri]) for uri in uris))[:10]
    return {group: float(100 - place) for place, group in enumerate(distinct)}


def folded_qrels(qrels: Qrels) -> Qrels:
    by_group: Qrels = {}
    for query, grades in qrels.items():
        groups: dict[str, int] = {}
        for uri, grade in grades.items():
            group = content_of(GROUPS[uri])
            groups[group] = max(grade, groups.get(group, 0))
        if any(groups.values()):
            by_group[query] = groups
    return by_group


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="module")
def measured(module_database: Database, target: Path) -> dict[tuple[str, str], tuple[Run, Qrels]]:
    """Store 200 random runs, measure them by one dbt run with its unit tests; give them to the references."""
    rng = random.Random(11)
    qrels = {name: random_qrels(rng) for name in BENCHMARKS}
    rankings = {
        (name, method, query): random_ranking(rng, grades)
        for name in BENCHMARKS
        for method in METHODS
        for query, grades in qrels[name].items()
    }
    with module_database.connect() as connection:
        for name in BENCHMARKS:
            add_images(connection, name, GROUPS)
            store_benchmark(connection, name, benchmark(qrels[name]))
        add_evaluation(connection, rankings, GROUPS)
    done = run_dbt(module_database, target, "build")
    assert done.returncode == 0, done.stdout
    return {
        (name, method): (
            {query: folded(rankings[name, method, query]) for query in folded_qrels(qrels[name])},
            folded_qrels(qrels[name]),
        )
        for name in BENCHMARKS
        for method in METHODS
    }


def dbt_metrics(database: Database) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    """Rows of query_metrics by (benchmark, method) and query."""
    with database.connect() as connection:
        rows = read(connection, "select * from imagerag_eval.query_metrics")
    found: dict[tuple[str, str], dict[str, dict[str, float]]] = defaultdict(dict)
    for row in rows:
        found[row["benchmark"], row["method"]][row["query_id"]] = row
    return found


def test_every_query_of_every_run_scores_as_ir_measures_says(
    measured: dict[tuple[str, str], tuple[Run, Qrels]], module_database: Database
) -> None:
    import ir_measures
    from ir_measures import AP, RR, P, R, Success, nDCG

    columns = {
        AP @ 10: "average_precision",
        P @ 5: "precision_at_5",
        R @ 10: "recall_at_10",
        nDCG @ 10: "ndcg_at_10",
        RR: "reciprocal_rank",
        Success @ 1: "hit_at_1",
    }
    evaluators = {
        name: ir_measures.evaluator(list(columns), measured[name, FIRST][1]) for name in BENCHMARKS
    }  # fmt: skip
    ours = dbt_metrics(module_database)
    assert set(ours) == set(measured)
    for (name, method), (run, qrels) in measured.items():
        theirs = list(evaluators[name].iter_calc(run))
        assert set(ours[name, method]) == set(qrels)
        assert len(theirs) == len(columns) * len(qrels)
        for metric in theirs:
            value = ours[name, method][metric.query_id][columns[metric.measure]]
            assert value == pytest.approx(metric.value, abs=1e-9), (name, method, metric)


def test_the_curves_are_those_of_ir_measures(
    measured: dict[tuple[str, str], tuple[Run, Qrels]], module_database: Database
) -> None:
    import ir_measures
    from ir_measures import P, R

    with module_database.connect() as connection:
        ours = {
            (row["benchmark"], row["method"], row["k"]): row
            for row in read(connection, "select * from imagerag_eval.eval_curves")
        }
    assert len(ours) == 10 * (len(measured) + len(METHODS)), "the two benchmarks, and all"
    wanted = [metric @ k for k in (1, 3, 10) for metric in (P, R)]
    for name in BENCHMARKS:
        evaluator = ir_measures.evaluator(wanted, measured[name, FIRST][1])
        for method in METHODS[:20]:
            for measure, value in evaluator.calc_aggregate(measured[name, method][0]).items():
                column = "precision_at_k" if measure.NAME == "P" else "recall_at_k"
                assert ours[name, method, measure["cutoff"]][column] == pytest.approx(value, abs=1e-9), measure


def test_the_means_of_every_run_are_those_of_ranx(
    measured: dict[tuple[str, str], tuple[Run, Qrels]], module_database: Database
) -> None:
    import ranx

    columns = {
        "map@10": "map_at_10",
        "precision@5": "precision_at_5",
        "recall@10": "recall_at_10",
        "ndcg@10": "ndcg_at_10",
        "mrr@10": "mrr",
        "hit_rate@1": "hit_at_1",
    }
    with module_database.connect() as connection:
        rows = {(row["benchmark"], row["method"]): row for row in metrics_table(connection, 1)}
    for (name, method), (run, qrels) in measured.items():
        relevant = {query: {group: grade for group, grade in of.items() if grade} for query, of in qrels.items()}
        # ranx knows no empty ranking: one irrelevant result stands for it.
        answered = {query: results or {"nothing": 1.0} for query, results in run.items()}
        theirs = ranx.evaluate(ranx.Qrels(relevant), ranx.Run(answered), list(columns))
        for metric, column in columns.items():
            assert rows[name, method][column] == pytest.approx(theirs[metric], abs=1e-9), (name, method, metric)


def test_the_random_runs_hold_what_is_difficult(measured: dict[tuple[str, str], tuple[Run, Qrels]]) -> None:
    """Empty rankings, more than five relevant groups, fewer, and graded ones are all there."""
    runs = [results for run, _ in measured.values() for results in run.values()]
    grades = [list(groups.values()) for _, qrels in measured.values() for groups in qrels.values()]
    assert any(not results for results in runs)
    assert any(sum(grade > 0 for grade in groups) > 10 for groups in grades)
    assert any(0 < sum(grade > 0 for grade in groups) < 5 for groups in grades)
    assert {0, 1, 2, 3} <= {grade for groups in grades for grade in groups}


@pytest.mark.usefixtures("measured")
def test_the_unit_tests_of_dbt_ran(target: Path) -> None:
    results = json.loads((target / "run_results.json").read_text())["results"]
    statuses = {
        result["unique_id"].split(".")[-1]: result["status"]
        for result in results
        if result["unique_id"].startswith("unit_test.")
    }
    assert statuses["precision_at_5_and_recall_at_10_by_hand"] == "pass"
    assert set(statuses.values()) == {"pass"}
    assert len(statuses) == 6


@pytest.mark.usefixtures("measured")
def test_the_row_for_all_is_the_mean_over_the_queries_of_all_benchmarks(module_database: Database) -> None:
    with module_database.connect() as connection:
        rows = {(row["benchmark"], row["method"]): row for row in metrics_table(connection, 1)}
    parts = [rows[name, FIRST] for name in BENCHMARKS]
    queries = sum(part["queries"] for part in parts)
    assert rows["all", FIRST]["queries"] == queries
    assert rows["all", FIRST]["recall_at_10"] == pytest.approx(
        sum(part["recall_at_10"] * part["queries"] for part in parts) / queries
    )
