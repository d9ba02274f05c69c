"""The rules of the house: who may import what, what starts fast, and that Dagster finds the project."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

import imagerag_assets

PACKAGE = Path(imagerag_assets.__file__).parent
ROOT = PACKAGE.parent
DAGSTER_ROOMS = ("assets", "automation", "definitions")

# What each room may import of the package, besides itself. The command line and the graph stand on top of all.
BELOW = {
    "errors": set(),
    "methods": set(),
    "settings": {"errors"},
    "database": {"errors", "settings"},
    "images": {"errors", "settings", "database", "sample"},
    "models": {"errors", "settings", "database", "images", "sample"},
    "retrieval": {"errors", "settings", "database", "images", "models", "methods", "project"},
    "answers": {"errors", "settings", "database", "images", "models", "retrieval", "project"},
    "evaluation": {"errors", "settings", "database", "images", "models", "methods", "retrieval", "project"},
    "project": {"errors", "settings", "database", "images", "models"},
    "stages": {"errors", "settings", "database", "images", "models", "retrieval", "evaluation", "project"},
}


@cache
def modules() -> list[tuple[str, ast.Module]]:
    """(path inside the package, parsed source) of every module."""
    files = sorted(PACKAGE.rglob("*.py"))
    return [(file.relative_to(PACKAGE).as_posix(), ast.parse(file.read_text(encoding="utf-8"))) for file in files]


def imports(tree: ast.AST) -> set[str]:
    """Every module that the source imports, inside functions too."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.add(node.module or "")
            # `from imagerag_assets import settings` names the room among the names.
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: str) -> str:
    return path.partition("/")[0].removesuffix(".py")


def test_only_the_graph_and_the_automation_know_dagster() -> None:
    knowing = {room(path) for path, tree in modules() if any(re.match(r"dagster\b|dagster_", n) for n in imports(tree))}
    assert knowing == set(DAGSTER_ROOMS)


@pytest.mark.parametrize("name", sorted(BELOW))
def test_arrows_between_rooms_run_one_way(name: str) -> None:
    rooms = {room(path) for path, _ in modules()} - {"__init__"}
    for path, tree in modules():
        if room(path) != name:
            continue
        named = {one.split(".")[1] for one in imports(tree) if one.startswith("imagerag_assets.")}
        assert (named & rooms) - {name} <= BELOW[name], path


def test_no_circle_of_rooms_is_allowed() -> None:
    assert list(TopologicalSorter(BELOW).static_order())


def test_every_room_is_known_here() -> None:
    rooms = {room(path) for path, _ in modules()}
    assert rooms == {*BELOW, *DAGSTER_ROOMS, "sample", "serving", "__init__"}


def test_no_room_below_imports_the_graph_or_the_doors() -> None:
    for path, tree in modules():
        if room(path) in {*DAGSTER_ROOMS, "serving"}:
            continue
        named = {one.split(".")[1] for one in imports(tree) if one.startswith("imagerag_assets.")}
        assert not named & {*DAGSTER_ROOMS, "serving"}, path


_LOADED = "import sys, json; {}; print(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"


def loaded_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after the statement."""
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LOADED.format(statement)],
        capture_output=True, text=True, check=True, cwd=ROOT,
    )  # fmt: skip
    return set(json.loads(child.stdout.splitlines()[-1]))


HEAVY = {"torch", "transformers", "sentence_transformers"}


def test_the_command_line_answers_without_loading_anything_heavy() -> None:
    show_help = (
        "from typer.testing import CliRunner; from imagerag_assets.serving.cli import app; "
        "result = CliRunner().invoke(app, ['--help']); assert result.exit_code == 0, result.output; "
        "assert 'materialize' in result.output and 'search' in result.output"
    )
    assert not loaded_after(show_help) & {*HEAVY, "dagster", "numpy", "PIL", "psycopg", "openai"}


def test_the_installed_command_shows_its_help() -> None:
    command = Path(sys.executable).parent / "imagerag"
    child = subprocess.run([command, "--help"], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr
    assert "materialize" in child.stdout


def test_the_code_location_loads_without_a_model_library() -> None:
    loaded = loaded_after("import imagerag_assets.definitions")
    assert "dagster" in loaded
    assert not loaded & {*HEAVY, "openai", "matplotlib"}
    assert not loaded & {"cv2", "scipy", "imagehash", "httpx", "fsspec", "sqlalchemy", "pandas"}


def test_a_process_with_the_code_location_does_not_search_its_definitions_for_garbage() -> None:
    assert loaded_after("import gc, imagerag_assets.definitions; assert gc.get_freeze_count() > 100_000")


def project_file() -> dict[str, dict[str, dict[str, str]]]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"])


def test_every_way_to_the_code_location_names_the_same_module_and_location() -> None:
    (entry,) = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    workspace = (entry["python_module"]["module_name"], entry["python_module"]["location_name"])
    dagster, dg = project_file()["dagster"], project_file()["dg"]["project"]
    assert workspace == (dagster["module_name"], dagster["code_location_name"])
    assert workspace == (dg["code_location_target_module"], dg["code_location_name"])
    assert workspace == ("imagerag_assets.definitions", "imagerag")


@pytest.mark.parametrize(
    "command", ["dagster definitions validate -w workspace.yaml", "dg check defs"], ids=["dagster", "dg"]
)
def test_dagster_itself_finds_the_definitions_valid(command: str, tmp_path: Path) -> None:
    folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "DAGSTER_HOME": str(tmp_path),
        "VIRTUAL_ENV": str(folder.parent),
    }
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    child = subprocess.run(command.split(), capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert child.returncode == 0, child.stdout + child.stderr


def tracked_files() -> list[Path]:
    """Every file of the repository, or of the folder where there is no repository."""
    child = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=False, cwd=ROOT)
    if child.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in child.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_the_host_of_a_package_registry() -> None:
    # Where packages come from is the machine's business: a name here would bypass its mirror.
    # In two halves, so that this file does not find itself.
    hosts = ("pypi" + ".org", "files.python" + "hosted.org", "download." + "pytorch.org", "registry." + "npmjs.org")
    for file in tracked_files():
        if file.suffix in {".safetensors", ".png", ".ttf", ".webp", ".jpg"}:
            continue
        text = file.read_bytes()
        assert not [host for host in hosts if host.encode() in text], file


def test_every_module_opens_with_a_docstring() -> None:
    assert [path for path, tree in modules() if not ast.get_docstring(tree)] == []
