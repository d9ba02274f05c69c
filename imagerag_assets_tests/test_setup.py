"""What `make` does before the package is there; stand-ins take the place of what would change this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")


def script(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def make(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    hidden = {"DAGSTER_HOME", "IMAGERAG_SETTINGS", "IMAGERAG_DATA_DIR", "MAKEFLAGS", "MAKELEVEL"}
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout's Makefile in a folder with a space; `python` there notes how it was called and makes .venv."""
    folder = tmp_path / "my images"
    folder.mkdir()
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "pyproject.toml").touch()
    script(folder / ".ci" / "system-packages", "exit 0")
    (folder / ".ci" / "constraints.txt").touch()
    working = "mkdir -p .venv/bin; rm -f .venv/bin/python; printf '#!/bin/sh\\nexit 0\\n' > .venv/bin/python"
    script(folder / "python", f'echo "$@" >> calls; {working}; chmod +x .venv/bin/python')
    return folder


def calls(checkout: Path) -> list[str]:
    file = checkout / "calls"
    return file.read_text().splitlines() if file.exists() else []


def test_an_environment_without_pip_is_mended_and_keeps_what_it_has(checkout: Path) -> None:
    script(checkout / ".venv" / "bin" / "python", "exit 1")
    done = make(checkout, "setup", "PYTHON=./python")
    assert done.returncode == 0, done.stderr
    assert calls(checkout) == ["-m venv .venv"]
    assert (checkout / ".venv" / ".installed").exists()


def test_an_environment_whose_python_is_gone_is_made_from_nothing(checkout: Path) -> None:
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    done = make(checkout, "setup", "PYTHON=./python")
    assert done.returncode == 0, done.stderr
    assert calls(checkout) == ["-m venv --clear .venv"]


def test_an_environment_that_works_is_not_made_again(checkout: Path) -> None:
    script(checkout / ".venv" / "bin" / "python", "exit 0")
    assert make(checkout, "setup", "PYTHON=./python").returncode == 0
    assert calls(checkout) == []


def test_make_dev_uses_the_command_lines_instance_in_a_folder_with_a_space(checkout: Path) -> None:
    script(checkout / ".venv" / "bin" / "python", f'test "$2" = pip || exec "{sys.executable}" "$@"')
    script(checkout / ".venv" / "bin" / "dagster", 'echo "home: $DAGSTER_HOME"')
    (checkout / "imagerag.yaml").write_text("data_dir: my data")
    done = make(checkout, "dev", PYTHONPATH=str(ROOT))
    assert done.returncode == 0, done.stderr
    home = checkout.resolve() / "my data" / "dagster_home"
    assert f"home: {home}\n" in done.stdout
    assert (home / "dagster.yaml").is_file()

    done = make(checkout, "dev", PYTHONPATH=str(ROOT), DAGSTER_HOME=str(checkout / "my home"))
    assert f"home: {checkout / 'my home'}\n" in done.stdout


def install(folder: Path, system: str, *arguments: str, **stand_ins: str) -> subprocess.CompletedProcess[str]:
    """Run .ci/system-packages on a machine that has these commands, no Tesseract and no browser."""
    for name, text in {"uname": f"echo {system}", "id": "echo 0", "env": 'shift; exec "$@"', **stand_ins}.items():
        script(folder / name.replace("_", "-"), text)
    return subprocess.run(
        ["/bin/sh", str(ROOT / ".ci" / "system-packages"), *arguments],
        env={"PATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_apt_that_fails_is_followed_by_what_to_install(tmp_path: Path) -> None:
    done = install(tmp_path, "Linux", apt_get="exit 100")
    assert done.returncode == 1
    assert "apt-get could not install it" in done.stderr
    assert "sudo apt-get install tesseract-ocr tesseract-ocr-eng tesseract-ocr-fra" in done.stderr


def test_old_lists_of_apt_will_do(tmp_path: Path) -> None:
    done = install(tmp_path, "Linux", apt_get='echo "$@" >&2; test "$1" = install')
    assert done.returncode == 0
    assert "install -y -qq tesseract-ocr tesseract-ocr-eng tesseract-ocr-fra" in done.stderr


def test_on_macos_homebrew_installs_it(tmp_path: Path) -> None:
    done = install(tmp_path, "Darwin", brew='echo "$@"')
    assert done.returncode == 0
    assert "install tesseract tesseract-lang" in done.stdout


def test_a_machine_with_neither_is_told_what_to_install(tmp_path: Path) -> None:
    done = install(tmp_path, "Darwin")
    assert done.returncode == 1
    assert "brew install tesseract tesseract-lang" in done.stderr


def test_the_browser_of_the_tests_is_installed_when_it_is_asked_for_and_missing(tmp_path: Path) -> None:
    apt = 'echo "$@" >&2'
    done = install(tmp_path, "Linux", "browser", apt_get=apt)
    assert done.returncode == 0
    assert "install -y -qq chromium" in done.stderr
    assert "tesseract" not in done.stderr
    there = install(tmp_path, "Linux", "browser", apt_get=apt, chromium="exit 0")
    assert (there.returncode, there.stderr) == (0, "")
    (tmp_path / "chromium").unlink()
    failed = install(tmp_path, "Linux", "browser", apt_get="exit 100")
    assert failed.returncode == 1
    assert "sudo apt-get install chromium" in failed.stderr
