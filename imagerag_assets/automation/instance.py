"""The project's own Dagster instance: where it is, and what it last did."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

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


def _home(data_path: Path) -> Path:
    return Path(os.environ.get("DAGSTER_HOME") or data_path / "dagster_home").absolute()
