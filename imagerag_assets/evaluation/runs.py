"""Every method on every benchmark query, in the live generation and its candidate: rankings and latencies as rows.

No metric is computed here: dbt_eval does that from these rows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.locks import alone
from imagerag_assets.database.stages import OnProgress, Progress, StageReport, fingerprint
from imagerag_assets.errors import BenchmarkError, ItemError, ModelError
from imagerag_assets.evaluation.benchmarks.splits import REPORTED
from imagerag_assets.evaluation.history import evaluations
from imagerag_assets.images.decode import decode
from imagerag_assets.images.hashing import content_hash
from imagerag_assets.methods import METHODS, Method
from imagerag_assets.project import Project
from imagerag_assets.retrieval import fusion, generations, index
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import SEARCH_VERSION, Query, Result, encode_query, run_search
from imagerag_assets.settings import Limits

STAGE = "retrieval_runs"
DEPTH = 20
"""Results kept per query and method: twice what the deepest metric reads."""
METRICS_VERSION = 3
"""Of what dbt keeps of an evaluation: raise it when that changes, and what is live is measured anew."""
_ATTEMPTS = 3
"""Measurements begun before giving up on an index that changes under every one."""

_RUN_COLUMNS = (
    "evaluation", "benchmark", "method", "query_id", "rank", "corpus_id", "group_id", "score", "legs",
)  # fmt: skip
_LATENCY_COLUMNS = ("evaluation", "benchmark", "method", "query_id", "milliseconds")


@dataclass(frozen=True)
class Asked:
    """A benchmark query as it is stored; `image` is the path of an example picture."""

    benchmark: str
    query_id: str
    text: str
    image: str | None


@dataclass(frozen=True)
class Answer:
    """What one method said to one query. `results` are the last columns of `retrieval_runs`, best first."""

    asked: Asked
    method: Method
    results: list[tuple[str, str, float, Jsonb]]
    milliseconds: float


def evaluate(project: Project, run_id: str, on_progress: OnProgress) -> StageReport:
    """Run the benchmarks, unless the newest evaluation saw the same index, benchmarks and search code.

    The live generation is evaluated and its candidate where there is one, each with its own models. `run_id` names the
    Dagster run in the history. Nothing is written before everything is measured, and then all in one transaction: no
    one ever reads half an evaluation. Meanwhile no transaction stays open longer than a search.

    Raises `BenchmarkError` for an example picture that cannot be read, `ModelError` when the models of the live
    generation are gone and there is no candidate.
    """
    started = time.monotonic()
    report = StageReport(STAGE)
    # One evaluation at a time: two would measure each other's load, and the second then finds the first's.
    with project.database.connect() as connection, alone(connection, STAGE):
        for generation, its_project in _generations(connection, project):
            _evaluate(connection, its_project, generation, run_id, on_progress, report)
    report.seconds = time.monotonic() - started
    return report


def _generations(connection: Connection, project: Project) -> list[tuple[Generation, Project]]:
    """What is to be evaluated, each with the project that has its models."""
    live, candidate = generations.live(connection), generations.find_candidate(connection)
    # Otherwise what follows would be one long transaction.
    connection.commit()
    found = [(candidate, project)] if candidate else []
    try:
        return [(live, generations.project_of(project, live)), *found]
    except ModelError:
        # What was measured of it stays; the candidate is the way out.
        if not found:
            raise
        return found


def _evaluate(
    connection: Connection,
    project: Project,
    generation: Generation,
    run_id: str,
    on_progress: OnProgress,
    report: StageReport,
) -> None:
    for _ in range(_ATTEMPTS):
        state = evaluation_fingerprint(connection, project, generation)
        asked = benchmark_queries(connection, generation)
        saved = evaluations(connection, generation.number)
        connection.commit()
        total = len(asked) * len(METHODS)
        if not asked or (saved and saved[0].fingerprint == state):
            report.skipped += total
            return
        answers = list(_answers(connection, project, generation, asked, on_progress))
        with connection.transaction():
            # A ranking taken before and one taken after a change are no evaluation of either index.
            unchanged = evaluation_fingerprint(connection, project, generation) == state
            if unchanged:
                save(connection, generation, state, run_id, answers)
        if unchanged:
            report.new += total
            return
    raise BenchmarkError(
        f"The index or a benchmark changed during each of {_ATTEMPTS} measurements, so none was saved. "
        "Materialize retrieval_runs again when the index is at rest."
    )


def evaluation_fingerprint(connection: Connection, project: Project, generation: Generation) -> str:
    """What decides the rankings: the generation's rows, the benchmarks, the search code and its settings."""
    return fingerprint(
        index=index.index_digest(connection, generation),
        benchmarks=_benchmarks(connection, generation),
        methods=METHODS,
        search=SEARCH_VERSION,
        metrics=METRICS_VERSION,
        settings=project.settings.index.model_dump(),
        evidence=fusion.parameters(project.settings.fusion),
    )


