"""Markdown tables for Dagster's metadata. What a cell says comes from files, text in images and error messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# As numeric references no character of a cell means anything to a Markdown parser. With a backslash parsers disagree:
# to some the pipe of `\\|` ends the cell, to others it does not.
_INERT = str.maketrans({character: f"&#{ord(character)};" for character in "&<>|\\`*_~[]"})


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, numbers: int = 0) -> str:
    """A table whose cells cannot break out of it; the last `numbers` columns are set flush right."""
    rules = [" --- "] * (len(header) - numbers) + [" ---: "] * numbers
    lines = [_line(header), f"|{'|'.join(rules)}|", *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(values: Sequence[Any]) -> str:
    return f"| {' | '.join(_cell(value) for value in values)} |"


def _cell(value: Any) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else str(value)
    return " ".join(text.translate(_INERT).split())
