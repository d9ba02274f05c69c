"""Ways take turns, targets are judged by the median round, and the page keeps what stands around its tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks import idle_graph
from benchmarks.__main__ import run_row
from benchmarks.bench import new_bench
from benchmarks.comparison import Comparison, Scaling, Target, Way, growth_exponent, run_comparison, run_scaling
from benchmarks.page import write_page
from benchmarks.results import Results, empty_row, read_results, write_results
from benchmarks.rows import ROWS, search
from imagerag_assets.assets.evaluation import dbt_eval
from imagerag_assets.definitions import build_defs

_LEFT_OUT = {
    "reading": "the engines read pages for 20 seconds; imagerag_assets_tests/models has their tests",
    "start": "nothing but whole processes that import Dagster and dbt, again and again",
    "no_op": "a whole graph in a process of its own",
    "no_op_million": "what the row no_op does, once more",
    "million": "what the row search does, once more",
    "adding": "the whole graph over real pictures, which test_sample has",
    "embedding": "the same photos through the same model in five ways",
}
"""Rows that `make bench-quick` runs and the tests do not, and why."""


def saying(*rounds: Sequence[float]) -> Way:
    """A way whose rounds take what is said, the warm-up first: no clock decides."""
    left = iter(rounds)
    return Way(lambda: next(left), "said")


def test_ways_take_turns_and_every_round_begins_with_another() -> None:
    order: list[str] = []

    def noting(name: str) -> Way:
        return Way(lambda: order.append(name), name)

    ways = {name: noting(name) for name in ("a", "b", "c")}

    run_comparison(Comparison("turns", "", ways), 3)

    assert "".join(order) == "abc" + "abc" + "bca" + "cab"


def test_a_comparison_that_needs_no_warm_up_gets_none() -> None:
    runs: list[str] = []
    ways = {"ours": Way(lambda: runs.append("run"), "")}

    run_comparison(Comparison("fresh", "", ways, warm_up=False), 2)

    assert len(runs) == 2


def test_a_ratio_is_taken_round_by_round_and_its_median_is_judged() -> None:
    ways = {
        "plain": saying([9.0], [4.0], [100.0], [6.0]),
        "ours": saying([9.0], [2.0], [1.0], [2.0]),
    }
    targets = (Target("plain", "ours", at_least=3), Target("plain", "ours", at_least=3.5))

    found = run_comparison(Comparison("ratio", "", ways, targets), 3)

    assert [(one.value, one.least, one.most, one.met) for one in found.targets] == [
        (3.0, 2.0, 100.0, True), (3.0, 2.0, 100.0, False),
    ]  # fmt: skip
    assert found.targets[0].text == "plain / ours ≥ 3×"


def test_latencies_have_percentiles_of_their_own() -> None:
    many = [1.0] * 90 + [5.0] * 10
    found = run_comparison(
        Comparison("tail", "", {"ours": saying(many, many)}, (Target("ours", at_most=2, percentile=95),)), 1
    )
    assert found.ways["ours"].median == 1.0
    assert (found.targets[0].value, found.targets[0].met) == (5.0, False)


def test_what_is_no_time_can_be_a_target_too() -> None:
    comparison = Comparison(
        "recall", "", {"ours": saying([1.0], [1.0])}, (Target("recall", at_least=0.99),), lambda: {"recall": 0.5}
    )
    found = run_comparison(comparison, 1)
    assert found.facts == {"recall": 0.5}
    assert not found.targets[0].met


def test_seconds_of_a_part_are_told_for_the_whole() -> None:
    # An hour and more: only the multiplication can make it so long.
    found = run_comparison(Comparison("part", "", {"plain": Way(lambda: None, "", times=1e12)}), 1)
    assert found.ways["plain"].median > 3600


def test_growth_is_the_slope_of_the_logarithms() -> None:
    assert growth_exponent({10: 1.0, 100: 100.0, 1000: 10_000.0}) == pytest.approx(2)
    assert growth_exponent({10: 3.0, 1000: 300.0}) == pytest.approx(1)


def test_the_page_is_written_between_its_marks_and_drawn(tmp_path: Path) -> None:
    page = tmp_path / "BENCHMARKS.md"
    page.write_text(
        "# Mine\n<!-- results: written by python -m benchmarks -->\nold\n<!-- /results -->\nafter\n", encoding="utf-8"
    )
    row = empty_row("writing", quick=True, rounds=1)
    ways = {"plain": saying([8.0], [8.0]), "ours": saying([2.0], [2.0])}
    row.comparisons.append(
        run_comparison(Comparison("vectors", "of ten", ways, (Target("plain", "ours", at_least=3),)), 1)
    )
    row.scalings.append(
        run_scaling(Scaling("growth", "of n", {"ours": lambda n: lambda: sum(range(n))}, {"ours": (10, 1000)}), 1)
    )
    without = empty_row("gpu", quick=True, rounds=1)
    without.missing = "there is no card."
    write_results(Results(rows={"writing": row, "gpu": without}), tmp_path / "results.json")

    write_page(read_results(tmp_path / "results.json"), page)
    write_page(read_results(tmp_path / "results.json"), page)

    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Mine\n<!--")
    assert text.endswith("<!-- /results -->\nafter\n")
    assert "old" not in text
    assert "| [writing](#writing) | vectors: plain / ours ≥ 3× | 4× | met |" in text
    assert "not run: there is no card." in text
    assert (tmp_path / "docs/benchmarks/writing-growth.png").stat().st_size > 1000


def test_the_idle_graph_is_as_large_as_ours() -> None:
    """It is the floor of a run with nothing to do."""
    keys = dbt_eval.keys
    graph = build_defs().resolve_asset_graph()
    checks = graph.asset_check_keys
    tests = dbt_eval.check_keys
    assert (len(graph.executable_asset_keys - keys), len(keys)) == (idle_graph.ASSETS, idle_graph.MODELS)
    assert (len(checks - tests), len(tests)) == (idle_graph.CHECKS, idle_graph.TESTS)


@pytest.mark.parametrize("name", [row for row in ROWS if row not in _LEFT_OUT])
def test_a_row_runs(name: str) -> None:
    row = run_row(name, quick=True, rounds=1)
    if row.missing:
        pytest.skip(row.missing)
    assert row.comparisons
    assert all(way.rounds for one in row.comparisons for way in one.ways.values())


def test_a_made_index_is_searched_as_a_real_one() -> None:
    """The rows of search and of the index themselves need hnswlib, which pip builds."""
    with new_bench(quick=True) as bench:
        index = search.build(bench, 300, "made", 3)
        near = index.nearest()
        for number in range(3):
            assert set(index.ask(number, "clip")) == near[number]
            for method in ("description", "text", "hybrid"):
                assert index.ask(number, method), method
