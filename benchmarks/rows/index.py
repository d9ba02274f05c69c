"""The index: its first build, and one per cent more rows, beside hnswlib in process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks.bench import Bench, Rows, hnswlib
from benchmarks.comparison import Comparison, Scaling, Target, Way
from benchmarks.made_index import COLLECTION, Made, begin, load, vacuum
from benchmarks.made_index import make as make_index
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.generations import Generation


def make(bench: Bench) -> Rows:
    rows = bench.size(50_000, 2_000)
    more = rows // 100
    made = make_index(rows + more)
    project, generation = _filled(bench, made, rows, "index")
    times: dict[str, float] = {}

    def build() -> list[float]:
        times["full"] = _rolled_back(project, lambda one: _build(one, project, generation))
        return [times["full"]]

    def floor() -> list[float]:
        started = time.perf_counter()
        _hnswlib(made.clip[:rows])
        _hnswlib(made.description[:rows])
        return [time.perf_counter() - started]

    def add() -> list[float]:
        return [_rolled_back(grown, lambda one: load(one, full, made, range(rows, rows + more)))]

    grown, full = _filled(bench, made, rows, "grown")
    with grown.database.connect() as connection:
        _build(connection, grown, full)
    vacuum(grown.database.url, full)
    return [
        Comparison(
            "first index build",
            f"HNSW over {rows:,} vectors of 512 numbers and as many of 384; ours with the words' and filters' indexes",
            {
                "floor": Way(floor, "hnswlib on one thread, equal M and ef_construction, without the words"),
                "ours": Way(build, "all indexes of a generation, after the load"),
            },
            (Target("ours", "floor", at_most=1.5),),
        ),
        Comparison(
            "index upkeep",
            f"{more:,} rows more, written into a generation of {rows:,}; the difference itself is another row's",
            {"full": Way(build, "all indexes"), "ours": Way(add, "the new rows into tables and indexes")},
            (Target("ours", "full", at_most=0.02),),
            why="A row into a graph on pages costs several times what it costs in a build with the graph in memory.",
        ),
        _growth(bench),
    ]


def _growth(bench: Bench) -> Scaling:
    def prepare(size: int) -> Callable[[], object]:
        project, generation = _filled(bench, make_index(size), size, f"build{size}")
        return lambda: _rolled_back(project, lambda one: _build(one, project, generation))

    sizes = bench.size((1_000, 10_000, 100_000), (500, 2_000))
    return Scaling(
        "first index build", "all indexes of a generation", {"ours": prepare}, {"ours": sizes}, {"ours": 1.3}
    )


def _filled(bench: Bench, made: Made, rows: int, name: str) -> tuple[Project, Generation]:
    project = bench.project(name, {COLLECTION: bench.folder})
    with project.database.connect() as connection:
        generation = begin(connection, made)
        load(connection, generation, made, range(rows))
    vacuum(project.database.url, generation)
    return project, generation


def _build(connection: Any, project: Project, generation: Generation) -> None:
    generations.build_indexes(connection, generation, project.settings.index.build_memory_mb)


def _rolled_back(project: Project, work: Callable[[Any], object]) -> float:
    with project.database.connect() as connection:
        started = time.perf_counter()
        work(connection)
        seconds = time.perf_counter() - started
        connection.rollback()
    return seconds


def _hnswlib(vectors: Any) -> None:
    graph = hnswlib().Index(space="cosine", dim=vectors.shape[1])
    graph.init_index(len(vectors), M=16, ef_construction=64)
    graph.set_num_threads(1)
    graph.add_items(vectors, num_threads=1)
