"""Search of a million made images, the row search ten times as large: latencies, and what the index takes."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Target, Way
from benchmarks.rows.search import GROWING, Index, build, growth, latencies, recall
from imagerag_assets.database.connection import one_row
from imagerag_assets.methods import Method


def make(bench: Bench) -> Rows:
    sizes = bench.size((10_000, 100_000, 1_000_000), (500, 1_500, 6_000))
    most = build(bench, sizes[-1], "million", bench.size(100, 10))

    def way(method: Method) -> Callable[[], list[float]]:
        return lambda: latencies(most.count, lambda number: most.ask(number, method))

    return [
        Comparison(
            "search of a million",
            f"{most.count} queries, one by one, of {most.made.rows:,} images",
            {method: Way(way(method), f"method {method}") for method in GROWING},
            (Target("recall_at_10", at_least=0.98),),
            lambda: _facts(most),
            why="At 100,000 the same ef_search of 100 finds more: a graph of ten times as many needs a wider scan. The "
            "check hnsw_finds_the_nearest tells it of one's own vectors, and index.ef_search is the remedy.",
        ),
        growth(bench, "search up to a million", sizes, {most.made.rows: most}, most.count),
    ]


def _facts(index: Index) -> dict[str, float]:
    """Recall of `clip` against all vectors, what the build took, and gigabytes by kind."""
    found = [index.ask(number, "clip") for number in range(index.count)]
    schema = f"imagerag_generation_{index.generation.number}"
    sizes = one_row(
        index.connection.execute(
            "select sum(pg_table_size(c.oid)), sum(pg_indexes_size(c.oid)), "
            "sum(pg_total_relation_size(c.oid)) / %s from pg_class c where c.relnamespace = %s::regnamespace "
            "and c.relkind = 'r'",
            (index.made.rows, schema),
        )
    )
    return {
        "recall_at_10": recall(found, index.nearest()),
        "seconds to build all indexes": index.seconds,
        "GB of tables": float(sizes[0]) / 1e9,
        "GB of indexes": float(sizes[1]) / 1e9,
        "bytes per image": float(sizes[2]),
    }
