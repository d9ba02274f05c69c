"""A benchmark's files, written whole: whoever reads meanwhile sees the old or the new one, never half."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import yaml
from filelock import FileLock

from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.files import JUDGED, JUDGED_HEADER, QRELS, QRELS_HEADER, QUERIES, RULES
from imagerag_assets.evaluation.benchmarks.model import Judgement, Query, Rules


def folder_lock(folder: Path) -> FileLock:
    """Held by whoever reads a folder's judgements to write them again: the terminal and the web page may both judge."""
    return FileLock(folder / ".lock")


def write_rules(folder: Path, rules: Rules) -> None:
    """Write benchmark.yaml with what is not the default."""
    values = rules.model_dump(mode="json", exclude_defaults=True)
    _write(folder / RULES, yaml.safe_dump(values, sort_keys=False, allow_unicode=True))


def write_queries(folder: Path, queries: Iterable[Query], source: Path | None) -> None:
    """Write queries.jsonl. An example picture is named from the collection's `source`, or copied into the folder."""
    lines = []
    for query in queries:
        metadata = {"kind": query.kind, "language": query.language, "split": query.split}
        values: dict[str, object] = {"_id": query.query_id, "text": query.text}
        if query.image is not None:
            values["image"] = _example(folder, query.image, source)
        values["metadata"] = {name: value for name, value in metadata.items() if value}
        lines.append(json.dumps(values, ensure_ascii=False))
    _write(folder / QUERIES, "".join(f"{line}\n" for line in lines))


def write_qrels(folder: Path, qrels: Sequence[Judgement]) -> None:
    """Write qrels.tsv in this order, and judged.tsv before it: no judgement ever lacks the image that it is about."""
    write_judged(folder, qrels)
    _write_table(folder / QRELS, QRELS_HEADER, ((one.query_id, one.corpus_id, str(one.score)) for one in qrels))


def write_judged(folder: Path, qrels: Iterable[Judgement]) -> None:
    """Write judged.tsv alone: which image each judgement was made on."""
    rows = ((one.query_id, one.corpus_id, one.content) for one in qrels if one.content)
    _write_table(folder / JUDGED, JUDGED_HEADER, rows)


def _example(folder: Path, image: Path, source: Path | None) -> str:
    for root in (folder, source):
        if root is not None and image.resolve().is_relative_to(root.resolve()):
            return image.resolve().relative_to(root.resolve()).as_posix()
    copied = folder / "examples" / image.name
    copied.parent.mkdir(exist_ok=True)
    if copied.exists() and copied.read_bytes() != image.read_bytes():
        raise BenchmarkError(f"{image}: another example is called {image.name} already. Rename one of them.")
    copied.write_bytes(image.read_bytes())
    return copied.relative_to(folder).as_posix()


def _write_table(file: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    lines = ["\t".join(header)]
    for row in rows:
        if any(character in field for field in row for character in "\t\n\r"):
            raise BenchmarkError(f"{file}: {row[:2]!r} has a tab or a line break in it, which qrels cannot hold.")
        lines.append("\t".join(row))
    _write(file, "".join(f"{line}\n" for line in lines))


def _write(file: Path, text: str) -> None:
    unfinished = file.with_name(f".{file.name}.unfinished")
    with unfinished.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
