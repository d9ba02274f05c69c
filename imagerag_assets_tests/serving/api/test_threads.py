"""Threads for blocking work: never more than so many, and what is given up ends in the database too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from imagerag_assets.database.connection import Database
from imagerag_assets.database.deadlines import time_limit
from imagerag_assets.errors import TimeLimitError
from imagerag_assets.project import Project
from imagerag_assets.serving.api.problems import ProblemError
from imagerag_assets.serving.api.threads import Threads
from imagerag_assets_tests.serving.api.server import is_problem, serving


def refused(threads: Threads, work: Callable[[], object], seconds: float) -> ProblemError:
    with pytest.raises(ProblemError) as told:
        anyio.run(threads.run, work, seconds)
    assert told.value.status == 503
    assert told.value.headers["Retry-After"]
    return told.value


def test_work_that_is_given_up_keeps_its_thread_and_no_further_one_is_begun() -> None:
    threads, go_on, begun = Threads(2, 1, "test"), threading.Event(), []

    def stuck() -> None:
        begun.append(threading.get_ident())
        go_on.wait(30)

    async def ask() -> list[str]:
        told = []

        async def one() -> None:
            try:
                await threads.run(stuck, 0.3)
            except ProblemError as error:
                told.append(error.name)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one)
        return told

    # Two at work, one waiting; the others are told at once.
    assert anyio.run(ask) == ["busy", "busy", "timeout", "timeout", "timeout"]
    assert refused(threads, lambda: begun.append(0), 0.2).name == "timeout"
    assert len(begun) == 2
    go_on.set()
    assert anyio.run(threads.run, threading.active_count, 10)
    # What nobody waited for any more was never begun.
    assert len(begun) == 2
    threads.close()


def test_a_statement_ends_when_the_time_is_over_and_no_other_is_begun(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("select 1")
    begun = time.monotonic()
    with time_limit(0.3):
        with pytest.raises(TimeLimitError, match="time for this is over"), database.connect() as connection:
            connection.execute("select pg_sleep(20)")
        with pytest.raises(TimeLimitError), database.connect():
            pass
    assert time.monotonic() - begun < 10
    # The connection is good for others, without a limit.
    with database.connect() as connection:
        assert connection.execute("select current_setting('statement_timeout')").fetchone() == ("0",)


def test_a_search_that_takes_too_long_is_not_searched_for_any_further(
    make_project: Callable[..., Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, ended = make_project({"shop": tmp_path}, serving={"timeout_seconds": 0.5}), threading.Event()

    def slow(*_arguments: object, **_values: object) -> None:
        try:
            with project.database.connect() as connection:
                connection.execute("select pg_sleep(20)")
        finally:
            ended.set()

    monkeypatch.setattr("imagerag_assets.serving.api.routes.search.search", slow)
    with serving(project, "read") as client:
        is_problem(client.post("/search", json={"text": "x"}), 503, "timeout")
        assert ended.wait(10)
