"""show and the pictures in a terminal."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image
from rich.console import Console

from imagerag_assets.project import Project
from imagerag_assets.serving import cli, inline
from imagerag_assets.serving.inline import protocol_of, show_picture
from imagerag_assets_tests.retrieval.corpus import Picture, build, content_of

MakeProject = Callable[..., Project]
Run = Callable[..., tuple[int, str]]


def picture() -> bytes:
    buffer = io.BytesIO()
    drawn = Image.new("RGB", (4, 4), "red")
    drawn.paste("blue", (0, 2, 4, 4))
    drawn.save(buffer, "PNG")
    return buffer.getvalue()


def terminal(columns: int = 80) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system="truecolor", width=columns)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def imagerag(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    project = make_project({"shop": tmp_path})
    build(project, [Picture("mug.png", ocr="[red]best mug", description="a mug")])
    with project.database.connect() as connection:
        connection.execute("update contents set thumbnail = %s", (picture(),))
    settings = tmp_path / "imagerag.yaml"
    collection = {"name": "shop", "source": str(tmp_path)}
    settings.write_text(
        yaml.safe_dump({"database": {"url": project.settings.database.url}, "collections": [collection]})
    )

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["imagerag", *arguments, "--settings", str(settings)])
        try:
            cli.main()
        except SystemExit as ended:
            streams = capsys.readouterr()
            return int(ended.code or 0), streams.out + streams.err
        raise AssertionError("a command ends with its code")

    return run


def test_an_image_is_shown_with_its_facts_and_no_picture_where_there_is_no_terminal(imagerag: Run) -> None:
    code, told = imagerag("show", "shop/mug.png")
    assert code == 0
    for part in (content_of("mug.png"), "[red]best mug", "a mug", "100 × 50 pixels", "indexed"):
        assert part in told
    assert "\x1b" not in told
    assert "▀" not in told
    code, told = imagerag("show", content_of("mug.png")[:8], "--json")
    assert (code, json.loads(told)["uri"]) == (0, "mug.png")


def test_an_unknown_image_and_an_empty_search_end_with_code_3(imagerag: Run) -> None:
    code, told = imagerag("show", "shop/none.png")
    assert code == 3
    assert "no image" in told
    assert imagerag("search", "zebra", "--method", "text")[0] == 3
    assert imagerag("search", "zebra", "--method", "text", "--json") == (3, "[]\n")
    assert imagerag("search", "mug", "--method", "text", "--thumbnails")[0] == 0


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM_PROGRAM": "WezTerm", "TERM": "xterm-256color"}, "iterm2"),
        ({"TERM": "xterm-256color"}, "blocks"),
        ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app"}, "blocks"),
    ],
)
def test_a_terminal_is_spoken_to_in_its_own_protocol(environment: dict[str, str], protocol: str) -> None:
    assert protocol_of(terminal(), environment) == protocol


def test_a_pipe_and_a_terminal_without_colours_get_no_picture() -> None:
    assert protocol_of(Console(file=io.StringIO()), {"TERM": "xterm-kitty"}) is None
    assert protocol_of(Console(file=io.StringIO(), force_terminal=True, color_system=None), {}) is None


def test_half_blocks_hold_two_pixels_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "protocol_of", lambda _console: "blocks")
    console = terminal()
    show_picture(console, picture())
    above, below = written(console).splitlines()
    assert above.count("▀") == below.count("▀") == 4
    assert "38;2;254;0;0" in above or "38;2;255;0;0" in above
    assert "0;0;25" in below


def test_kittys_picture_is_sent_in_chunks_that_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inline, "protocol_of", lambda _console: "kitty")
    noise = io.BytesIO()
    Image.effect_noise((120, 120), 90).save(noise, "PNG")
    console = terminal()
    show_picture(console, noise.getvalue())
    chunks = written(console).strip().split("\x1b\\")[:-1]
    assert len(chunks) > 1
    assert chunks[0].startswith("\x1b_Ga=T,f=100,c=40,q=2,m=1;")
    assert chunks[-1].startswith("\x1b_Gm=0;")
    assert max(map(len, chunks)) < 4096 + 40
