"""A real run of the graph in this process, recorded in the project's own Dagster instance."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.instance import dagster_home, log_kept_open
from imagerag_assets.automation.jobs import EVERYTHING
from imagerag_assets.definitions import build_defs
from imagerag_assets.errors import SettingsError
from imagerag_assets.project import open_project


@dataclass(frozen=True)
class RunOutcome:
    """What became of a run. `failure` is the one message that says why it failed, empty when it did not.

    `done` is how many items each asset made anew, updated or removed, without those that did nothing; `failed` is how
    many items failed.
    """

    run_id: str
    failure: str
    done: Mapping[str, int]
    failed: int


def _plain(_context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.Logger("imagerag.plain", logging.INFO)
    handler = logging.StreamHandler()
    handler.setFormatter(_OwnLines())
    handler.addFilter(lambda record: not getattr(record, "dagster_meta", {}).get("dagster_event"))
    logger.addHandler(handler)
    return logger


plain = dg.LoggerDefinition(_plain, description="The stages' own lines, without Dagster's prefix.")


class _OwnLines(logging.Formatter):
    """Only what the stage wrote: Dagster prepends job, run and step to every message."""

    def format(self, record: logging.LogRecord) -> str:
        meta = getattr(record, "dagster_meta", {})
        return str(meta.get("orig_message", record.getMessage()))


def materialize(
    settings_file: Path | None = None, assets: Sequence[str] = (), allow_removal: Sequence[str] = ()
) -> RunOutcome:
    """Run all assets, or the named ones, and wait. The collections of `allow_removal` may lose most of their images.

    Errors that a person can mend end up in the outcome; dbt's report goes to dbt.log in the instance's folder.
    Raises `SettingsError` for settings that cannot be read and for an asset that does not exist.
    """
    log = dagster_home(open_project(settings_file).settings.data_path) / "dbt.log"
    resource = ProjectResource(settings_file=str(settings_file.absolute()) if settings_file else "")
    defs = build_defs(resources={"project": resource}, loggers={"plain": plain})
    known = sorted(key.to_user_string() for key in defs.resolve_asset_graph().executable_asset_keys)
    if unknown := sorted(set(assets) - set(known)):
        raise SettingsError(f"There is no asset {unknown[0]}. The graph has: {', '.join(known)}.")
    # dagster-dbt prints dbt's own report to standard output; here the stages' lines are enough.
    run_id = str(uuid.uuid4())
    with (
        dg.DagsterInstance.get() as instance,
        log_kept_open(instance, run_id),
        log.open("a") as file,
        redirect_stdout(file),
    ):
        result = defs.resolve_job_def(EVERYTHING).execute_in_process(
            instance=instance,
            run_id=run_id,
            raise_on_error=False,
            asset_selection=[dg.AssetKey(name) for name in assets] or None,
            run_config={"loggers": {"plain": {}}, **_ingest_config(assets, allow_removal)},
        )
        done = {name: _count(metadata, _CHANGES) for name, metadata in _told(result).items()}
        failed = sum(_count(metadata, ("failed",)) for metadata in _told(result).values())
        return RunOutcome(result.run_id, _failure(result), {name: n for name, n in done.items() if n}, failed)


_CHANGES = ("new", "updated", "removed")
"""Of the counts that `count_metadata` puts on every stage's asset."""


def _told(result: dg.ExecuteInProcessResult) -> dict[str, Mapping[str, dg.MetadataValue]]:
    """What the run said of each asset, in the order of their materializations."""
    found = [e.step_materialization_data.materialization for e in result.all_events if e.is_step_materialization]
    return {one.asset_key.to_user_string(): one.metadata for one in found}


def _count(metadata: Mapping[str, dg.MetadataValue], names: Sequence[str]) -> int:
    """Add up numbers of the metadata; dbt's models and the report have none."""
    values = (metadata[name].value for name in names if name in metadata)
    return sum(value for value in values if isinstance(value, int))


def _ingest_config(assets: Sequence[str], allow_removal: Sequence[str]) -> dict[str, Any]:
    if not allow_removal:
        return {}
    if assets and "raw_images" not in assets:
        raise SettingsError("--allow-removal is for raw_images, which is not among the assets to run.")
    return {"ops": {"raw_images": {"config": {"allow_removal": list(allow_removal)}}}}


def _failure(result: dg.ExecuteInProcessResult) -> str:
    if result.success:
        return ""
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.blocking and check.severity is dg.AssetCheckSeverity.ERROR and check.description:
            return check.description
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data and data.user_failure_data.description:
                return data.user_failure_data.description
            if error := data.error:
                while error.cause:
                    error = error.cause
                return f"{event.step_key}: {error.message.strip()}"
    return "The run failed; see it in the Dagster UI."
