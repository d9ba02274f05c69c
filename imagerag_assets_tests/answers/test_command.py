"""`imagerag ask` on a terminal and in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from PIL import Image

from imagerag_assets.project import Project
from imagerag_assets.serving import cli
from imagerag_assets_tests.models.fault_server import FaultServer, streamed
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, shop_project
from imagerag_assets_tests.stages.described import KEY

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def shop(make_shared_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("files")
    Image.new("RGB", (9, 9)).save(folder / "mug.png")
    project = shop_project(make_shared_project, folder)
    build(
        project, [Picture("mug.png", "[bold]offer[/bold] \x1b[31m", "A red mug."), Picture("lamp.png", "", "A lamp.")]
    )
    return project


@pytest.fixture
def imagerag(shop: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `imagerag ask` in this process; gives the exit code and both streams."""

    def run(*arguments: str, answerer: dict[str, str] | None = None) -> tuple[int, str, str]:
        values = {
            "database": {"url": shop.settings.database.url},
            "collections": [{"name": one.name, "source": one.source} for one in shop.settings.collections],
            "models": {"answerer": answerer} if answerer else {},
        }
        file = tmp_path / "imagerag.yaml"
        file.write_text(yaml.safe_dump(values))
        monkeypatch.setattr(sys, "argv", ["imagerag", "ask", *arguments, "--settings", str(file)])
        capsys.readouterr()
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer().running() as running:
        yield running


def test_an_answer_is_printed_with_its_sources_and_markup_stays_text(imagerag: Run) -> None:
    code, text, _ = imagerag("offer", "--where", "uri=mug.png")
    assert code == 0
    assert "No language model is configured" in text
    assert "(bold)offer(/bold)" in text
    assert "\x1b" not in text
    assert "[1] shop/mug.png" in text


def test_what_the_images_do_not_answer_has_an_exit_code_of_its_own(imagerag: Run) -> None:
    code, text, _ = imagerag("mug", "--where", "uri=nowhere.png")
    assert code == 3
    assert "do not answer" in text


def test_json_holds_the_whole_answer_and_nothing_else(imagerag: Run) -> None:
    code, text, _ = imagerag("mug", "--collection", "shop", "--json")
    assert code == 0
    told = json.loads(text)
    assert told["extractive"] is True
    assert [one["number"] for one in told["citations"]] == [1, 2]


def test_the_models_answer_its_sources_and_its_cost_are_told(imagerag: Run, server: FaultServer) -> None:
    server.script(streamed("It is red [1], see [8]."))
    answerer = {"preset": "openai", "base_url": server.url, "model": "gpt-4o"}
    code, text, told = imagerag("what colour is the mug?", "--limit", "1", answerer=answerer)
    assert code == 0
    assert "It is red [1], see." in text
    assert "gpt-4o cited [8]" in told
    assert "0.0035 USD" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("  ",), "Nothing is asked"),
        (("mug", "--image", "none.png"), "no file none.png"),
        (("mug", "--like", "shop/none.png"), "no image 'shop/none.png'"),
        (("mug", "--where", "nonsense"), "has no meaning"),
        (("mug", "--where", "colour=red"), "No image has 'colour'"),
        (("mug", "--collection", "attic"), "no collection 'attic'"),
    ],
)
def test_what_makes_no_sense_is_one_message(imagerag: Run, arguments: tuple[str, ...], message: str) -> None:
    code, _, told = imagerag(*arguments)
    assert code == 1
    assert message in " ".join(told.split())
    assert told.count("Error:") == 1
