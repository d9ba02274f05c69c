"""The job that deletes old runs with their logs: Dagster itself never does."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from pydantic import Field

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]


class PruneConfig(dg.Config):
    """How long runs are kept."""

    days: int = Field(default=90, ge=0, description="Runs that ended more than so many days ago are deleted.")


@dg.op(description="Deletes old runs, but those that the assets' newest materializations came from.")
def delete_old_runs(context: dg.OpExecutionContext, config: PruneConfig) -> None:
    before = datetime.now(UTC) - timedelta(days=config.days)
    deleted = prune(context.instance, before)
    context.log.info(f"prune_runs: {deleted} runs deleted that ended before {before:%Y-%m-%d %H:%M} UTC")
    context.add_output_metadata({"deleted": deleted, "ended_before": dg.MetadataValue.timestamp(before)})


def prune(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete what ended before that time and is not needed any more; returns how many runs.

    A run that has not ended is never deleted, nor the newest one that materialized an asset: the asset graph and the
    data versions stand on it.
    """
    ended = instance.get_run_ids(dg.RunsFilter(statuses=_ENDED, updated_before=before))
    newest = [instance.get_latest_materialization_event(key) for key in instance.all_asset_keys()]
    needed = {event.run_id for event in newest if event}
    gone = [run_id for run_id in ended if run_id not in needed]
    for run_id in gone:
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
        _delete_empty_log(instance, run_id)
    return len(gone)


def _delete_empty_log(instance: dg.DagsterInstance, run_id: str) -> None:
    """SQLite keeps a file per run, and one that all rows were deleted from is as large as before."""
    from dagster._core.storage.event_log import SqliteEventLogStorage

    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        file = Path(storage.path_for_shard(run_id))
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)


@dg.job(description="Deletes runs that ended long ago, with their logs.", executor_def=dg.in_process_executor)
def prune_runs() -> None:
    delete_old_runs()


weekly_prune = dg.ScheduleDefinition(
    name="weekly_prune",
    job=prune_runs,
    cron_schedule="15 4 * * 0",
    description="Deletes runs that ended more than 90 days ago, with their logs.",
)
