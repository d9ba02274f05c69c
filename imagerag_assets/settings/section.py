"""What every section of the settings has in common."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict


def usable_cores() -> int:
    """Processor cores that this process may use: a container often gets fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Section(BaseModel):
    """Immutable, and without unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def check_language_codes(value: tuple[str, ...]) -> tuple[str, ...]:
    """Give the codes back; `ValueError` when there are none, or one cannot be Tesseract's."""
    if not value or any(not code.replace("_", "").isalnum() for code in value):
        raise ValueError("needs one or more Tesseract language codes such as eng or chi_sim")
    return value
