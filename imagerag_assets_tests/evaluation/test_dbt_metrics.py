"""dbt_eval on a real database, against two independent implementations of the same metrics.

Hypothesis makes the cases and one run of dbt measures them all: a run for each would take minutes. So a case that fails
is not made smaller, and is printed whole.

Ties. The search orders equal scores by path, and that order is stored as ranks, which alone decide. trec_eval, which is
behind ir_measures, orders equal scores by falling name: it gets the scores as they are, and names that fall with the
ranks. ranx leaves the order of equal scores open, and gets scores that fall with the ranks.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from imagerag_assets.database.connection import Database
from imagerag_assets.evaluation.benchmarks import Benchmark, store_benchmark
from imagerag_assets.evaluation.benchmarks.model import Rules
from imagerag_assets.evaluation.metrics import metrics_table, read
from imagerag_assets_tests.evaluation.corpus import (
    add_evaluation,
    add_images,
    benchmark,
    run_dbt,
)

CASES = 200
METHODS = ("clip", "text")
BENCHMARKS = {"lenient": 1, "strict": 2, "exact": 3}
"""A benchmark for each threshold of relevance."""
GROUPS = {f"{number:03}.jpg": f"{number - number % 3:03}.jpg" for number in range(60)}
"""Twenty images, each with two near-duplicates."""
FILES = sorted(GROUPS)
SIZES = (0, 1, 4, 10, 25)
SCORES = (1.0, 0.75, 0.5, 0.25)
"""So few that most results are tied, and exact in any kind of float."""

Qrels = dict[str, dict[str, int]]
Run = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Case:
    """Graded qrels, of which some judge nothing relevant, and what each method found: scores in the search's order."""

    benchmark: str
    qrels: Qrels
    found: dict[tuple[str, str], dict[str, float]]
    """(query, method) → path → score."""


def files_with(values: st.SearchStrategy[float], draw: st.DrawFn, least: int = 0) -> dict[str, float]:
    size = draw(st.sampled_from([size for size in SIZES if size >= least]))
    uris = draw(st.lists(st.sampled_from(FILES), min_size=size, max_size=size, unique=True))
    return dict(zip(uris, draw(st.lists(values, min_size=size, max_size=size)), strict=True))


@st.composite
def any_case(draw: st.DrawFn) -> Case:
    queries = [f"q{number}" for number in range(draw(st.integers(1, 2)))]
    grades = st.sampled_from((-1, 0, 1, 1, 2, 3))
    qrels = {query: {uri: int(grade) for uri, grade in files_with(grades, draw, 1).items()} for query in queries}
    found = {}
    for query in queries:
        for method in METHODS:
            scores = files_with(st.sampled_from(SCORES), draw)
            found[query, method] = dict(sorted(scores.items(), key=lambda one: (-one[1], one[0])))
    return Case(draw(st.sampled_from(sorted(BENCHMARKS))), qrels, found)


