"""The sensor of the Batch API: quiet while nothing is out, one run when something came back, again when that failed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.test_utils import create_run_for_test
from hypothesis import given
from hypothesis import strategies as st

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.batch_results import Asked, batch_results, decide
from imagerag_assets.automation.sensors import MAXIMUM_ATTEMPTS
from imagerag_assets.definitions import build_defs
from imagerag_assets.project import open_project
from imagerag_assets_tests.models.batch_server import BatchServer
from imagerag_assets_tests.stages.described import KEY, endpoint, read_by_hand, write_colours


@given(st.lists(st.text(max_size=5)), st.integers(0, 9))
def test_what_was_asked_survives_its_text(batches: list[str], attempt: int) -> None:
    asked = Asked(tuple(batches), attempt)
    assert Asked.parse(asked.dump()) == asked


def test_a_run_is_asked_for_five_times_at_most_and_anew_when_another_batch_comes_back() -> None:
    asked, keys = Asked(), set()
    for _ in range(MAXIMUM_ATTEMPTS):
        asked, reason = decide(asked, ["b"], "failed")
        assert not reason
        keys.add(asked.run_key)
    assert len(keys) == MAXIMUM_ATTEMPTS
    assert "see why they failed" in decide(asked, ["b"], "failed")[1]
    assert decide(asked, ["c", "b"], "failed") == (Asked(("b", "c"), 1), "")
    assert "still under way" in decide(asked, ["c", "b"], "under way")[1]
    assert "No batch" in decide(asked, [], "succeeded")[1]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with BatchServer().running() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, new_database_url: Callable[[], str], server: BatchServer) -> Path:
    values = {
        "data_dir": str(tmp_path / "data"), "database": {"url": new_database_url()},
        "collections": [{"name": "shop", "source": str(write_colours(tmp_path / "shop", 3))}],
        "models": endpoint(server.url, batch=True),
    }  # fmt: skip
    file = tmp_path / "imagerag.yaml"
    file.write_text(yaml.safe_dump(values))
    read_by_hand(open_project(file))
    return file


def tick(instance: dg.DagsterInstance, settings: Path, cursor: str | None) -> dg.SensorResult | dg.SkipReason:
    context = dg.build_sensor_context(
        instance=instance, cursor=cursor, resources={"project": ProjectResource(settings_file=str(settings))}
    )
    result = batch_results(context)
    assert isinstance(result, dg.SensorResult | dg.SkipReason)
    return result


def describe(instance: dg.DagsterInstance, settings: Path) -> dict[str, dg.MetadataValue]:
    """The asset's metadata after a run of the job that the sensor asks for, up to the descriptions."""
    defs = build_defs(resources={"project": ProjectResource(settings_file=str(settings))})
    result = defs.resolve_job_def("collect_descriptions").execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey("vlm_descriptions")]
    )
    (event,) = (one for one in result.all_events if one.is_step_materialization)
    return dict(event.step_materialization_data.materialization.metadata)


def test_a_tick_asks_for_a_run_once_something_has_come_back_and_nobody_before(
    settings: Path, server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        quiet = tick(instance, settings, None)
        assert isinstance(quiet, dg.SensorResult)
        assert (bool(quiet.skip_reason), server.calls) == (True, [])

        told = describe(instance, settings)
        assert (told["waiting"].value, told["batches"].value) == (3, "3 submitted, waiting")
        assert (told["pending"].value, told["failed"].value) == (3, 0)
        assert "| openai | gpt-4o | batch&#95;0 |" in str(told["batches_out"].value)
        server.calls.clear()
        waits = tick(instance, settings, quiet.cursor)
        assert isinstance(waits, dg.SensorResult)
        assert waits.skip_reason
        assert server.calls == [("GET", "/batches/batch_0")]

        server.finish()
        asks = tick(instance, settings, waits.cursor)
        assert isinstance(asks, dg.SensorResult)
        (request,) = asks.run_requests or []
        create_run_for_test(
            instance, tags={"dagster/run_key": str(request.run_key)}, status=dg.DagsterRunStatus.FAILURE
        )
        again = tick(instance, settings, asks.cursor)
        assert isinstance(again, dg.SensorResult)
        assert (again.run_requests or [])[0].run_key != request.run_key

        told = describe(instance, settings)
        assert told["new"].value == 3
        assert "waiting" not in told
        server.calls.clear()
        done = tick(instance, settings, again.cursor)
        assert isinstance(done, dg.SensorResult)
        assert (bool(done.skip_reason), server.calls) == (True, [])


def test_a_server_that_is_down_is_told_and_fails_no_tick(
    settings: Path, server: BatchServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        describe(instance, settings)
        server.close()
        told = tick(instance, settings, None)
        assert isinstance(told, dg.SkipReason)
        assert "cannot be reached" in str(told.skip_message)
        monkeypatch.delenv("OPENAI_API_KEY")
        told = tick(instance, settings, None)
        assert isinstance(told, dg.SkipReason)
        assert "OPENAI_API_KEY" in str(told.skip_message)
