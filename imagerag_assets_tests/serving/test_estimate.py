"""What the pending descriptions will cost, said before a run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from imagerag_assets.serving import cli
from imagerag_assets.serving.estimate import estimate
from imagerag_assets.stages import raw_images, vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.models.fault_server import FaultServer, answer
from imagerag_assets_tests.stages.described import KEY, MakeProject, endpoint, read_by_hand, write_colours


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer().running() as running:
        yield running


def test_before_the_first_run_the_rules_are_asked_and_images_without_ocr_count(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    folders = {"shop": write_colours(tmp_path / "shop", 5), "yard": write_colours(tmp_path / "yard", 7)}
    for number in range(5):
        (folders["yard"] / f"{number:04d}.png").unlink()
    project = make_project(folders, models=endpoint(server.url))
    raw_images.run(project, RunOptions())
    told = estimate(project)
    assert [(one.collection, one.images) for one in told.pending] == [("shop", 5), ("yard", 2)]
    assert "rule" in told.basis
    # gpt-4o: 85 tokens for an image at low detail, some hundred for the prompt, 300 received at 10 USD per million.
    assert told.usd is not None
    assert 7 * 0.003 < told.usd < 7 * 0.007
    assert server.requests == []


def test_after_some_calls_the_measured_average_is_taken_and_it_comes_true(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 12)
    project = make_project({"shop": folder}, models=endpoint(server.url))
    read_by_hand(project)
    server.plan = lambda number, _request: answer(tokens=(1000, 100 + 10 * (number % 2)))
    vlm_descriptions.run(project, RunOptions())
    assert estimate(project).pending == ()

    write_colours(folder, 20)
    read_by_hand(project)
    told = estimate(project)
    assert told.basis == "the average of 12 images"
    assert told.usd is not None
    report = vlm_descriptions.run(project, RunOptions())
    assert report.new == 8
    assert float(told.usd) == pytest.approx(report.cost_usd, rel=0.01)


def test_a_model_without_a_price_is_unknown_and_one_in_process_is_free(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 2)
    project = make_project({"shop": folder}, models=endpoint(server.url, preset="ollama", model="llava"))
    raw_images.run(project, RunOptions())
    assert estimate(project).usd is None
    tags = make_project({"shop": folder}, url=project.settings.database.url)
    assert estimate(tags).usd == 0


def test_the_command_prints_it(
    make_project: MakeProject,
    server: FaultServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_colours(tmp_path / "shop", 3)
    project = make_project({"shop": folder}, models=endpoint(server.url))
    raw_images.run(project, RunOptions())
    file = tmp_path / "imagerag.yaml"
    values = {
        "data_dir": str(tmp_path / "data"), "database": {"url": project.settings.database.url},
        "collections": [{"name": "shop", "source": str(folder)}], "models": endpoint(server.url),
    }  # fmt: skip
    file.write_text(yaml.safe_dump(values))

    def command(*more: str) -> str:
        monkeypatch.setattr("sys.argv", ["imagerag", "estimate", "--settings", str(file), *more])
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert end.value.code in (0, None)
        return capsys.readouterr().out

    printed = command()
    assert "Pending for gpt-4o" in printed
    assert "3 images, about 0.01" in printed
    told = json.loads(command("--json"))
    assert (told["model"], told["collections"][0]["images"]) == ("gpt-4o", 3)
    assert told["usd"] == pytest.approx(sum(one["usd"] for one in told["collections"]))
