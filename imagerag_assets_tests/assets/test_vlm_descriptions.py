"""The asset vlm_descriptions in Dagster: cost and budget in its metadata, its check, and no key anywhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.checks import budget_not_reached
from imagerag_assets.definitions import build_defs
from imagerag_assets.project import open_project
from imagerag_assets_tests.models.fault_server import FaultServer, answer, fails
from imagerag_assets_tests.stages.described import KEY, endpoint, read_by_hand, write_colours


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer().running() as running:
        yield running


@pytest.fixture
def settings(tmp_path: Path, new_database_url: Callable[[], str], server: FaultServer) -> Path:
    folder = write_colours(tmp_path / "shop", 6)
    values = {
        "data_dir": str(tmp_path / "data"),
        "database": {"url": new_database_url()},
        "collections": [{"name": "shop", "source": str(folder)}],
        "models": endpoint(server.url),
        "budget": {"day_usd": 0.0145},
    }
    file = tmp_path / "imagerag.yaml"
    file.write_text(yaml.safe_dump(values))
    project = open_project(file)
    read_by_hand(project)
    return file


def run(settings: Path, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    resource = ProjectResource(settings_file=str(settings))
    job = build_defs(resources={"project": resource}).resolve_job_def("index_and_evaluate")
    return job.execute_in_process(
        instance=instance, raise_on_error=False, asset_selection=[dg.AssetKey("vlm_descriptions")]
    )


def test_the_asset_tells_its_costs_and_a_reached_budget_which_the_check_warns_of(settings: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(settings, instance)
        assert result.success
        (event,) = (one for one in result.all_events if one.is_step_materialization)
    metadata = event.step_materialization_data.materialization.metadata
    assert (metadata["new"].value, metadata["pending"].value) == (4, 2)
    assert metadata["cost_usd"].value == metadata["cost_usd_total"].value == pytest.approx(0.014)
    assert metadata["cost_usd_per_image"].value == pytest.approx(0.0035)
    assert str(metadata["budget"].value).startswith("budget.day_usd is reached: 0.0140 of 0.0145 USD")
    assert "| shop | gpt-4o | 4 | 0 | 4 | 4000 | 400 | 0 | 0.0140 | 0.003500 |" in str(metadata["costs"].value)
    checked = budget_not_reached(project=ProjectResource(settings_file=str(settings)))
    assert isinstance(checked, dg.AssetCheckResult)
    assert (checked.passed, checked.severity) == (False, dg.AssetCheckSeverity.WARN)
    with open_project(settings).database.connect() as connection:
        runs = connection.execute("select distinct run_id from model_calls").fetchall()
    assert runs == [(result.run_id,)]

    values = yaml.safe_load(settings.read_text())
    settings.write_text(yaml.safe_dump({**values, "budget": {"day_usd": 1.0}}))
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(settings, instance).success
    checked = budget_not_reached(project=ProjectResource(settings_file=str(settings)))
    assert isinstance(checked, dg.AssetCheckResult)
    assert checked.passed


def test_a_cost_that_nobody_knows_is_told_as_unknown(settings: Path, server: FaultServer) -> None:
    values = yaml.safe_load(settings.read_text())
    settings.write_text(
        yaml.safe_dump({**values, "models": endpoint(server.url, preset="vllm", model="Qwen/Qwen2.5-VL"), "budget": {}})
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(settings, instance)
        (event,) = (one for one in result.all_events if one.is_step_materialization)
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["calls_of_unknown_cost"].value == 6
    assert "| unknown |" in str(metadata["costs"].value)
    assert "no public price" in str(metadata["price"].value)


def test_neither_the_runs_log_nor_its_failure_holds_the_key(
    settings: Path, server: FaultServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spills = [answer(json.dumps({"general": KEY})), fails(401, f"wrong key {KEY}", www_authenticate=KEY)]
    server.plan = lambda number, _request: spills[min(number, 1)]
    (tmp_path / "home").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "home")) as instance:
        result = run(settings, instance)
        assert not result.success
        events = [str(record) for record in instance.all_logs(result.run_id)]
    assert any("refuses the key" in event for event in events)
    assert not [event for event in events if KEY in event]
    assert KEY not in "".join(capfd.readouterr())
    written = [file for file in (tmp_path / "home").rglob("*") if file.is_file()]
    assert written
    assert not [file for file in written if KEY.encode() in file.read_bytes()]
