"""Benchmarks in BEIR's convention: read from a folder, checked, and stored. Searching is done elsewhere.

A folder holds queries.jsonl (`_id`, `text`, optional `image`, optional `metadata` with `kind` and `language`)
and qrels.tsv or qrels/test.tsv with the header `query-id  corpus-id  score`, where corpus-id is an image's
path in its collection. A score above 0 is relevant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import BenchmarkError

QUERIES = "queries.jsonl"
QRELS = ("qrels.tsv", "qrels/test.tsv")
HEADER = ("query-id", "corpus-id", "score")
ALL = "all"
"""What the metrics call the mean over every benchmark and every kind; nothing else may have this name."""
_LISTED = 5
_LARGEST_GRADE = 2**31 - 1


@dataclass(frozen=True)
class Query:
    """A text, an example picture, or both."""

    query_id: str
    text: str
    image: Path | None
    kind: str
    language: str


@dataclass(frozen=True)
class Judgement:
    """A line of the qrels."""

    query_id: str
    corpus_id: str
    score: int


@dataclass(frozen=True)
class Benchmark:
    """What a folder says. `digest` covers the bytes of every file that was read, example pictures too."""

    queries: tuple[Query, ...]
    qrels: tuple[Judgement, ...]
    digest: str


class MissingImage(NamedTuple):
    """A judgement that names no image of the collection. `quarantined`: the file is there, unreadable."""

    benchmark: str
    query_id: str
    corpus_id: str
    quarantined: bool


def load_benchmark(folder: Path, source: Path | None = None) -> Benchmark:
    """Read and check a benchmark's folder. Raises `BenchmarkError` with the file and the line.

    An example picture is looked for in the folder, then in the collection's `source`.
    """
    queries_file = folder / QUERIES
    qrels_file = next((folder / name for name in QRELS if (folder / name).is_file()), folder / QRELS[0])
    queries_lines, qrels_lines = _read(queries_file), _read(qrels_file)
    roots = [root.resolve() for root in (folder, source) if root is not None]
    queries = tuple(_queries(queries_file, queries_lines, roots))
    qrels = tuple(_judgements(qrels_file, qrels_lines, {query.query_id for query in queries}))
    if not queries:
        raise BenchmarkError(f"{queries_file} holds no query. Add at least one line with _id and text.")
    if not any(judgement.score > 0 for judgement in qrels):
        raise BenchmarkError(
            f"{qrels_file} judges no image relevant, so there is nothing to measure. Add scores above 0."
        )
    files = [queries_file, qrels_file, *(query.image for query in queries if query.image)]
    return Benchmark(queries, qrels, _digest(files))


def store_benchmark(connection: Connection, name: str, benchmark: Benchmark) -> bool:
    """Store a benchmark under its collection's name, in one transaction, and say whether its content changed.

    One with the same digest is left alone, except for where its example pictures lie now.
    """
    if name == ALL:
        raise BenchmarkError(f'A benchmark cannot be called "{ALL}": the report calls the mean over all so. Rename it.')
    images = {query.query_id: str(query.image) for query in benchmark.queries if query.image}
    with connection.transaction():
        changed = connection.execute(
            "insert into benchmarks (benchmark, digest) values (%s, %s) on conflict (benchmark) do update "
            "set digest = excluded.digest, loaded_at = now() where benchmarks.digest <> excluded.digest",
            (name, benchmark.digest),
        ).rowcount
        if not changed:
            connection.cursor().executemany(
                "update benchmark_queries set image = %s where benchmark = %s and query_id = %s",
                [(image, name, query_id) for query_id, image in images.items()],
            )
            return False
        connection.execute("delete from benchmark_queries where benchmark = %s", (name,))
        upsert(
            connection,
            "benchmark_queries",
            ("benchmark", "query_id", "text", "image", "kind", "language"),
            ("benchmark", "query_id"),
            (
                (name, query.query_id, query.text, images.get(query.query_id), query.kind, query.language)
                for query in benchmark.queries
            ),
        )
        upsert(
            connection,
            "qrels",
            ("benchmark", "query_id", "corpus_id", "score"),
            ("benchmark", "query_id", "corpus_id"),
            ((name, line.query_id, line.corpus_id, line.score) for line in benchmark.qrels),
        )
        return True


def never_ingested(connection: Connection) -> list[str]:
    """The benchmarks of collections of which no run has ever read a file."""
    rows = connection.execute(
        "select b.benchmark from benchmarks b "
        "where not exists (select from raw_images r where r.collection = b.benchmark) "
        "and not exists (select from quarantine q where q.collection = b.benchmark) order by b.benchmark"
    ).fetchall()
    return [row[0] for row in rows]


def missing_images(connection: Connection) -> list[MissingImage]:
    """Judgements that name no live image of their collection, the quarantined ones among them.

    A collection that was never ingested lacks all its images and is not spoken of.
    """
    rows = connection.execute(
        """
        select j.benchmark, j.query_id, j.corpus_id, q.uri is not null
        from qrels j
        left join raw_images r on r.collection = j.benchmark and r.uri = j.corpus_id and r.removed_at is null
        left join quarantine q on q.collection = j.benchmark and q.uri = j.corpus_id
        where r.uri is null and not j.benchmark = any(%s)
        order by j.benchmark, j.query_id, j.corpus_id
        """,
        (never_ingested(connection),),
    ).fetchall()
    return [MissingImage(*row) for row in rows]


def require_images(connection: Connection) -> None:
    """Raise `BenchmarkError` when qrels name images that their collection does not have.

    A quarantined image is no such error: its file exists, and the quarantine already tells of it.
    """
    missing = [image for image in missing_images(connection) if not image.quarantined]
    if not missing:
        return
    names = [f"  {name}: {corpus_id!r} (query {query_id!r})" for name, query_id, corpus_id, _ in missing[:_LISTED]]
    if len(missing) > _LISTED:
        names.append(f"  and {len(missing) - _LISTED} more")
    raise BenchmarkError(
        f"{len(missing)} judgements name images that their collection does not have:\n"
        + "\n".join(names)
        + "\nA corpus-id is the image's path inside the collection's source, with extension and letter case. "
        "Put the images back, correct the qrels, or point the collection's source at the right folder."
    )


def _read(file: Path) -> list[str]:
    """Lines of a file with either line ending, with or without a byte-order mark."""
    try:
        return file.read_bytes().decode("utf-8-sig").split("\n")
    except FileNotFoundError:
        needed = f"{QUERIES} and {' or '.join(QRELS)}"
        raise BenchmarkError(f"{file} does not exist. A benchmark's folder needs {needed}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{file} cannot be read as UTF-8 text: {error}") from None


def _queries(file: Path, lines: list[str], roots: Sequence[Path]) -> Iterator[Query]:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        query = _query(where, line, roots)
        if query.query_id in seen:
            raise BenchmarkError(f"{where}: the query id {query.query_id!r} was line {seen[query.query_id]}'s.")
        seen[query.query_id] = number
        yield query


def _query(where: str, line: str, roots: Sequence[Path]) -> Query:
    try:
        values = json.loads(line)
    except ValueError as error:
        raise BenchmarkError(f"{where} is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise BenchmarkError(f"{where} is a {type(values).__name__}, not an object with _id and text.")
    metadata = values.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise BenchmarkError(f"{where}: metadata must be an object.")
    image = _text(where, values, "image")
    query = Query(
        query_id=_text(where, values, "_id"),
        text=_text(where, values, "text"),
        image=_image(where, roots, image) if image else None,
        kind=_text(where, metadata, "kind") or _text(where, values, "kind") or "unspecified",
        language=_text(where, metadata, "language") or _text(where, values, "language"),
    )
    if not query.query_id:
        raise BenchmarkError(f"{where} has no _id.")
    if not query.text.strip() and query.image is None:
        raise BenchmarkError(f"{where}: the query {query.query_id!r} has neither a text nor an image.")
    if query.kind == ALL:
        raise BenchmarkError(f'{where}: the kind "{ALL}" is taken, the mean over all kinds has it.')
    return query


def _text(where: str, values: dict[str, Any], key: str) -> str:
    """Get a string that Postgres can store; empty when the key is absent or null."""
    value = values.get(key)
    if value is None:
        return ""
    if key == "_id" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise BenchmarkError(f"{where}: {key} must be a string, not a {type(value).__name__}.")
    if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise BenchmarkError(f"{where}: {key} holds a NUL or half a surrogate pair, which is no text.")
    return value


def _image(where: str, roots: Sequence[Path], name: str) -> Path:
    found = [(root / name).resolve() for root in roots]
    inside = [path for path, root in zip(found, roots, strict=True) if path.is_relative_to(root)]
    if not inside:
        raise BenchmarkError(f"{where}: the image {name!r} lies outside {roots[0]}. Copy it into there.")
    for path in inside:
        if path.is_file():
            return path
    raise BenchmarkError(f"{where}: the image {name!r} does not exist in {' or '.join(map(str, roots))}.")


def _judgements(file: Path, lines: list[str], query_ids: set[str]) -> Iterator[Judgement]:
    if tuple(lines[0].rstrip("\r").split("\t")) != HEADER:
        raise BenchmarkError(f"{file}, line 1 must be the header {' '.join(HEADER)}, separated by tabs.")
    seen: dict[tuple[str, str], int] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        judgement = _judgement(where, line.rstrip("\r"))
        key = (judgement.query_id, judgement.corpus_id)
        if judgement.query_id not in query_ids:
            raise BenchmarkError(f"{where} judges the query {judgement.query_id!r}, not in {QUERIES}.")
        if key in seen:
            raise BenchmarkError(f"{where} judges the same query and image as line {seen[key]}.")
        seen[key] = number
        yield judgement


def _judgement(where: str, line: str) -> Judgement:
    fields = line.split("\t")
    if len(fields) != len(HEADER) or not all(fields):
        raise BenchmarkError(f"{where} must have three fields separated by tabs: {' '.join(HEADER)}.")
    query_id, corpus_id, score = fields
    try:
        grade = int(score)
    except ValueError:
        raise BenchmarkError(f"{where}: the score {score!r} is not a whole number.") from None
    if "\x00" in line or abs(grade) > _LARGEST_GRADE:
        raise BenchmarkError(f"{where} holds a NUL character or a score beyond {_LARGEST_GRADE}.")
    return Judgement(query_id, corpus_id, grade)


def _digest(files: list[Path]) -> str:
    """Of every file's own digest, so that no two lists of files can run together."""
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()
