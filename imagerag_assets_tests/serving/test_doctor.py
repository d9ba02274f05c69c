"""doctor: each matter is told with what to do, and one that fails ends with code 1."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from imagerag_assets.database.connection import Database
from imagerag_assets.models.checkpoints import find_checkpoint
from imagerag_assets.project import Project, _text_encoder_identity
from imagerag_assets.retrieval import search
from imagerag_assets.serving import checkup, cli
from imagerag_assets.serving.checkup import Finding
from imagerag_assets_tests.retrieval.corpus import Picture, build, other_text_model, shop_project

MakeProject = Callable[..., Project]
KEY = "sk-doctor-9c1f2b7e"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["imagerag", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def write(folder: Path, **values: Any) -> str:
    file = folder / "imagerag.yaml"
    source = {"name": "shop", "source": str(folder)}
    file.write_text(yaml.safe_dump({"data_dir": str(folder / "data"), "collections": [source], **values}))
    return str(file)


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IMAGERAG_SETTINGS", "IMAGERAG_DATABASE_URL", "IMAGERAG_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_a_sound_installation_has_nothing_that_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, database: Database
) -> None:
    settings = write(tmp_path, database={"url": database.url})
    code = run(monkeypatch, "--json", "--settings", settings)
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert code == 0, told
    assert told["settings"]["found"].startswith(settings)
    assert "pgvector 0.8" in told["database"]["found"]
    assert told["index"] | {"details": {}} == {
        "name": "index", "state": "warn", "found": "there is none yet", "remedy": "Run: imagerag materialize",
        "details": {},
    }  # fmt: skip
    assert "LGPL" in told["packages"]["details"]["psycopg"]
    assert told["OCR"]["found"].startswith("rapidocr ")
    assert told["image–text model"]["found"].startswith("bundled, sha256:")


def test_an_index_of_other_models_is_searched_and_one_whose_model_is_gone_is_not(
    make_project: MakeProject, tmp_path: Path
) -> None:
    models = {"text": other_text_model(tmp_path / "model")}
    built = shop_project(make_project, tmp_path, models=models)
    build(built, [Picture("a.png", "red mug")])
    assert checkup.index(built).state == "ok"
    project = shop_project(make_project, tmp_path, url=built.settings.database.url)
    told = checkup.index(project)
    assert (told.state, "with its own models" in told.found) == ("warn", True)
    assert search(project, "red mug", method="text")
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    find_checkpoint.cache_clear()
    _text_encoder_identity.cache_clear()
    told = checkup.index(project)
    assert (told.state, "not to be had" in told.found) == ("fail", True)


def test_what_fails_is_told_and_ends_with_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    settings = write(
        tmp_path,
        database={"url": "postgresql://me:hunter2@127.0.0.1:1/images"},
        ocr={"engine": "tesseract", "languages": ["eng", "xyz"]},
        models={"text": str(tmp_path / "none")},
    )
    assert run(monkeypatch, "--settings", settings) == 1
    told = capsys.readouterr().out
    for part in ("no language pack for xyz", "Check that the server runs", "models.text"):
        assert part in told
    assert "hunter2" not in told
    assert told.count("fail ") == 3


def test_settings_that_cannot_be_read_are_a_finding(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(monkeypatch, "--settings", write(tmp_path, tilling={})) == 1
    assert "did you mean tiling?" in capsys.readouterr().out


class _Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Authorization"] == f"Bearer {KEY}" else 401)
        self.end_headers()
        self.wfile.write(f"your key is {self.headers['Authorization']}".encode())

    def log_message(self, *_arguments: Any) -> None: ...


def test_an_endpoint_is_asked_for_its_models_and_its_key_is_never_shown(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = HTTPServer(("127.0.0.1", 0), _Server)
    Thread(target=server.serve_forever, daemon=True).start()
    where = f"http://127.0.0.1:{server.server_port}/v1"
    describer = {"kind": "endpoint", "preset": "openai", "base_url": where, "model": "gpt-4o"}
    answerer = {"preset": "openai", "base_url": where, "model": "gpt-4o"}
    project = make_project({"shop": tmp_path}, models={"describer": describer, "answerer": answerer})

    def look() -> Finding:
        found, other = checkup.endpoints(project)
        assert (found.name, other.name) == ("describer", "answerer")
        assert found.state == other.state
        assert KEY not in f"{found}{other}"
        return found

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert "OPENAI_API_KEY" in look().found
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert look().state == "ok"
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}x")
    assert "refuses the key" in look().found
    server.shutdown()
    server.server_close()
    assert "not reachable" in look().found


def test_a_port_that_is_taken_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(checkup, "PORTS", {"page": taken.getsockname()[1]})
        (found,) = checkup.ports()
    assert found.state == "warn"
    assert "in use" in found.found


def test_a_missing_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda _name: ["pillow>=12", "no-such-package>=1", "numpy>=99"])
    found = checkup.packages()
    assert found.state == "fail"
    assert "no-such-package is missing; numpy" in found.found
