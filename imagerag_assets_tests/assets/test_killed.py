"""dbt killed -9 in the middle of its models, with the run that started it: the next run completes them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imagerag_assets.database.connection import Connection, Database, one_row
from imagerag_assets.project import open_project
from imagerag_assets.stages import benchmark_queries, retrieval_runs
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.evaluation.corpus import compute
from imagerag_assets_tests.pictures import write_pictures
from imagerag_assets_tests.stages import graph
from imagerag_assets_tests.stages.test_killed import write_benchmark, write_settings

MODELS = ("stg_results", "stg_grades", "stg_judgements", "stg_missing_judgements", "query_metrics", "eval_metrics")


def test_a_build_of_dbt_that_is_killed_is_completed_by_the_next_run(
    tmp_path: Path, new_database_url: Callable[[], str]
) -> None:
    folder = write_pictures(tmp_path / "shop", range(6))
    settings = write_settings(tmp_path / "settings.yaml", folder, new_database_url(), write_benchmark(tmp_path))
    project = open_project(settings)
    graph.run_all(project)
    benchmark_queries.run(project)
    retrieval_runs.run(project, RunOptions(), "run")

    child = start(settings, tmp_path)
    wait_until("dbt never began", child, lambda: tables(project.database))
    with project.database.connect() as connection:
        # Of the models only query_metrics reads this table: it has to wait, with its upstream models built and tested.
        # What asks whether there is something to measure reads it too, so it is free until dbt has begun.
        connection.execute("lock table query_latencies in access exclusive mode")
        wait_until("dbt never came to query_metrics", child, lambda: is_awaited(connection, "query_latencies"))
        os.killpg(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        assert tables(project.database) == {"stg_results", "stg_grades", "stg_judgements", "stg_missing_judgements"}

    again = start(settings, tmp_path)
    said = again.communicate()[0]
    assert again.returncode == 0, said
    found = measured(project.database)
    with project.database.connect() as connection:
        connection.execute("drop schema imagerag_eval cascade")
    compute(project.database, tmp_path / "target")
    assert found == measured(project.database)
    assert all(found.values())
    project.database.close()


def start(settings: Path, home: Path) -> subprocess.Popen[str]:
    """The command in a process group of its own, for dbt is its child."""
    return subprocess.Popen(
        [sys.executable, "-m", "imagerag_assets.serving.cli", "materialize", *MODELS, "--settings", str(settings)],
        env={**os.environ, "DAGSTER_HOME": str(home / "dagster_home")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_until(otherwise: str, child: subprocess.Popen[str], happened: Callable[[], object]) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        assert child.poll() is None, child.communicate()[0]
        if happened():
            return
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGKILL)
    raise AssertionError(otherwise)


def is_awaited(connection: Connection, table: str) -> bool:
    # Not pg_stat_activity: a transaction sees it as it was at the first look.
    query = "select count(*) from pg_locks where relation = %s::regclass and not granted"
    return bool(one_row(connection.execute(query, (table,)))[0])


def tables(database: Database) -> set[str]:
    with database.connect() as connection:
        rows = connection.execute("select tablename from pg_tables where schemaname = 'imagerag_eval'").fetchall()
    return {row[0] for row in rows}


def measured(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every model's rows."""
    with database.connect() as connection:
        return {
            name: connection.execute(f"select * from imagerag_eval.{name} order by 1, 2, 3, 4, 5, 6").fetchall()
            for name in ("stg_results", "query_metrics", "eval_metrics")
        }
