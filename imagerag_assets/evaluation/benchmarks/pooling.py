"""A benchmark made from questions alone: the best results of every method, pooled for a person to judge.

The pool (Spärck Jones & van Rijsbergen 1975, as at TREC) is pool.jsonl, a line per query with its images in a shuffled
order, so that whoever judges sees neither a rank nor the method. What no method found stays unjudged.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import OnProgress, Progress
from imagerag_assets.errors import BenchmarkError, SettingsError
from imagerag_assets.evaluation.benchmarks.files import QRELS, QUERIES, RULES, load_benchmark, read_queries, read_rules
from imagerag_assets.evaluation.benchmarks.model import Query, Rules
from imagerag_assets.evaluation.benchmarks.splits import Shares
from imagerag_assets.evaluation.benchmarks.writing import folder_lock, write_qrels, write_queries, write_rules
from imagerag_assets.evaluation.runs import Asked, opened_query
from imagerag_assets.methods import METHODS
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.search import encode_query, run_search

POOL = "pool.jsonl"


class Pooled(NamedTuple):
    """An image to judge; `content` is the sha256 of the bytes that a search found."""

    corpus_id: str
    content: str


@dataclass(frozen=True)
class PoolReport:
    """What pooling did: queries searched for, those that were pooled before, and images new in the pool."""

    queries: int
    skipped: int
    images: int


def benchmark_path(root: Path, name: str) -> Path:
    """The folder of a benchmark: a path as it is, a mere name in `benchmarks` beside the settings file."""
    if Path(name).name == name and name not in (".", ".."):
        return root / "benchmarks" / name
    return (root / Path(name).expanduser()).resolve()


def add_queries(project: Project, folder: Path, file: Path, rules: Rules) -> int:
    """Make a benchmark's folder, or add to it: `file` holds a query per line, or is BEIR's queries.jsonl.

    Queries that the folder has already (by their text, or by their id in a .jsonl) are left alone, and so are rules
    that `rules` does not set. Returns how many are new. Raises `BenchmarkError` for a folder of another collection or
    of other rules, for another query under an id that the folder has, and for a file without queries.
    """
    source = project.source_folder(rules.collection)
    known: tuple[Query, ...] = ()
    if (folder / RULES).is_file():
        there = read_rules(folder)
        if there.collection != rules.collection:
            raise BenchmarkError(f"{folder} is a benchmark of {there.collection!r}, not of {rules.collection!r}.")
        _require_same_rules(folder, there, rules)
        # As they are written: a split that is drawn is not to become one that is given.
        known = read_queries(folder / QUERIES, [folder, *([source] if source else [])])
    elif folder.exists() and any(folder.iterdir()):
        raise BenchmarkError(f"{folder} exists and has no {RULES}: it was not made here. Choose another name.")
    wanted = read_queries(file, [file.parent, *([source] if source else [])]) if file.suffix == ".jsonl" else ()
    texts = wanted or tuple(_numbered(file, known))
    new = _new(folder, known, texts)
    folder.mkdir(parents=True, exist_ok=True)
    if not known:
        write_rules(folder, rules)
    write_queries(folder, (*known, *new), source)
    if not (folder / QRELS).is_file():
        write_qrels(folder, ())
    return len(new)


def _require_same_rules(folder: Path, there: Rules, rules: Rules) -> None:
    """What is asked for is what the folder was made by, as far as it is asked for."""
    told = [
        f"{name}: {_written(getattr(there, name))} (asked for: {_written(getattr(rules, name))})"
        for name in sorted(rules.model_fields_set)
        if getattr(there, name) != getattr(rules, name)
    ]
    if told:
        raise BenchmarkError(
            f"{folder / RULES} has {', '.join(told)}. Change it there, then imagerag benchmark pool; or choose another "
            "name. Nothing was added."
        )


def _written(value: object) -> str:
    if isinstance(value, Shares):
        return "/".join(f"{share:g}" for share in (value.train, value.validation, value.test))
    return "none" if value is None else str(value)


def _new(folder: Path, known: Sequence[Query], wanted: Sequence[Query]) -> list[Query]:
    """Those of `wanted` that the folder has not. Raises `BenchmarkError` for another query under a known id."""
    there = {one.query_id: one for one in known}
    for one in wanted:
        old = there.get(one.query_id)
        if old is not None and not _same(old, one):
            raise BenchmarkError(
                f"The query id {one.query_id!r} is another query's in {folder}: {old.text[:80]!r}, not "
                f"{one.text[:80]!r}, or their pictures, kinds, languages or splits differ. What was judged is about "
                "the old one: give the new one an id of its own. Nothing was added."
            )
    return [one for one in wanted if one.query_id not in there]


def _same(old: Query, new: Query) -> bool:
    pictures = [one.image.read_bytes() if one.image else b"" for one in (old, new)]
    facts = [(one.text, one.kind, one.language) for one in (old, new)]
    return pictures[0] == pictures[1] and facts[0] == facts[1] and new.split in ("", old.split)


def pool(project: Project, folder: Path, on_progress: OnProgress, *, again: bool = False) -> PoolReport:
    """Search for every query by every method in the live index, and write what is new into the pool.

    Killed anywhere, the next call does the rest. `again` searches also for those pooled before: a new model finds
    images that nobody has judged. Raises `NoLiveIndexError` where there is nothing to search, `ModelError` where the
    live index's models are gone.
    """
    rules = read_rules(folder)
    project.settings.collection(rules.collection)
    queries = load_benchmark(folder, project.source_folder(rules.collection)).queries
    known = read_pool(folder)
    due = [query for query in queries if again or query.query_id not in known]
    images, started = 0, time.monotonic()
    with project.database.connect() as connection:
        # While a candidate waits the settings name its models.
        project = generations.project_of(project, generations.live(connection))
        for number, query in enumerate(due, start=1):
            had = {one.content for one in known.get(query.query_id, ())}
            found = [one for one in _search(project, connection, rules, query) if one.content not in had]
            random.Random(f"{rules.seed} {query.query_id}").shuffle(found)  # noqa: S311
            _append(folder, query.query_id, found)
            images += len(found)
            on_progress(Progress("pool", number, len(due), time.monotonic() - started))
    return PoolReport(len(due), len(queries) - len(due), images)


def read_pool(folder: Path) -> Mapping[str, list[Pooled]]:
    """The images of every pooled query, in the order of judging; of a path pooled twice what was found last."""
    pooled: dict[str, dict[str, Pooled]] = {}
    for line in _whole_lines(folder / POOL):
        try:
            values = json.loads(line)
            images = pooled.setdefault(values["query-id"], {})
            images.update({uri: Pooled(uri, content) for uri, content in values["images"]})
        except (ValueError, KeyError, TypeError):
            raise BenchmarkError(f"{folder / POOL} has a line that is no pool, delete it: {line[:80]!r}") from None
    return {query_id: list(images.values()) for query_id, images in pooled.items()}


def _numbered(file: Path, known: tuple[Query, ...]) -> Iterator[Query]:
    """The lines of a text file that are no query yet, numbered on."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--queries: {file} cannot be read as UTF-8 text: {error}") from None
    texts = dict.fromkeys(" ".join(line.split()) for line in lines if line.strip())
    if not texts:
        raise SettingsError(f"--queries: {file} holds no query. Write one per line.")
    ids = {query.query_id for query in known}
    free = (name for number in range(1, len(ids) + len(texts) + 1) if (name := f"q{number:04}") not in ids)
    had = {query.text for query in known}
    for text in texts:
        if text not in had:
            yield Query(next(free), text, None, "unspecified", "")


