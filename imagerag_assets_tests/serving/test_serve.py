"""imagerag serve as people start it: a process of its own, that says where it is and ends when it is told to."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner

from imagerag_assets.errors import SettingsError
from imagerag_assets.serving import cli


def run(*arguments: str) -> None:
    """The command in this process, for what ends before it serves."""
    CliRunner().invoke(cli.app, ["serve", *arguments], catch_exceptions=False)


@pytest.fixture
def write(tmp_path: Path, new_database_url: Callable[[], str]) -> Callable[..., Path]:
    """Writes settings with these values for `serving`."""

    def make(**values: object) -> Path:
        settings = {
            "database": {"url": new_database_url()}, "collections": [{"name": "shop", "source": "."}],
            "serving": values,
        }  # fmt: skip
        (tmp_path / "imagerag.yaml").write_text(yaml.safe_dump(settings))
        return tmp_path / "imagerag.yaml"

    return make


def test_it_listens_answers_and_ends_cleanly_when_it_is_interrupted(write: Callable[..., Path]) -> None:
    settings = write(authentication="off")
    child = subprocess.Popen(
        [sys.executable, "-m", "imagerag_assets.serving.cli", "serve", "--port", "0", "--settings", str(settings)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        assert child.stdout is not None
        url = re.findall(r"http://\S+", child.stdout.readline())[0]
        with httpx.Client(base_url=url, trust_env=False, transport=httpx.HTTPTransport(retries=5)) as client:
            assert client.get("/healthz").json() == {"status": "ok"}
            assert client.get("/readyz").status_code == 503
            with pytest.raises(SettingsError, match="cannot listen there"):
                run("--port", url.rpartition(":")[2], "--settings", str(settings))
            child.send_signal(signal.SIGINT)
            out, err = child.communicate(timeout=20)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 0, err
    assert "Ended." in out
    assert "Traceback" not in err
    assert '"route": "/healthz"' in err


def test_it_does_not_serve_others_without_authentication(write: Callable[..., Path]) -> None:
    with pytest.raises(SettingsError, match=r"serving\.authentication is off"):
        run("--host", "0.0.0.0", "--settings", str(write(authentication=False)))  # noqa: S104