def _benchmarks(connection: Connection, generation: Generation) -> list[tuple[str, str]]:
    """(name, digest) of the benchmarks whose collection has an image in the index: others could find nothing."""
    rows = connection.execute(
        sql.SQL(
            "select b.benchmark, b.digest from benchmarks b "
            "where exists (select from {} i where i.collection = b.benchmark) order by b.benchmark"
        ).format(generation.table("images"))
    ).fetchall()
    return [(str(name), str(digest)) for name, digest in rows]


def benchmark_queries(connection: Connection, generation: Generation | None = None) -> list[Asked]:
    """The stored queries of every benchmark whose collection is in that generation (None: the live one).

    None that something is tuned on is among them.
    """
    names = [name for name, _ in _benchmarks(connection, generation or generations.live(connection))]
    rows = connection.execute(
        "select benchmark, query_id, text, image from benchmark_queries where benchmark = any(%s) "
        "and split = any(%s) order by benchmark, query_id",
        (names, list(REPORTED)),
    ).fetchall()
    return [Asked(*row) for row in rows]


def opened_query(asked: Asked, limits: Limits) -> Query:
    """With the example's pixels, and not finding that picture: an example from the collection would always be first."""
    if asked.image is None:
        return Query(asked.text)
    try:
        data = Path(asked.image).read_bytes()
        return Query(asked.text, decode(data, limits).image, content_hash(data))
    except (OSError, ItemError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise BenchmarkError(
            f"The example picture {asked.image} of the query {asked.query_id!r} ({asked.benchmark}) cannot be used: "
            f"{reason}. Put a readable picture there, or take the query out of the benchmark."
        ) from None


def _answers(
    connection: Connection,
    project: Project,
    generation: Generation,
    asked: Sequence[Asked],
    on_progress: OnProgress,
) -> Iterator[Answer]:
    """Method by method within each query, so that a slow moment of the machine hits all methods alike."""
    started = time.monotonic()
    for number, one in enumerate(asked):
        query = opened_query(one, project.settings.limits)
        if number == 0:
            # The first call loads models and plans statements: search as users meet it is warm.
            for method in METHODS:
                _answer(connection, project, generation, one, query, method)
        for method in METHODS:
            yield _answer(connection, project, generation, one, query, method)
        done = (number + 1) * len(METHODS)
        on_progress(Progress(STAGE, done, len(asked) * len(METHODS), time.monotonic() - started))


def _answer(
    connection: Connection, project: Project, generation: Generation, asked: Asked, query: Query, method: Method
) -> Answer:
    started = time.perf_counter()
    encoded = encode_query(project, query, method)
    # The search sets the index's parameters for its transaction.
    with connection.transaction():
        results = run_search(
            connection, project, encoded, generation, method=method, collections=(asked.benchmark,), limit=DEPTH
        )
    milliseconds = (time.perf_counter() - started) * 1000
    return Answer(asked, method, [_kept(result) for result in results], milliseconds)


def _kept(result: Result) -> tuple[str, str, float, Jsonb]:
    legs = {leg: asdict(score) for leg, score in result.legs.items()}
    return (result.uri, result.group_id, result.score, Jsonb(legs, dumps=json.dumps))


def save(connection: Connection, generation: Generation, state: str, run_id: str, answers: Sequence[Answer]) -> None:
    """Store an evaluation, what it was made with, its rankings and latencies, in the caller's transaction."""
    asked = sorted({one.asked.benchmark for one in answers})
    (number,) = one_row(
        connection.execute(
            "insert into evaluations (fingerprint, generation, run_id, package_version, search_version, "
            "metrics_version, benchmarks) values (%s, %s, %s, %s, %s, %s, "
            "(select jsonb_object_agg(benchmark, digest) from benchmarks where benchmark = any(%s))) "
            "returning evaluation",
            (state, generation.number, run_id, version("imagerag"), SEARCH_VERSION, METRICS_VERSION, asked),
        )
    )
    results = (
        (number, one.asked.benchmark, one.method, one.asked.query_id, rank, *result)
        for one in answers
        for rank, result in enumerate(one.results, start=1)
    )
    upsert(connection, "retrieval_runs", _RUN_COLUMNS, _RUN_COLUMNS[:5], results)
    latencies = ((number, one.asked.benchmark, one.method, one.asked.query_id, one.milliseconds) for one in answers)
    upsert(connection, "query_latencies", _LATENCY_COLUMNS, _LATENCY_COLUMNS[:4], latencies)