def _search(project: Project, connection: Connection, rules: Rules, query: Query) -> list[Pooled]:
    """The first results of all methods, one image for each group of duplicates, in an order that tells nothing."""
    image = str(query.image) if query.image else None
    opened = opened_query(Asked(rules.collection, query.query_id, query.text, image), project.settings.limits)
    found: dict[str, Pooled] = {}
    for method in METHODS:
        encoded = encode_query(project, opened, method)
        with connection.transaction():
            results = run_search(
                connection, project, encoded, method=method, collections=(rules.collection,), limit=rules.depth
            )
        for result in results:
            found.setdefault(result.group_id, Pooled(result.uri, result.content))
    return sorted(found.values(), key=lambda one: one.content)


def _append(folder: Path, query_id: str, images: list[Pooled]) -> None:
    """Add one line; a line that was cut off before goes."""
    file = folder / POOL
    with folder_lock(folder):
        whole = sum(len(line.encode()) + 1 for line in _whole_lines(file))
        with file.open("ab") as stream:
            stream.truncate(whole)
            stream.write(json.dumps({"query-id": query_id, "images": images}, ensure_ascii=False).encode() + b"\n")


def _whole_lines(file: Path) -> list[str]:
    """What was written to the end: a process that dies leaves half a line."""
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []
