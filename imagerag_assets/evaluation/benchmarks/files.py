"""A benchmark's folder, read and checked. What is wrong with it is collected, not only the first of it.

A folder holds queries.jsonl (`_id`, `text`, optional `image`, optional `metadata` with `kind`, `language`, `split`) and
qrels.tsv with the header `query-id  corpus-id  score`, where corpus-id is an image's path in its collection; or BEIR's
qrels/train.tsv, dev.tsv and test.tsv, whose names are the splits where there are several. Optional beside them:
benchmark.yaml (`Rules`), and judged.tsv, which remembers the sha256 of every image that was judged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.model import ALL, Benchmark, Judgement, Query, Rules
from imagerag_assets.evaluation.benchmarks.splits import SPLITS, Shares, Split, split_of

QUERIES = "queries.jsonl"
QRELS = "qrels.tsv"
SPLIT_QRELS: dict[str, Split] = {
    "qrels/train.tsv": "train",
    "qrels/validation.tsv": "validation",
    "qrels/dev.tsv": "validation",
    "qrels/test.tsv": "test",
}
RULES = "benchmark.yaml"
JUDGED = "judged.tsv"
QRELS_HEADER = ("query-id", "corpus-id", "score")
JUDGED_HEADER = ("query-id", "corpus-id", "content")
_LARGEST_GRADE = 2**31 - 1
_CONTENT = re.compile(r"[0-9a-f]{64}")
_TOLD = 20
"""Problems that one message lists."""

T = TypeVar("T")


@dataclass(frozen=True)
class Reading:
    """A folder as it was read: with `problems`, what is in `benchmark` is only what could be understood."""

    benchmark: Benchmark
    problems: tuple[str, ...]


@dataclass
class _Reader:
    """Goes through a folder's files and keeps what is wrong with them."""

    problems: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    every_query: bool = True
    """Could be read. Otherwise it is not said again that the qrels judge unknown ones."""

    def try_to(self, read: Callable[[], T], otherwise: T) -> T:
        """What `read` gives, or `otherwise` and one problem more."""
        try:
            return read()
        except BenchmarkError as error:
            self.problems.append(str(error))
            return otherwise

    def lines(self, file: Path) -> list[tuple[str, str]]:
        """Every line that is not empty, each with the words that name its place."""
        text = self.try_to(lambda: _text_of(file), "")
        if text:
            self.files.append(file)
        numbered = enumerate(text.split("\n"), start=1)
        return [(f"{file}, line {number}", line.rstrip("\r")) for number, line in numbered if line.strip()]

    def table(self, file: Path, header: tuple[str, ...], read: Callable[[str, str], T]) -> Iterator[tuple[str, T]]:
        """The rows of a file of tab-separated values, each with its place. `read` raises for one that is wrong."""
        lines = self.lines(file)
        if not lines or tuple(lines[0][1].split("\t")) != header:
            if file in self.files:
                self.problems.append(f"{file}, line 1 must be the header {' '.join(header)}, separated by tabs.")
            return
        for where, line in lines[1:]:
            row = self.try_to(lambda where=where, line=line: read(where, line), None)  # type: ignore[misc]
            if row is not None:
                yield where, row


def load_benchmark(folder: Path, source: Path | None = None) -> Benchmark:
    """`read_benchmark` for those who cannot go on with half of it. Raises `BenchmarkError` with everything wrong."""
    return _sound(read_benchmark(folder, source))


def load_unhashed(folder: Path, source: Path | None = None) -> Benchmark:
    """`load_benchmark` with an empty digest, for those who read often: a digest takes the bytes of every picture."""
    reader = _Reader()
    return _sound(Reading(_benchmark(reader, folder, source), tuple(reader.problems)))


def read_benchmark(folder: Path, source: Path | None = None) -> Reading:
    """Read and check a benchmark's folder; every problem is told with the file and the line.

    An example picture is looked for in the folder, then in the collection's `source`. That no image is judged relevant
    is no problem of the folder: someone may be about to judge.
    """
    reader = _Reader()
    benchmark = _benchmark(reader, folder, source)
    digest = _digest(reader, [query.image for query in benchmark.queries if query.image])
    return Reading(replace(benchmark, digest=digest), tuple(reader.problems))


def _sound(reading: Reading) -> Benchmark:
    if reading.problems:
        raise BenchmarkError("\n".join(listed(reading.problems)))
    return reading.benchmark


def _benchmark(reader: _Reader, folder: Path, source: Path | None) -> Benchmark:
    """What the folder says, without its digest."""
    rules = reader.try_to(lambda: read_rules(folder), Rules())
    if (folder / RULES).is_file():
        reader.files.append(folder / RULES)
    roots = [root.resolve() for root in (folder, source) if root is not None]
    queries = _queries(reader, folder / QUERIES, roots)
    qrels, splits = _qrels(reader, folder, queries)
    contents = _judged(reader, folder / JUDGED)
    return Benchmark(
        tuple(_with_splits(reader, queries, splits, rules.splits)),
        tuple(replace(one, content=contents.get((one.query_id, one.corpus_id))) for one in qrels),
        "",
        rules,
    )


def read_rules(folder: Path) -> Rules:
    """benchmark.yaml, or the defaults where there is none. Raises `BenchmarkError`."""
    file = folder / RULES
    if not file.is_file():
        return Rules()
    try:
        values = yaml.safe_load(_text_of(file))
        return Rules.model_validate(values or {})
    except yaml.YAMLError as error:
        raise BenchmarkError(f"{file} is not valid YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        told = (f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors())
        raise BenchmarkError(f"{file} is not valid: {'; '.join(told)}.") from None


def read_queries(file: Path, roots: Sequence[Path]) -> tuple[Query, ...]:
    """The queries of a queries.jsonl; example pictures lie in `roots`. Raises `BenchmarkError` with every problem."""
    reader = _Reader()
    queries = _queries(reader, file, [root.resolve() for root in roots])
    if reader.problems:
        raise BenchmarkError("\n".join(listed(reader.problems)))
    return tuple(queries.values())


def listed(problems: Sequence[str]) -> list[str]:
    """The first problems, and how many there are beyond."""
    more = len(problems) - _TOLD
    return [*problems[:_TOLD], *([f"And {more} problems more."] if more > 0 else [])]


def _text_of(file: Path) -> str:
    """A file with either line ending, with or without a byte-order mark."""
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        needed = f"{QUERIES} and {QRELS} or qrels/test.tsv"
        raise BenchmarkError(f"{file} does not exist. A benchmark's folder needs {needed}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{file} cannot be read as UTF-8 text: {error}") from None


def _queries(reader: _Reader, file: Path, roots: Sequence[Path]) -> dict[str, Query]:
    found: dict[str, Query] = {}
    seen: dict[str, str] = {}
    lines = reader.lines(file)
    reader.every_query = bool(lines)
    for where, line in lines:
        query = reader.try_to(lambda where=where, line=line: _query(where, line, roots), None)  # type: ignore[misc]
        if query is None:
            reader.every_query = False
        elif query.query_id in seen:
            first = seen[query.query_id].rpartition(" ")[2]
            reader.problems.append(f"{where}: the query id {query.query_id!r} was line {first}'s.")
        else:
            found[query.query_id], seen[query.query_id] = query, where
    if file in reader.files and not found and not reader.problems:
        reader.problems.append(f"{file} holds no query. Add at least one line with _id and text.")
    return found


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
    split = _text(where, metadata, "split") or _text(where, values, "split")
    if split not in ("", *SPLITS):
        raise BenchmarkError(f"{where}: the split {split!r} is none of {', '.join(SPLITS)}.")
    query = Query(
        query_id=_text(where, values, "_id"),
        text=_text(where, values, "text"),
        image=_image(where, roots, image) if image else None,
        kind=_text(where, metadata, "kind") or _text(where, values, "kind") or "unspecified",
        language=_text(where, metadata, "language") or _text(where, values, "language"),
        split=split,  # type: ignore[arg-type]
    )
    if not query.query_id:
        raise BenchmarkError(f"{where} has no _id.")
    if not query.text.strip() and query.image is None:
        raise BenchmarkError(f"{where}: the query {query.query_id!r} has neither a text nor an image.")
    for what, name in (("kind", query.kind), ("language", query.language)):
        if name == ALL:
            raise BenchmarkError(f'{where}: the {what} "{ALL}" is taken, the mean over every {what} has it.')
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


def _qrels(
    reader: _Reader, folder: Path, queries: Mapping[str, Query]
) -> tuple[list[Judgement], list[tuple[str, str, Split]]]:
    """Every judgement, and (place, query, split) of those that stand in one of several splits' files."""
    files: dict[Path, Split | None] = {
        folder / name: split for name, split in SPLIT_QRELS.items() if (folder / name).is_file()
    }
    if (folder / QRELS).is_file() and files:
        reader.problems.append(f"{folder} has both {QRELS} and {next(iter(files))}: keep the one or the other.")
    qrels: dict[tuple[str, str], Judgement] = {}
    seen: dict[tuple[str, str], str] = {}
    splits: list[tuple[str, str, Split]] = []
    for file, split in files.items() or [(folder / QRELS, None)]:
        for where, one in reader.table(file, QRELS_HEADER, _judgement):
            key = (one.query_id, one.corpus_id)
            if one.query_id not in queries:
                told = f"{where} judges the query {one.query_id!r}, not in {QUERIES}."
                reader.problems += [told] if reader.every_query else []
            elif key in seen:
                first = seen[key].removeprefix(f"{file}, ")
                reader.problems.append(f"{where} judges the same query and image as {first}.")
            else:
                qrels[key], seen[key] = one, where
                splits += [(where, one.query_id, split)] if split and len(files) > 1 else []
    return list(qrels.values()), splits


def _judgement(where: str, line: str) -> Judgement:
    fields = line.split("\t")
    if len(fields) != len(QRELS_HEADER) or not all(fields):
        raise BenchmarkError(f"{where} must have three fields separated by tabs: {' '.join(QRELS_HEADER)}.")
    query_id, corpus_id, score = fields
    try:
        grade = int(score)
    except ValueError:
        raise BenchmarkError(f"{where}: the score {score!r} is not a whole number.") from None
    if "\x00" in line or abs(grade) > _LARGEST_GRADE:
        raise BenchmarkError(f"{where} holds a NUL character or a score beyond {_LARGEST_GRADE}.")
    return Judgement(query_id, corpus_id, grade)


def _judged(reader: _Reader, file: Path) -> dict[tuple[str, str], str]:
    """(query, corpus-id) → content, as judged.tsv remembers it; nothing where there is no such file."""
    if not file.is_file():
        return {}
    return {(query, corpus): content for _, (query, corpus, content) in reader.table(file, JUDGED_HEADER, _memory)}


def _memory(where: str, line: str) -> tuple[str, str, str]:
    fields = line.split("\t")
    if len(fields) != len(JUDGED_HEADER) or not _CONTENT.fullmatch(fields[2]):
        raise BenchmarkError(f"{where} must have three fields separated by tabs, the last a sha256 in hexadecimal.")
    return (fields[0], fields[1], fields[2])


def _with_splits(
    reader: _Reader, queries: Mapping[str, Query], named: Sequence[tuple[str, str, Split]], shares: Shares | None
) -> Iterator[Query]:
    """Every query with its split: the file's that judges it, or its own, or one drawn from its id.

    As soon as one query has a split all have: none that could be tuned on is reported.
    """
    given: dict[str, Split] = {}
    for where, query_id, split in named:
        known = given.setdefault(query_id, queries[query_id].split or split)
        if known != split:
            reader.problems.append(
                f"{where} puts the query {query_id!r} into {split}, and it is in {known} too. Keep it in one."
            )
    drawn = shares or (Shares() if given or any(query.split for query in queries.values()) else None)
    for query in queries.values():
        own = given.get(query.query_id) or query.split
        yield replace(query, split=own or (split_of(query.query_id, drawn) if drawn else ""))


def _digest(reader: _Reader, pictures: Sequence[Path]) -> str:
    """Of every file's own digest, so that no two lists of files can run together, and of what is wrong."""
    parts = [hashlib.sha256(file.read_bytes()).digest() for file in (*reader.files, *pictures)]
    parts += [hashlib.sha256(problem.encode()).digest() for problem in reader.problems]
    return hashlib.sha256(b"".join(parts)).hexdigest()
