"""vlm_descriptions against `transformers serve`: an OpenAI-compatible server that this project did not write."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagerag_assets.database.connection import one_row
from imagerag_assets.errors import StageError
from imagerag_assets.stages import vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.models.fault_server import GOOD
from imagerag_assets_tests.models.tiny_vlms import llava
from imagerag_assets_tests.stages.described import (
    MakeProject,
    endpoint,
    failures,
    outcomes,
    read_by_hand,
    write_colours,
)


@contextmanager
def serving(log: Path) -> Iterator[str]:
    """The server's URL. It loads the model that a request names, here a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = Path(sys.executable).parent / "transformers"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as file:
        server = subprocess.Popen(
            [command, "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"],
            stdout=file, stderr=file, env=environment,
        )  # fmt: skip
        try:
            for _ in range(240):
                assert server.poll() is None, log.read_text()
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                    break
                except OSError:
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("serve") / "log.txt") as address:
        yield address


def describer(url: str, model: Path) -> dict[str, dict[str, object]]:
    return endpoint(url, preset="compatible", model=str(model), max_output_tokens=16, concurrency=3)


def test_a_model_that_answers_describes_every_image(make_project: MakeProject, url: str, tmp_path: Path) -> None:
    model = llava(tmp_path / "model", json.dumps(GOOD))
    project = make_project({"shop": write_colours(tmp_path / "shop", 5)}, models=describer(url, model))
    read_by_hand(project, "PART 4001")
    report = vlm_descriptions.run(project, RunOptions())
    assert (report.new, report.failed, report.pending) == (5, 0, 0)
    with project.database.connect() as connection:
        assert outcomes(connection) == {"ok": 5}
        row = one_row(
            connection.execute(
                "select general, key_elements, visible_text, category, tags from vlm_descriptions limit 1"
            )
        )
        call = one_row(connection.execute("select tokens_in > 300, tokens_out, cost_usd from model_calls limit 1"))
    assert row == (
        GOOD["general_description"], GOOD["key_elements"], "PART 4001", "machine part", ["blue", "part"],
    )  # fmt: skip
    assert call == (True, 2, None)
    assert vlm_descriptions.run(project, RunOptions()).worked == 0


def test_a_random_model_is_asked_to_put_it_right_and_fails_its_images(
    make_project: MakeProject, url: str, tmp_path: Path
) -> None:
    model = llava(tmp_path / "model")
    project = make_project({"shop": write_colours(tmp_path / "shop", 4)}, models=describer(url, model))
    read_by_hand(project)
    report = vlm_descriptions.run(project, RunOptions())
    assert (report.new, report.failed, report.pending) == (0, 4, 4)
    with project.database.connect() as connection:
        # It runs on until it is cut off.
        assert outcomes(connection) == {"cut_off": 8}
        assert all(told.startswith("invalid_answer: ") for told in failures(connection).values())


def test_a_model_that_the_server_does_not_have_marks_no_image(
    make_project: MakeProject, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerag_assets.models.describers.endpoint._FIRST_WAIT_SECONDS", 0.02)
    folder = write_colours(tmp_path / "shop", 4)
    project = make_project({"shop": folder}, models=describer(url, tmp_path / "nothing"))
    read_by_hand(project)
    # This server answers 500 for it, where others answer 404.
    with pytest.raises(StageError, match="server_error"):
        vlm_descriptions.run(project, RunOptions())
    with project.database.connect() as connection:
        assert failures(connection) == {}
