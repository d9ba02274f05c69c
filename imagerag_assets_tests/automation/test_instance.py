"""The event log while a run is under way in this process."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from sqlalchemy import text

from imagerag_assets.automation.instance import log_kept_open


@dg.asset
def nothing() -> None:
    pass


def synchronous(storage: SqliteEventLogStorage, run_id: str) -> int:
    with storage.run_connection(run_id) as connection:
        return int(connection.execute(text("pragma synchronous")).scalar())


def test_a_run_keeps_its_event_log_open_and_leaves_it_whole(tmp_path: Path) -> None:
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, SqliteEventLogStorage)
        run_id = "00000000-0000-4000-8000-000000000000"
        journals = [Path(f"{storage.path_for_shard(name)}-wal") for name in ("index", run_id)]
        with log_kept_open(instance, run_id):
            job = dg.Definitions([nothing], jobs=[dg.define_asset_job("job")]).resolve_job_def("job")
            assert job.execute_in_process(instance=instance, run_id=run_id).success
            assert all(journal.is_file() for journal in journals), "nobody closed the files as the last one"
            assert synchronous(storage, run_id) == 1, "normal"
        assert not any(journal.exists() for journal in journals)
        assert synchronous(storage, run_id) == 2, "full, as it was"
        assert instance.get_latest_materialization_event(nothing.key)
        assert [one.dagster_event_type for one in instance.all_logs(run_id)][-1] is dg.DagsterEventType.RUN_SUCCESS
