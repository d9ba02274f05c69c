"""imagerag.yaml and the environment → one validated `Settings`. Nothing is opened or loaded here.

Paths in the file are relative to the file's own folder. The environment wins for what is secret or local to a machine:
`IMAGERAG_SETTINGS` (path of the file), `IMAGERAG_DATABASE_URL`, `IMAGERAG_DATA_DIR`.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from imagerag_assets.errors import SettingsError
from imagerag_assets.settings.collections import Collection
from imagerag_assets.settings.project import Settings

FILE_NAME = "imagerag.yaml"


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings file (default: $IMAGERAG_SETTINGS, else imagerag.yaml in the working folder, else defaults).

    Raises `SettingsError` naming the file, the key and the remedy.
    """
    named = path or (Path(os.environ["IMAGERAG_SETTINGS"]) if os.environ.get("IMAGERAG_SETTINGS") else None)
    file = (named or Path(FILE_NAME)).absolute()
    if named is not None and not file.is_file():
        raise SettingsError(f"The settings file {file} does not exist. Create it, or unset IMAGERAG_SETTINGS.")
    values = _read_yaml(file) if file.is_file() else {}
    if "root" in values:
        raise SettingsError(f"{file} is not valid:\n  root: unknown key{_suggestion(('root',))}")
    values["root"] = file.parent
    if url := os.environ.get("IMAGERAG_DATABASE_URL"):
        values["database"] = {"url": url}
    if folder := os.environ.get("IMAGERAG_DATA_DIR"):
        values["data_dir"] = folder
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(file, error)) from None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid YAML: {_without_content(error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{file} must hold keys and values at its top level, not a {type(values).__name__}.")
    return {str(key): value for key, value in values.items()}


def _without_content(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """What is wrong and where, without the line itself: it may hold a password."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    # The parser quotes the names of anchors and tags; what it expected or found instead, as '<stream end>', may stay.
    problem = re.sub(r"(['\"])[^<>]*?\w[^<>]*?\1", "'…'", error.problem or "syntax error")
    return f"{problem}, line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}."


def _explain(file: Path, error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"]) or "settings"
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {where}: unknown key{_suggestion(problem['loc'])}")
        else:
            lines.append(f"  {where}: {problem['msg'].removeprefix('Value error, ')}")
    return f"{file} is not valid:\n" + "\n".join(lines)


def _suggestion(location: tuple[int | str, ...]) -> str:
    """What the unknown key was probably meant to be."""
    section: Any = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = section.model_fields[part]
        # A section that may be left out is a union with None.
        annotation = next(iter(get_args(field.annotation)), field.annotation)
        section = Collection if part == "collections" else annotation
    known = sorted(set(section.model_fields) - {"root"})
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known keys: {', '.join(known)}"
