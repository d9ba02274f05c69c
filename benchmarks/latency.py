"""What a search takes, method by method, part by part: the statement alone, the encoder, the library, and HTTP.

    python -m benchmarks.latency --settings imagerag.yaml --rounds 3

The index has to be materialized and to have benchmark queries. All ways answer the same queries in turn in one process,
with models loaded; every answer over HTTP is compared with the library's.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import numpy as np
import psycopg
import uvicorn
from psycopg.rows import tuple_row

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.runs import benchmark_queries
from imagerag_assets.methods import METHODS, Method
from imagerag_assets.project import Project, open_project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import Query, encode_query, search, search_rows
from imagerag_assets.serving.api import keys
from imagerag_assets.serving.api.app import create_app

_WAYS = {
    "statement": "the prepared search statement alone, on a warm connection",
    "encoding": "the query's vectors, nothing remembered",
    "library": "retrieval.search, queries it has not seen",
    "again": "retrieval.search, the same words again: vectors are remembered",
    "http": "POST /search on loopback, with a key, words that are remembered",
}
_KEY = "benchmarks.latency"
_T = TypeVar("_T")
_Taken = dict[str, list[float]]
"""Milliseconds of every query by way."""


class _Recording(psycopg.Cursor[Any]):
    """Keeps what it was asked last, for it to be asked again without anything around it."""

    asked: tuple[Any, Any] = (None, None)

    def execute(self, query: Any, params: Any = None, **options: Any) -> _Recording:
        type(self).asked = (query, params)
        super().execute(query, params, **options)
        return self


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queries", type=int, default=40)
    arguments = parser.parse_args()
    project = open_project(arguments.settings)
    with project.database.connect() as connection:
        live = generations.live(connection)
        asked = [one.text for one in benchmark_queries(connection, live) if one.text]
    texts = asked[:: max(1, len(asked) // arguments.queries)][: arguments.queries]
    taken: dict[Method, _Taken] = {method: {name: [] for name in _WAYS} for method in METHODS}
    with _served(project) as client, project.database.connect() as connection:
        for method in METHODS:
            _ask(project, connection, live, client, "warm up", method, {name: [] for name in _WAYS})
        for number in range(arguments.rounds):
            for text in texts:
                for method in METHODS:
                    # Other words in every round, or they would be remembered.
                    _ask(project, connection, live, client, f"{text} {'.' * number}", method, taken[method])
    _print(taken, len(texts), arguments.rounds)


def _ask(
    project: Project,
    connection: Connection,
    live: Generation,
    client: httpx.Client,
    text: str,
    method: Method,
    taken: _Taken,
) -> None:
    # A space more is another query to the memory of vectors, and the same to the models.
    own = f"{text} {method}"

    def timed(name: str, work: Callable[[], _T]) -> _T:
        started = time.perf_counter()
        found = work()
        taken[name].append((time.perf_counter() - started) * 1000)
        return found

    query = timed("encoding", lambda: encode_query(project, Query(own), method, live))
    connection.cursor_factory = _Recording
    search_rows(connection, project, query, live, method=method, collections=())
    connection.cursor_factory = psycopg.Cursor
    statement, parameters = _Recording.asked
    with connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute(statement, parameters, prepare=True).fetchall()
        timed("statement", lambda: cursor.execute(statement, parameters, prepare=True).fetchall())
    connection.commit()
    found = timed("library", lambda: search(project, own, method=method))
    timed("again", lambda: search(project, own, method=method))
    answer = timed("http", lambda: client.post("/search", json={"text": own, "method": method}))
    answer.raise_for_status()
    if [one["content"] for one in answer.json()["results"]] != [one.content for one in found]:
        raise SystemExit(f"HTTP and the library answer {own!r} by {method} differently.")


@contextmanager
def _served(project: Project) -> Iterator[httpx.Client]:
    """A client of the project's API, served from a thread of this process with a key of its own."""
    with project.database.connect() as connection:
        _, token = keys.create(connection, _KEY, ("read",))
    server = uvicorn.Server(uvicorn.Config(create_app(project), port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {token}"}, timeout=60,
            trust_env=False,
        ) as client:  # fmt: skip
            while client.get("/readyz").status_code != 200:
                time.sleep(0.05)
            yield client
    finally:
        server.should_exit = True
        thread.join(10)
        with project.database.connect() as connection:
            keys.revoke(connection, _KEY)


def _print(taken: dict[Method, _Taken], queries: int, rounds: int) -> None:
    print(f"{queries} queries, {rounds} rounds, milliseconds p50 / p95\n")
    print("| method |", " | ".join(_WAYS), "|")
    print("| --- |", " | ".join("---:" for _ in _WAYS), "|")
    for method, found in taken.items():
        cells = (f"{np.percentile(times, 50):.1f} / {np.percentile(times, 95):.1f}" for times in found.values())
        print(f"| {method} |", " | ".join(cells), "|")
    print("\n" + "\n".join(f"{name}: {what}" for name, what in _WAYS.items()))


if __name__ == "__main__":
    main()
