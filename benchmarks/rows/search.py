"""Search: vectors, all legs in one statement, filters and words, beside what is plain and what is least."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector
from psycopg import sql

from benchmarks.bench import Bench, Rows, hnswlib
from benchmarks.comparison import Comparison, Scaling, Target, Way
from benchmarks.made_index import COLLECTION, SHARES, Made, begin, load, term_name, vacuum
from benchmarks.made_index import make as make_index
from imagerag_assets.database.connection import Connection
from imagerag_assets.methods import Method
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import EncodedQuery, search_rows

GROWING: tuple[Method, ...] = ("clip", "text", "hybrid")
"""The methods whose growth is drawn."""
_TOP = 10
_BYTES_PER_VECTOR = 3_000
"""Of memory while a graph is built, plenty: 512 numbers of two bytes, and its links."""


@dataclass
class Index:
    """A made generation behind a warm connection, and queries for it."""

    project: Project
    generation: Generation
    made: Made
    connection: Connection
    count: int
    seconds: float
    """Of building the indexes."""

    @cached_property
    def vectors(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        return self.made.vector_queries(self.count)

    @cached_property
    def words(self) -> list[list[str]]:
        return [[term_name(one) for one in found] for found in self.made.text_queries(self.count)]

    def ask(self, number: int, method: Method, where: Sequence[str] = (), *, exact: bool = False) -> list[int]:
        """The rows that our own search finds."""
        query = EncodedQuery(
            self.vectors[0][number] if method in ("clip", "hybrid") else None,
            self.vectors[1][number] if method in ("description", "hybrid") else None,
            self.words[number] if method in ("text", "hybrid") else [],
        )
        rows = search_rows(
            self.connection, self.project, query, self.generation, method=method, collections=(COLLECTION,),
            where=parse_conditions(where), limit=_TOP, exact=exact,
        )  # fmt: skip
        self.connection.commit()
        return [int(row["uris"][0].partition(".")[0]) for row in rows]

    def nearest(self, mask: NDArray[np.bool_] | None = None) -> list[set[int]]:
        """The true nearest of every query among the images of the mask."""
        scores = self.vectors[0] @ self.made.clip.T
        if mask is not None:
            scores[:, ~mask] = -np.inf
        wanted = _TOP if mask is None else min(_TOP, int(mask.sum()))
        return [set(map(int, np.argpartition(-row, wanted - 1)[:wanted])) for row in scores]


def make(bench: Bench) -> Rows:
    index = build(bench, bench.size(100_000, 6_000), "search", bench.size(200, 20))
    _add_documents(index)
    sizes = bench.size((1_000, 10_000, 100_000), (500, 1_500))
    return [_clip(index), _hybrid(index), _words(index), *_filtered(index), growth(bench, "search", sizes, {})]


def build(bench: Bench, rows: int, name: str, count: int) -> Index:
    """A generation of so many images, filled, indexed and vacuumed. Both graphs fit the memory that it gives them."""
    memory = max(1024, rows * _BYTES_PER_VECTOR // 2**20)
    project = bench.project(name, {COLLECTION: bench.folder}, index={"build_memory_mb": memory})
    made = make_index(rows)
    with project.database.connect() as connection:
        generation = begin(connection, made)
        load(connection, generation, made)
        connection.commit()
        started = time.perf_counter()
        generations.build_indexes(connection, generation, memory)
        seconds = time.perf_counter() - started
    vacuum(project.database.url, generation)
    connection = bench.closing.enter_context(project.database.connect())
    return Index(project, generation, made, connection, count, seconds)


def latencies(count: int, work: Callable[[int], object]) -> list[float]:
    found = []
    for number in range(count):
        started = time.perf_counter()
        work(number)
        found.append(time.perf_counter() - started)
    return found


def recall(found: Sequence[Sequence[int]], truth: Sequence[set[int]]) -> float:
    return float(np.mean([len(set(one) & right) / max(len(right), 1) for one, right in zip(found, truth, strict=True)]))


def _clip(index: Index) -> Comparison:
    truth = index.nearest()
    ours = recall([index.ask(number, "clip") for number in range(index.count)], truth)
    graph = _hnswlib(index, truth, ours)
    nearest = _nearest(index, "tiles")

    def bare(number: int) -> None:
        index.connection.execute(nearest, (index.vectors[0][number],), prepare=True).fetchall()
        index.connection.commit()

    def floor(number: int) -> None:
        graph.knn_query(index.vectors[0][number], k=_TOP)

    return Comparison(
        "clip search in SQL",
        f"{index.count} queries, one by one, of {index.made.rows:,} vectors of {index.made.clip.shape[1]} numbers",
        {
            "plain": Way(lambda: latencies(index.count, lambda one: _guide(index, one, "tiles")), "a new client each"),
            "peer": Way(lambda: latencies(index.count, bare), "the bare nearest rows by pgvector, prepared"),
            "floor": Way(lambda: latencies(index.count, floor), "hnswlib in process, at equal recall"),
            "ours": Way(
                lambda: latencies(index.count, lambda one: index.ask(one, "clip")), "search, with all it tells"
            ),
        },
        (
            Target("peer", "floor", at_most=15),
            Target("ours", "floor", at_most=15),
            Target("recall_at_10", at_least=0.98),
        ),
        lambda: {"recall_at_10": ours},
        why="The floor returns row numbers from its own memory. Ours looks at ten times as many, folds tiles and "
        "duplicates, ranks by every leg, and brings each image's description, box, files and metadata.",
    )


def _hybrid(index: Index) -> Comparison:
    def legs(number: int) -> None:
        for method in ("clip", "description", "text"):
            index.ask(number, method)

    def guide(number: int) -> None:
        _guide(index, number, "tiles")
        _guide(index, number, "descriptions")
        _guide(index, number, "words")

    def agreement() -> dict[str, float]:
        few = range(min(index.count, 30))
        return {
            "share_of_exhaustive": recall(
                [index.ask(one, "hybrid") for one in few], [set(index.ask(one, "hybrid", exact=True)) for one in few]
            )
        }

    return Comparison(
        "hybrid in one statement",
        f"{index.count} queries with two vectors and up to four words",
        {
            "plain": Way(lambda: latencies(index.count, guide), "a new client for each leg, ts_rank"),
            "floor": Way(lambda: latencies(index.count, legs), "its three legs one after the other, prepared"),
            "ours": Way(lambda: latencies(index.count, lambda one: index.ask(one, "hybrid")), "one statement"),
        },
        (Target("ours", "floor", at_most=1.1), Target("ours", "plain", at_most=0.5)),
        agreement,
        why="Beyond its legs it scores every candidate and a sample of the rest by all legs, and fuses them; and it "
        "takes 30 hits of the words, which alone take 20.",
    )


def _words(index: Index) -> Comparison:
    def agreement() -> dict[str, float]:
        few = range(min(index.count, 50))
        return {
            "share_of_exhaustive": recall(
                [index.ask(one, "text") for one in few], [set(index.ask(one, "text", exact=True)) for one in few]
            )
        }

    def ranked(number: int) -> None:
        _by_words(index, index.connection, number)
        index.connection.commit()

    return Comparison(
        "words by BM25",
        f"{index.count} queries of up to four words, {index.made.rows:,} documents",
        {
            "plain": Way(lambda: latencies(index.count, ranked), "any of the words by GIN, in the order of ts_rank"),
            "ours": Way(lambda: latencies(index.count, lambda one: index.ask(one, "text")), "BM25"),
        },
        (
            Target("ours", at_most=0.008),
            Target("ours", at_most=0.025, percentile=95),
            Target("share_of_exhaustive", at_least=0.999),
        ),
        agreement,
    )


def _filtered(index: Index) -> Iterator[Comparison]:
    for kind in ("random", "near"):
        for share in SHARES:
            yield _one_filter(index, f"{kind}_{share:g}")


def _one_filter(index: Index, name: str) -> Comparison:
    count = min(index.count, 40)
    truth = index.nearest(index.made.filters[name])[:count]
    where = (f"{name}=yes",)
    found: dict[str, list[list[int]]] = {}

    def ours() -> list[float]:
        found["ours"] = []
        return latencies(count, lambda one: found["ours"].append(index.ask(one, "clip", where)))

    def plain() -> list[float]:
        found["plain"] = []
        return latencies(count, lambda one: found["plain"].append(_iterative(index, one, name)))

    def exact() -> list[float]:
        return latencies(count, lambda one: _compare_all(index, one, name))

    _keep_passing(index, name)
    return Comparison(
        f"filtered search, {name.replace('_', ' ')} %",
        f"{count} queries of {index.made.rows:,} images, of which so many pass, "
        + ("wherever they lie" if name.startswith("random") else "whole clusters of vectors"),
        {
            "plain": Way(plain, "pgvector's iterative scan, ef_search 100"),
            "exact": Way(exact, "all that pass compared and nothing else, when it is known which pass"),
            "ours": Way(ours, "search with a filter"),
        },
        (Target("recall_at_10", at_least=0.98), Target("ours", at_most=0.010)),
        lambda: {"recall_at_10": recall(found["ours"], truth), "recall_of_plain": recall(found["plain"], truth)},
        why="Where few of the nearest pass, all that pass are compared: the least that takes is the way exact, and "
        "before it comes finding out which pass.",
    )


def growth(bench: Bench, name: str, sizes: Sequence[int], built: dict[int, Index], count: int = 40) -> Scaling:
    """Searches of indexes of those sizes; what is in `built` already is not built again."""

    def prepare(method: Method) -> Callable[[int], Callable[[], object]]:
        def at(size: int) -> Callable[[], object]:
            index = built[size] = built.get(size) or build(bench, size, f"search{size}", count)

            def run() -> None:
                for number in range(count):
                    index.ask(number, method)

            # The first time reads what the others find in memory.
            run()
            return run

        return at

    return Scaling(
        name, f"{count} queries", {one: prepare(one) for one in GROWING}, dict.fromkeys(GROWING, sizes),
        {"clip": 0.5, "text": 0.8, "hybrid": 0.8},
    )  # fmt: skip


def _hnswlib(index: Index, truth: Sequence[set[int]], wanted: float) -> Any:
    """A graph of the same parameters, as wide a search as finds as much."""
    graph = hnswlib().Index(space="cosine", dim=index.made.clip.shape[1])
    graph.init_index(index.made.rows, M=16, ef_construction=64)
    graph.add_items(index.made.clip)
    graph.set_num_threads(1)
    for width in (10, 20, 40, 80, 160, 320):
        graph.set_ef(width)
        if recall(graph.knn_query(index.vectors[0], k=_TOP)[0].tolist(), truth) >= wanted:
            break
    return graph


def _nearest(index: Index, table: str) -> sql.Composed:
    """As pgvector's documentation has it, by the order that the graph is of."""
    dimension = (index.made.clip if table == "tiles" else index.made.description).shape[1]
    return sql.SQL(
        "select image_id from {} order by embedding::vector::halfvec({d}) <=> %s::halfvec({d}) limit {n}"
    ).format(index.generation.table(table), d=sql.Literal(dimension), n=sql.Literal(_TOP))