def generated() -> dict[str, Case]:
    """Two hundred cases by name."""
    cases: list[Case] = []

    @settings(
        max_examples=CASES, phases=[Phase.generate], database=None, deadline=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(any_case())
    def collect(case: Case) -> None:
        cases.append(case)

    collect()
    return {f"case-{number:03}": case for number, case in enumerate(cases)}


@dataclass(frozen=True)
class Measured:
    """The cases, and for each benchmark what ir_measures is handed: a query for each case, query and method."""

    cases: Mapping[str, Case]
    qrels: dict[str, Qrels]
    runs: dict[str, Run]

    def told(self, query: str) -> str:
        """A case whole, for a message."""
        return f"{query} of {self.cases[query.partition(' ')[0]]}"


def handed_over(cases: Mapping[str, Case]) -> Measured:
    """Fold duplicates, and name groups so that trec_eval's rule for ties gives the search's order."""
    qrels: dict[str, Qrels] = defaultdict(dict)
    runs: dict[str, Run] = defaultdict(dict)
    for name, case in cases.items():
        for (query, method), scores in case.found.items():
            results: dict[str, float] = {}
            for uri, score in scores.items():
                results.setdefault(GROUPS[uri], score)
            names = {group: f"{1000 - rank:04}" for rank, group in enumerate(results)}
            grades: dict[str, int] = {}
            for uri, grade in case.qrels[query].items():
                group = names.get(GROUPS[uri], GROUPS[uri])
                grades[group] = max(grade, grades.get(group, grade))
            if max(grades.values()) >= BENCHMARKS[case.benchmark]:
                first = list(results.items())[:10]
                qrels[case.benchmark][f"{name} {query} {method}"] = grades
                runs[case.benchmark][f"{name} {query} {method}"] = {names[group]: score for group, score in first}
    return Measured(cases, qrels, runs)


def stored(cases: Mapping[str, Case], name: str) -> Benchmark:
    """The cases of a benchmark; each is a kind of query, over which dbt gives means."""
    qrels = {
        f"{at} {query}": grades
        for at, case in cases.items()
        for query, grades in case.qrels.items()
        if case.benchmark == name
    }
    made = benchmark(qrels)
    queries = tuple(replace(one, kind=one.query_id.partition(" ")[0]) for one in made.queries)
    return replace(made, queries=queries, rules=Rules(relevant_from=BENCHMARKS[name]))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="module")
def measured(module_database: Database, target: Path) -> Measured:
    """Store the cases, and measure them by one dbt run with its unit tests."""
    cases = generated()
    rankings = {
        (case.benchmark, method, f"{name} {query}"): scores
        for name, case in cases.items()
        for (query, method), scores in case.found.items()
    }
    with module_database.connect() as connection:
        for name in BENCHMARKS:
            add_images(connection, name, GROUPS)
            store_benchmark(connection, name, stored(cases, name))
        add_evaluation(connection, rankings, GROUPS)
    done = run_dbt(module_database, target, "build")
    assert done.returncode == 0, done.stdout
    return handed_over(cases)


def dbt_metrics(database: Database) -> dict[str, dict[str, dict[str, float]]]:
    """Rows of query_metrics by benchmark, and case, query and method."""
    with database.connect() as connection:
        rows = read(connection, "select * from imagerag_eval.query_metrics")
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for row in rows:
        found[row["benchmark"]][f"{row['query_id']} {row['method']}"] = row
    return found


@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_query_of_every_run_scores_as_ir_measures_says(
    measured: Measured, module_database: Database, name: str
) -> None:
    import ir_measures
    from ir_measures import AP, RR, P, R, Success, nDCG

    least = BENCHMARKS[name]
    columns = {
        AP(rel=least) @ 10: "average_precision",
        P(rel=least) @ 5: "precision_at_5",
        R(rel=least) @ 10: "recall_at_10",
        # Every grade above 0 gains, whatever is called relevant.
        nDCG @ 10: "ndcg_at_10",
        # Without a cutoff it is trec_eval's; the runs end at 10.
        RR(rel=least): "reciprocal_rank",
        Success(rel=least) @ 1: "hit_at_1",
    }
    qrels, ours = measured.qrels[name], dbt_metrics(module_database)[name]
    theirs = list(ir_measures.iter_calc(list(columns), qrels, measured.runs[name]))
    assert set(ours) == set(qrels)
    assert len(theirs) == len(columns) * len(qrels)
    for metric in theirs:
        value = ours[metric.query_id][columns[metric.measure]]
        assert value == pytest.approx(metric.value, abs=1e-9), f"{metric}: {measured.told(metric.query_id)}"


