"""The project's own Dagster instance: where it is, and what it last did."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import dagster as dg


@dataclass(frozen=True)
class LastRun:
    """The newest run of any job, whoever asked for it. `status` is a word of Dagster's, such as SUCCESS."""

    run_id: str
    job: str
    status: str
    created_at: datetime


def dagster_home(data_path: Path) -> Path:
    """$DAGSTER_HOME, or a folder inside the project's data that is made on first use."""
    home = _home(data_path)
    home.mkdir(parents=True, exist_ok=True)
    file = home / "dagster.yaml"
    if not file.exists():
        file.write_bytes((resources.files("imagerag_assets.automation") / "dagster.yaml").read_bytes())
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def last_run(data_path: Path) -> LastRun | None:
    """The newest run; None where there never was one. Makes nothing."""
    home = _home(data_path)
    if not (home / "dagster.yaml").is_file():
        return None
    with dg.DagsterInstance.from_config(str(home)) as instance:
        records = instance.get_run_records(limit=1)
    if not records:
        return None
    run, created = records[0].dagster_run, records[0].create_timestamp
    return LastRun(run.run_id, run.job_name, run.status.value, created.replace(tzinfo=created.tzinfo or UTC))


@contextmanager
def log_kept_open(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """Keep the event log's files open for that run, and let it wait for the disk less often.

    Dagster opens and closes SQLite for each of a run's hundreds of events. Whoever closes a file as the last one first
    writes its journal back and waits for the disk; so one more connection stays open here. And with a write-ahead log
    "normal" synchronisation is enough: a power cut can take the last events with it, it breaks nothing, and a run that
    it ends is made up for by the next. Together they cost most of the time of a run with nothing to do.
    """
    from dagster._core.storage.event_log import SqliteEventLogStorage
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
    from sqlalchemy import Engine, event

    storage = instance.event_log_storage
    if not isinstance(storage, SqliteEventLogStorage):
        yield
        return
    event.listen(Engine, "connect", _synchronise_normally)
    try:
        with ExitStack() as stack:
            for name in (INDEX_SHARD_NAME, run_id):
                # Dagster makes the run's file when it first opens it.
                with storage.run_connection(name):
                    held = stack.enter_context(closing(sqlite3.connect(storage.path_for_shard(name))))
                # SQLite opens the file only to read it.
                held.execute("select count(*) from sqlite_master").fetchone()
            yield
    finally:
        event.remove(Engine, "connect", _synchronise_normally)


def _synchronise_normally(connection: Any, _record: object) -> None:
    if isinstance(connection, sqlite3.Connection):
        (mode,) = connection.execute("pragma journal_mode").fetchone()
        if mode == "wal":
            connection.execute("pragma synchronous = normal")


def _home(data_path: Path) -> Path:
    return Path(os.environ.get("DAGSTER_HOME") or data_path / "dagster_home").absolute()
