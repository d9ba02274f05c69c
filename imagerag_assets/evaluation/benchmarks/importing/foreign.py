"""What every form of benchmark is read into, before its images are looked for in a collection."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.model import Query


class Named(NamedTuple):
    """What an image is called elsewhere: any of `names`, or the sha256 of its bytes."""

    names: tuple[str, ...]
    content: str = ""


class ForeignJudgement(NamedTuple):
    """A judgement of `corpus_id`, an id of the benchmark's own."""

    query_id: str
    corpus_id: str
    score: int


@dataclass
class Foreign:
    """A benchmark as it is elsewhere. An image that `images` does not name is looked for under its id."""

    form: str
    queries: list[Query]
    judgements: list[ForeignJudgement]
    images: dict[str, Named] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a .jsonl file with the words that name its place. Raises `BenchmarkError`."""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                where = f"{file}, line {number}"
                if not line.strip():
                    continue
                values = json.loads(line)
                if not isinstance(values, dict):
                    raise BenchmarkError(f"{where} is no object.")
                yield where, values
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{file} cannot be read as UTF-8 text: {error}") from None
    except ValueError as error:
        raise BenchmarkError(f"{where} is not valid JSON: {error}") from None


def whole_number(where: str, name: str, value: object) -> int:
    """A whole number, also as 1.0 or "1". Raises `BenchmarkError`."""
    try:
        number = float(value)  # type: ignore[arg-type]
        if number == int(number):
            return int(number)
    except (TypeError, ValueError, OverflowError):
        pass
    raise BenchmarkError(f"{where}: {name} is {value!r}, not a whole number.")


def names_of(values: dict[str, Any]) -> tuple[str, ...]:
    """What a corpus row says its image is called, the surest first."""
    metadata = values.get("metadata")
    places = [values, metadata if isinstance(metadata, dict) else {}]
    keys = ("uri", "path", "file_name", "filename", "image", "image_path", "url", "title")
    return tuple(
        place[key] for key in keys for place in places if isinstance(place.get(key), str) and place[key].strip()
    )
