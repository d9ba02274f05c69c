"""MTEB's layout of a retrieval task on disk: the tables corpus, queries and qrels, as .jsonl or .parquet.

A table is a folder of its name (qrels may be `default` or `data`) with a file or several per split, such as
qrels/test-00000-of-00001.parquet; or one file beside the others, such as corpus.jsonl. A language may stand before the
name: en-corpus, en-queries, en-qrels.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.importing.foreign import (
    Foreign,
    ForeignJudgement,
    Named,
    json_lines,
    names_of,
    whole_number,
)
from imagerag_assets.evaluation.benchmarks.model import Query
from imagerag_assets.evaluation.benchmarks.splits import Split

_SPLITS: dict[str, Split] = {"train": "train", "dev": "validation", "validation": "validation", "test": "test"}
_BATCH = 64
"""Rows of a .parquet file in memory: they may hold pictures."""


def read_mteb(folder: Path, examples: Path) -> Foreign:
    """Read the tables; pictures of queries are written into `examples`. Raises `BenchmarkError`."""
    judgements: dict[tuple[str, str], ForeignJudgement] = {}
    splits: dict[str, Split] = {}
    files = _files(folder, "qrels")
    several = len({_split(file) for file in files}) > 1
    for file in files:
        for where, values in _rows(file):
            query_id, corpus_id = _id(where, values, "query-id"), _id(where, values, "corpus-id")
            one = ForeignJudgement(query_id, corpus_id, whole_number(where, "score", values.get("score")))
            known = judgements.setdefault((query_id, corpus_id), one)
            if known != one:
                raise BenchmarkError(
                    f"{where} gives {corpus_id!r} the score {one.score} for the query {query_id!r}, and an earlier row "
                    f"gives it {known.score}. Keep the one that is right."
                )
            if several and splits.setdefault(query_id, _split(file)) != _split(file):
                raise BenchmarkError(f"{where} puts the query {query_id!r} into a second split. Keep it in one.")
    judged = {one.corpus_id for one in judgements.values()}
    asked = {one.query_id for one in judgements.values()}
    queries, others = _queries(folder, examples, asked)
    if missing := sorted(asked - set(queries)):
        raise BenchmarkError(f"{folder}: the qrels judge queries that are not there, the first {missing[0]!r}.")
    split = [replace(query, split=splits.get(query.query_id, "")) for query in queries.values()]
    left_out = [f"{others} queries that nothing judges."] if others else []
    return Foreign("MTEB", split, list(judgements.values()), _images(folder, judged), left_out)


def _queries(folder: Path, examples: Path, asked: set[str]) -> tuple[dict[str, Query], int]:
    """The queries of `asked` by id, and how many others there are."""
    queries: dict[str, Query] = {}
    others = 0
    for file in _files(folder, "queries"):
        for where, values in _rows(file):
            query_id = _id(where, values, "id")
            if query_id not in asked:
                others += 1
            elif query_id in queries:
                raise BenchmarkError(f"{where}: the query id {query_id!r} was an earlier row's. Keep one of them.")
            else:
                queries[query_id] = _query(where, query_id, values, examples)
    return queries, others


def _images(folder: Path, judged: set[str]) -> dict[str, Named]:
    images: dict[str, Named] = {}
    for file in _files(folder, "corpus", needed=False):
        for where, values in _rows(file):
            name = _id(where, values, "id")
            if name in judged:
                picture = values.get("image")
                data, path = _picture(picture)
                content = hashlib.sha256(data).hexdigest() if data else ""
                named = Named((*names_of(values), *([path] if path else []), name), content)
                if images.setdefault(name, named) != named:
                    raise BenchmarkError(f"{where}: the corpus id {name!r} is another image's in an earlier row.")
    return images


def _files(folder: Path, table: str, *, needed: bool = True) -> list[Path]:
    """The files of a table, in order."""
    others = "|default|data" if table == "qrels" else ""
    named = re.compile(rf"(?:[\w.-]+-)?{table}{others}")
    places = [
        path for path in sorted(folder.iterdir())
        if named.fullmatch(path.name if path.is_dir() else path.stem) and not path.name.startswith(".")
    ]  # fmt: skip
    if len(places) > 1:
        names = ", ".join(path.name for path in places)
        raise BenchmarkError(f"{folder} has several tables of {table}: {names}. Move all but one away.")
    files = [
        file
        for place in places
        for file in (sorted(place.iterdir()) if place.is_dir() else [place])
        if file.suffix in (".parquet", ".jsonl", ".tsv")
    ]
    if not files and needed:
        raise BenchmarkError(f"{folder} has no table {table} (.parquet, .jsonl or .tsv), which MTEB's layout needs.")
    return files


def _split(file: Path) -> Split:
    """test-00000-of-00001.parquet is the test split's, and what is named otherwise too."""
    return _SPLITS.get(re.split(r"[-.]", file.name)[0], "test")


def _rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    if file.suffix == ".jsonl":
        yield from json_lines(file)
    elif file.suffix == ".tsv":
        yield from _tsv_rows(file)
    else:
        yield from _parquet_rows(file)


def _tsv_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        lines = [line.rstrip("\r") for line in file.read_bytes().decode("utf-8-sig").split("\n")]
    except UnicodeDecodeError as error:
        raise BenchmarkError(f"{file} cannot be read as UTF-8 text: {error}") from None
    header = lines[0].split("\t")
    for number, line in enumerate(lines[1:], start=2):
        fields = line.split("\t")
        if line and len(fields) != len(header):
            raise BenchmarkError(f"{file}, line {number} has {len(fields)} fields, and the header {len(header)}.")
        if line:
            yield f"{file}, line {number}", dict(zip(header, fields, strict=True))


def _parquet_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise BenchmarkError(f"{file} needs pyarrow: pip install 'imagerag[parquet]'.") from None
    number = 0
    try:
        with parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(_BATCH):
                for values in batch.to_pylist():
                    number += 1
                    yield f"{file}, row {number}", values
    except (ArrowException, OSError) as error:
        raise BenchmarkError(f"{file} cannot be read as Parquet: {error}") from None


def _id(where: str, values: dict[str, Any], key: str) -> str:
    value = values.get(key, values.get(f"_{key}"))
    if value is None or value == "":
        raise BenchmarkError(f"{where} has no {key}.")
    return str(value)


def _query(where: str, query_id: str, values: dict[str, Any], examples: Path) -> Query:
    text = values.get("text") or ""
    data, _ = _picture(values.get("image"))
    if not isinstance(text, str) or not (text.strip() or data):
        raise BenchmarkError(f"{where}: the query {query_id!r} has neither a text nor an image.")
    image = None
    if data:
        image = examples / hashlib.sha256(data).hexdigest()[:16]
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(data)
    kind = "by_example" if image and not text.strip() else "unspecified"
    return Query(query_id, text, image, kind, str(values.get("language") or ""))


def _picture(value: object) -> tuple[bytes, str]:
    """(bytes, path) of a picture as the datasets library stores it; either may be empty."""
    if not isinstance(value, dict):
        return b"", ""
    return value.get("bytes") or b"", value.get("path") or ""