def test_the_curves_are_those_of_ir_measures(measured: Measured, module_database: Database) -> None:
    import ir_measures
    from ir_measures import P, R

    with module_database.connect() as connection:
        ours = {
            (row["benchmark"], row["method"], row["k"]): row
            for row in read(connection, "select * from imagerag_eval.eval_curves")
        }
    assert len(ours) == 10 * (len(BENCHMARKS) + 1) * len(METHODS), "the benchmarks, and all"
    for name, least in BENCHMARKS.items():
        wanted = [metric(rel=least) @ k for k in (1, 3, 10) for metric in (P, R)]
        for method in METHODS:
            qrels = {query: grades for query, grades in measured.qrels[name].items() if query.endswith(method)}
            run = {query: measured.runs[name][query] for query in qrels}
            for measure, value in ir_measures.calc_aggregate(wanted, qrels, run).items():
                column = "precision_at_k" if measure.NAME == "P" else "recall_at_k"
                assert ours[name, method, measure["cutoff"]][column] == pytest.approx(value, abs=1e-9), measure


def means_of_ranx(qrels: Qrels, run: Run, metrics: list[str]) -> Iterator[tuple[str, str, dict[str, float]]]:
    """(case, method, mean of every metric)."""
    import ranx

    relevant = {query: {group: grade for group, grade in of.items() if grade > 0} for query, of in qrels.items()}
    # ranx knows no empty ranking: one irrelevant result stands for it.
    falling = {
        query: {group: 100.0 - rank for rank, group in enumerate(results)} or {"nothing": 1.0}
        for query, results in run.items()
    }
    scored = ranx.Run(falling)
    ranx.evaluate(ranx.Qrels(relevant), scored, metrics)
    queries: dict[tuple[str, str], list[str]] = defaultdict(list)
    for query in qrels:
        case, _, method = query.split()
        queries[case, method].append(query)
    for (case, method), asked in queries.items():
        yield case, method, {metric: fmean(scored.scores[metric][query] for query in asked) for metric in metrics}


def test_the_means_of_every_run_are_those_of_ranx(measured: Measured, module_database: Database) -> None:
    with module_database.connect() as connection:
        rows = {
            (row["benchmark"], row["method"], row["kind"]): row for row in metrics_table(connection, 1, by_kind=True)
        }
    for name, least in BENCHMARKS.items():
        columns = {
            f"map@10-l{least}": "map_at_10",
            f"precision@5-l{least}": "precision_at_5",
            f"recall@10-l{least}": "recall_at_10",
            "ndcg@10": "ndcg_at_10",
            f"mrr@10-l{least}": "mrr",
            f"hit_rate@1-l{least}": "hit_at_1",
        }
        for case, method, means in means_of_ranx(measured.qrels[name], measured.runs[name], list(columns)):
            for metric, mean in means.items():
                value = rows[name, method, case][columns[metric]]
                assert value == pytest.approx(mean, abs=1e-9), f"{metric}: {measured.told(case)}"


def test_the_cases_hold_what_is_difficult(measured: Measured) -> None:
    """Ties that decide, empty rankings, unjudged results, many and few relevant groups, grades on both sides."""
    assert len(measured.cases) == CASES
    assert set(measured.qrels) == set(BENCHMARKS)
    asked = [
        (grades, run[query]) for name, run in measured.runs.items() for query, grades in measured.qrels[name].items()
    ]
    counts = [sum(grade > 0 for grade in grades.values()) for grades, _ in asked]
    assert any(count > 10 for count in counts)
    assert any(count < 5 for count in counts)
    assert any(not results for _, results in asked)
    assert any(set(results) - set(grades) for grades, results in asked)
    assert {-1, 0, 1, 2, 3} <= {grade for grades, _ in asked for grade in grades.values()}
    assert any(
        scores[one] == scores[other] and grades.get(one, 0) != grades.get(other, 0)
        for grades, scores in asked
        for one, other in zip(list(scores)[4:5], list(scores)[5:6], strict=False)
    ), "a tie over the fifth place"


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
    parts = [rows[name, METHODS[0]] for name in BENCHMARKS]
    queries = sum(part["queries"] for part in parts)
    assert rows["all", METHODS[0]]["queries"] == queries
    assert rows["all", METHODS[0]]["recall_at_10"] == pytest.approx(
        sum(part["recall_at_10"] * part["queries"] for part in parts) / queries
    )
