"""Search of a million made images, beside a tenth of them: what grows, and what the index takes."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from benchmarks.rows.search import Index, build, latencies, recall
from imagerag_assets.database.connection import one_row
from imagerag_assets.methods import Method

_METHODS: tuple[Method, ...] = ("clip", "text", "hybrid")


def make(bench: Bench) -> Rows:
    sizes = bench.size((100_000, 1_000_000), (500, 6_000))
    built = {size: build(bench, size, f"million_{size}", bench.size(100, 10)) for size in sizes}
    most = built[sizes[-1]]

    def way(method: Method) -> Callable[[], list[float]]:
        return lambda: latencies(most.count, lambda number: most.ask(number, method))

    def asking(method: Method) -> Callable[[int], Callable[[], object]]:
        return lambda size: lambda: [built[size].ask(number, method) for number in range(most.count)]

    return [
        Comparison(
            "search of a million",
            f"{most.count} queries, one by one, of {most.made.rows:,} images",
            {method: Way(way(method), f"method {method}") for method in _METHODS},
            (Target("recall_at_10", at_least=0.98),),
            lambda: _facts(most),
        ),
        Scaling(
            "search of a million", f"{most.count} queries", {one: asking(one) for one in _METHODS},
            dict.fromkeys(_METHODS, sizes), {"clip": 0.5, "text": 1.0, "hybrid": 1.0},
        ),
    ]  # fmt: skip


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
