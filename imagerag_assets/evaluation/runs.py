"""Every method on every benchmark query against the live index: ranked results and latencies as rows.

No metric is computed here: dbt_eval does that from these rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import OnProgress, Progress, StageReport, fingerprint
from imagerag_assets.images.decode import decode
from imagerag_assets.images.hashing import content_hash
from imagerag_assets.project import Project
from imagerag_assets.retrieval import fusion, generations, index
from imagerag_assets.retrieval.methods import METHODS, Method
from imagerag_assets.retrieval.search import SEARCH_VERSION, Query, Result, encode_query, run_search
from imagerag_assets.settings import Limits

STAGE = "retrieval_runs"
DEPTH = 20
"""Results kept per query and method: twice what the deepest metric reads."""

_RUN_COLUMNS = (
    "evaluation", "benchmark", "method", "query_id", "rank", "corpus_id", "group_id", "score", "legs",
)  # fmt: skip
_LATENCY_COLUMNS = ("evaluation", "benchmark", "method", "query_id", "milliseconds")


@dataclass(frozen=True)
class _Asked:
    benchmark: str
    query_id: str
    query: Query


@dataclass(frozen=True)
class _Answer:
    asked: _Asked
    method: Method
    results: list[Result]
    milliseconds: float


def evaluate(project: Project, run_id: str, on_progress: OnProgress) -> StageReport:
    """Run the benchmarks, unless the newest evaluation saw the same index, benchmarks and search code.

    `run_id` names the Dagster run in the history.
    """
    started = time.monotonic()
    report = StageReport(STAGE)
    with project.database.connect() as connection:
        # Two at once would measure each other's load; the second then finds the first's evaluation.
        connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", (STAGE,))
        generation = generations.live(connection)
        current = evaluation_fingerprint(connection, project)
        asked = _asked(connection, project.settings.limits)
        total = len(asked) * len(METHODS)
        newest = connection.execute("select fingerprint from evaluations order by evaluation desc limit 1").fetchone()
        if newest is not None and newest[0] == current:
            report.skipped = total
        elif asked:
            answers = list(_answers(connection, project, asked, on_progress))
            _save(connection, generation.number, current, run_id, answers)
            report.new = total
    report.seconds = time.monotonic() - started
    return report


def evaluation_fingerprint(connection: Connection, project: Project) -> str:
    """What decides the rankings: the live rows, the benchmarks, the search code and its settings."""
    generation = generations.live(connection)
    benchmarks = connection.execute("select benchmark, digest from benchmarks order by benchmark").fetchall()
    return fingerprint(
        index=index.index_digest(connection, generation),
        benchmarks=benchmarks,
        methods=METHODS,
        search=SEARCH_VERSION,
        settings=project.settings.index.model_dump(),
        evidence=fusion.parameters(),
    )


def _asked(connection: Connection, limits: Limits) -> list[_Asked]:
    rows = connection.execute(
        "select benchmark, query_id, text, image from benchmark_queries order by benchmark, query_id"
    ).fetchall()
    return [
        _Asked(benchmark, query_id, _by_example(text, Path(image), limits) if image else Query(text))
        for benchmark, query_id, text, image in rows
    ]


def _by_example(text: str, file: Path, limits: Limits) -> Query:
    """A query that does not find its own picture: an example from the collection would always be first."""
    data = file.read_bytes()
    return Query(text, decode(data, limits).image, content_hash(data))


def _answers(
    connection: Connection, project: Project, asked: Sequence[_Asked], on_progress: OnProgress
) -> Iterator[_Answer]:
    """Method by method within each query, so that a slow moment of the machine hits all methods alike."""
    started = time.monotonic()
    for method in METHODS:
        # The first call loads models and plans statements: search as users meet it is warm.
        _answer(connection, project, asked[0], method)
    for number, one in enumerate(asked):
        for method in METHODS:
            yield _answer(connection, project, one, method)
        done = (number + 1) * len(METHODS)
        on_progress(Progress(STAGE, done, len(asked) * len(METHODS), time.monotonic() - started))


def _answer(connection: Connection, project: Project, asked: _Asked, method: Method) -> _Answer:
    started = time.perf_counter()
    encoded = encode_query(project, asked.query, method)
    results = run_search(connection, project, encoded, method=method, collections=(asked.benchmark,), limit=DEPTH)
    return _Answer(asked, method, results, (time.perf_counter() - started) * 1000)


def _save(connection: Connection, generation: int, current: str, run_id: str, answers: Sequence[_Answer]) -> None:
    row = one_row(
        connection.execute(
            "insert into evaluations (fingerprint, generation, run_id) values (%s, %s, %s) returning evaluation",
            (current, generation, run_id),
        )
    )
    number = int(row[0])
    results = (
        (
            number, one.asked.benchmark, one.method, one.asked.query_id, rank, result.uri, result.group_id,
            result.score, Jsonb({leg: asdict(score) for leg, score in result.legs.items()}, dumps=json.dumps),
        )
        for one in answers
        for rank, result in enumerate(one.results, start=1)
    )  # fmt: skip
    upsert(connection, "retrieval_runs", _RUN_COLUMNS, _RUN_COLUMNS[:5], results)
    latencies = ((number, one.asked.benchmark, one.method, one.asked.query_id, one.milliseconds) for one in answers)
    upsert(connection, "query_latencies", _LATENCY_COLUMNS, _LATENCY_COLUMNS[:4], latencies)
