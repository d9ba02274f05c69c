"""docs/settings.md against the code: every setting is there, with its default, and none that is not."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from imagerag_assets.settings import Answerer, Describer, Escalation, Judge, Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
ENDPOINTS = (Answerer, Judge, Escalation)
# What no literal says.
TOLD = {"workers": "the cores", "storage_options": "none", "collections_usd": "none"}


def settings(section: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, FieldInfo]]:
    """(path, name, field) of every setting. Other endpoints stand for themselves: their keys are the describer's."""
    for name, field in section.model_fields.items():
        inside = next((one for one in (field.annotation, *get_args(field.annotation)) if is_section(one)), None)
        if field.exclude:
            continue
        if inside is None or inside in ENDPOINTS:
            yield f"{prefix}{name}", name, field
        else:
            many = "[]" if get_origin(field.annotation) is tuple else ""
            yield from settings(inside, f"{prefix}{name}{many}.")


def is_section(kind: Any) -> bool:
    return inspect.isclass(kind) and issubclass(kind, BaseModel)


def shown(name: str, field: FieldInfo) -> str:
    """A default as the page writes it."""
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        return TOLD[name]
    value = field.default
    if value is None or value in ((), ""):
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,g}" if isinstance(value, float) else f"{value:,}"
    if isinstance(value, tuple):
        return ", ".join(f"`{one}`" for one in value)
    if isinstance(value, dict):
        return ", ".join(f"`{key}: {one}`" for key, one in value.items())
    return f"`{value}`"


def test_the_page_has_every_setting_with_its_default() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.*?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {path: default for path, default, _ in rows} == {
        path: shown(name, field) for path, name, field in settings(Settings)
    }
    assert len({path for path, _, _ in rows}) == len(rows)
    for endpoint in ENDPOINTS:
        assert set(endpoint.model_fields) == set(Describer.model_fields)