def _guide(index: Index, number: int, leg: str) -> None:
    with psycopg.connect(index.project.database.url) as connection:
        if leg == "words":
            _by_words(index, connection, number)
            return
        register_vector(connection)
        vector = index.vectors[0 if leg == "tiles" else 1][number]
        connection.execute(_nearest(index, leg), (vector,)).fetchall()


def _by_words(index: Index, connection: psycopg.Connection[tuple[Any, ...]], number: int) -> None:
    query = " | ".join(index.words[number])
    connection.execute(
        "select image_id from public.documents, to_tsquery('simple', %s) q where words @@ q "
        "order by ts_rank(words, q) desc limit 10",
        (query,),
    ).fetchall()


def _iterative(index: Index, number: int, name: str) -> list[int]:
    connection = index.connection
    connection.execute(
        "select set_config('hnsw.ef_search', '100', true), set_config('hnsw.iterative_scan', 'strict_order', true), "
        "set_config('enable_sort', 'off', true)"
    )
    rows = connection.execute(
        sql.SQL(
            "select e.image_id from {} e join {} i using (image_id) where i.metadata ->> %s = 'yes' "
            "order by e.embedding::vector::halfvec({d}) <=> %s::halfvec({d}) limit {n}"
        ).format(
            index.generation.table("tiles"),
            index.generation.table("images"),
            d=sql.Literal(index.made.clip.shape[1]),
            n=sql.Literal(_TOP),
        ),
        (name, index.vectors[0][number]),
    ).fetchall()
    connection.commit()
    return [row[0] - 1 for row in rows]


