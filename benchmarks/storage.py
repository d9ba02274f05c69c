"""What an image takes in the index's tables and indexes, and what smaller vectors would save and find.

    python -m benchmarks.storage [--rows 20000]

Rows are made (`made_index`): 512 and 384 numbers, 40 words on average. docs/scale.md reckons with what this prints.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence

from psycopg import sql
from rich.console import Console
from rich.table import Table

from benchmarks.bench import new_bench
from benchmarks.rows.search import Index, build, recall

_SIZES = (
    "select c.relname, pg_relation_size(c.oid) + coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0) "
    "from pg_class c where c.relnamespace = %s::regnamespace and c.relkind in ('r', 'i') order by 2 desc, 1"
)
_QUERIES = 100
_SHORTLISTS = (20, 50, 100, 400)
_GRAPHS = {
    "whole": "embedding vector_cosine_ops",
    "half": "(embedding::halfvec({})) halfvec_cosine_ops",
    "bits": "(binary_quantize(embedding)::bit({})) bit_hamming_ops",
}
_NEAREST = {
    "whole": "order by embedding <=> %(query)s::vector",
    "half": "order by embedding::halfvec({0}) <=> %(query)s::vector::halfvec({0})",
    "bits": "order by binary_quantize(embedding)::bit({0}) <~> binary_quantize(%(query)s::vector)::bit({0})",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    console = Console(width=120)
    with new_bench(quick=False) as bench:
        index = build(bench, rows, "storage", _QUERIES)
        table = Table("table or index", "bytes per image", title=f"{rows:,} made images")
        sizes = _sizes(index)
        for name, size in sizes.items():
            table.add_row(name, f"{size:,.1f}")
        console.print(table, f"together {sum(sizes.values()):,.0f} bytes per image")
        for line in _smaller(index):
            console.print(line)


def _sizes(index: Index) -> dict[str, float]:
    schema = f"imagerag_generation_{index.generation.number}"
    rows = index.connection.execute(_SIZES, (schema,)).fetchall()
    return {str(name): size / index.made.rows for name, size in rows if size / index.made.rows >= 1}


def _smaller(index: Index) -> Iterator[str]:
    """Graphs of whole and half precision and of signs over the same tiles, and which of the true ten they find."""
    truth = index.nearest()
    dimension = sql.Literal(index.made.clip.shape[1])
    index.connection.execute("set maintenance_work_mem = '1GB'; set enable_seqscan = off")
    for name, shape in _GRAPHS.items():
        started = time.perf_counter()
        index.connection.execute(
            sql.SQL("create index {} on {} using hnsw ({})").format(
                sql.Identifier(name), index.generation.table("tiles"), sql.SQL(shape).format(dimension)
            )
        )
        yield f"{name}: {_sizes(index)[name]:,.0f} bytes per tile, built in {time.perf_counter() - started:.1f} s"
        for shortlist in _SHORTLISTS:
            index.connection.execute(sql.SQL("set hnsw.ef_search = {}").format(sql.Literal(max(shortlist, 40))))
            found = recall(_reranked(index, name, dimension, shortlist), truth)
            yield f"  the best 10 of {shortlist} by {name}, ranked by the whole vectors: recall {found:.3f}"


def _reranked(index: Index, name: str, dimension: sql.Literal, shortlist: int) -> Sequence[list[int]]:
    statement = sql.SQL(
        "select image_id from (select image_id, embedding from {tiles} {nearest} limit {shortlist}) x "
        "order by embedding <=> %(query)s::vector limit 10"
    ).format(
        tiles=index.generation.table("tiles"),
        nearest=sql.SQL(_NEAREST[name]).format(dimension),
        shortlist=sql.Literal(shortlist),
    )
    return [
        [row[0] - 1 for row in index.connection.execute(statement, {"query": vector}).fetchall()]
        for vector in index.vectors[0]
    ]


if __name__ == "__main__":
    main()
