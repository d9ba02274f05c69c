"""Old runs go with their logs; what is needed or not finished stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from imagerag_assets.automation.prune import prune, prune_runs

LATER = timedelta(minutes=1)


@dg.asset
def one() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"ballast": "x" * 100_000})


@dg.asset
def other() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"ballast": "x" * 100_000})


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance on SQLite files, as `make dev` has it."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def run(instance: dg.DagsterInstance, *assets: dg.AssetsDefinition) -> str:
    return dg.materialize(assets, instance=instance).run_id


def left(instance: dg.DagsterInstance) -> set[str]:
    return {one.run_id for one in instance.get_runs()}


def test_what_ended_before_the_limit_goes_but_for_the_newest_materialization_of_every_asset(
    instance: dg.DagsterInstance,
) -> None:
    first, newest_of_other, newest_of_one = (run(instance, *of) for of in ((one, other), (other,), (one,)))
    running = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED).run_id
    starting = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTING).run_id
    failed = create_run_for_test(instance, status=dg.DagsterRunStatus.FAILURE).run_id
    everything = {first, newest_of_other, newest_of_one, running, starting, failed}

    assert prune(instance, datetime.now(UTC) - timedelta(days=1)) == 0
    assert left(instance) == everything

    assert prune(instance, datetime.now(UTC) + LATER) == 2
    assert left(instance) == everything - {first, failed}
    for asset, run_id in ((one, newest_of_one), (other, newest_of_other)):
        event = instance.get_latest_materialization_event(asset.key)
        assert event is not None
        assert event.run_id == run_id


def test_the_disk_space_of_a_deleted_run_comes_back(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    old, _ = run(instance, one), run(instance, one)
    assert list(tmp_path.rglob(f"*{old}*"))
    prune(instance, datetime.now(UTC) + LATER)
    assert list(tmp_path.rglob(f"*{old}*")) == []


def test_the_job_keeps_ninety_days_unless_it_is_told_otherwise(instance: dg.DagsterInstance) -> None:
    old, newest = run(instance, one), run(instance, one)
    kept = prune_runs.execute_in_process(instance=instance)
    assert {old, newest} <= left(instance)
    config = {"ops": {"delete_old_runs": {"config": {"days": 0}}}}
    pruned = prune_runs.execute_in_process(instance=instance, run_config=config)
    # The job's own earlier run made no asset, and its present one was running.
    assert left(instance) == {newest, pruned.run_id}
    assert kept.success
    assert pruned.success