def _keep_passing(index: Index, name: str) -> None:
    """The ids of the images for which the filter holds, in a table of their own."""
    ids = [int(row) + 1 for row in np.flatnonzero(index.made.filters[name])]
    connection = index.connection
    table = sql.Identifier(f"passing_{name}")
    connection.execute(
        sql.SQL("create table public.{} as select unnest(%s::bigint[]) as image_id").format(table), (ids,)
    )
    connection.execute(sql.SQL("analyze public.{}").format(table))
    connection.commit()


def _compare_all(index: Index, number: int, name: str) -> None:
    connection = index.connection
    connection.execute("select set_config('max_parallel_workers_per_gather', '0', true)")
    connection.execute(
        sql.SQL(
            "select image_id from {} where image_id = any(array(select image_id from public.{})) "
            "order by embedding <=> %s limit {}"
        ).format(index.generation.table("tiles"), sql.Identifier(f"passing_{name}"), sql.Literal(_TOP)),
        (index.vectors[0][number],),
    ).fetchall()
    connection.commit()


def _add_documents(index: Index) -> None:
    """The same documents for Postgres's own full text."""
    starts = np.concatenate([[0], np.cumsum(index.made.lengths)])
    names = [term_name(number) for number in range(int(index.made.term_of.max()) + 1)]
    connection = index.connection
    connection.execute("create table public.documents (image_id bigint, words tsvector)")
    with connection.cursor().copy("copy public.documents from stdin") as copy:
        for row in range(index.made.rows):
            found = index.made.term_of[starts[row] : starts[row + 1]]
            copy.write_row((row + 1, " ".join(f"{names[one]}:{place + 1}" for place, one in enumerate(found))))
    connection.execute("create index on public.documents using gin (words)")
    connection.execute("analyze public.documents")
    connection.commit()
