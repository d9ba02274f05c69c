"""Finds a foreign benchmark's images in a collection, and writes what was found as a benchmark of our own."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.files import QUERIES
from imagerag_assets.evaluation.benchmarks.importing.beir import read_beir
from imagerag_assets.evaluation.benchmarks.importing.foreign import Foreign, Named
from imagerag_assets.evaluation.benchmarks.importing.logs import read_log
from imagerag_assets.evaluation.benchmarks.importing.mteb import read_mteb
from imagerag_assets.evaluation.benchmarks.model import Judgement, Query, Rules
from imagerag_assets.evaluation.benchmarks.writing import write_qrels, write_queries, write_rules
from imagerag_assets.project import Project

_LISTED = 5


@dataclass(frozen=True)
class ImportReport:
    """What came over, and what did not, a sentence each."""

    form: str
    queries: int
    judgements: int
    left_out: tuple[str, ...]


class Images:
    """A collection's images by what they may be called elsewhere: path, content, file name, or name without its end."""

    def __init__(self, files: Iterable[tuple[str, str]]) -> None:
        self._contents = dict(files)
        self._uris: dict[str, str] = {}
        self._short: dict[str, set[str]] = {}
        for uri, content in self._contents.items():
            self._uris.setdefault(content, uri)
            name = PurePosixPath(uri)
            for short in {name.name, name.stem}:
                self._short.setdefault(short, set()).add(uri)

    @classmethod
    def of(cls, connection: Connection, collection: str) -> Images:
        """Those that are in the collection now."""
        return cls(
            connection.execute(
                "select uri, content from raw_images where collection = %s and removed_at is null order by uri",
                (collection,),
            ).fetchall()
        )

    def find(self, named: Named) -> tuple[str, str] | None:
        """(uri, content) of the only image that it can be; None when there is none, or more than one."""
        found = self._uris.get(named.content) or next((one for one in named.names if one in self._contents), None)
        if found is None:
            found = next((uri for name in named.names if (uri := self._by_short(name))), None)
        return (found, self._contents[found]) if found else None

    def _by_short(self, name: str) -> str | None:
        path = PurePosixPath(unquote(urlsplit(name).path) if "://" in name else name).name
        uris = self._short.get(path, set())
        return next(iter(uris)) if len(uris) == 1 else None


def import_benchmark(project: Project, source: Path, folder: Path, rules: Rules, since: str = "") -> ImportReport:
    """Make `folder` from `source`: a BEIR or MTEB folder, or a query log. It appears whole or not at all.

    Raises `BenchmarkError` for what cannot be read, where no image is found in the collection, and for a `folder` that
    exists.
    """
    if folder.exists():
        raise BenchmarkError(f"{folder} exists. Choose another --name, or delete it.")
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        place = project.source_folder(rules.collection)
        foreign = _read(source, place, unfinished / "examples", since)
        with project.database.connect() as connection:
            qrels, left_out = _found(foreign, Images.of(connection, rules.collection), rules.collection)
        queries = _judged(foreign.queries, qrels)
        if unjudged := len(foreign.queries) - len(queries):
            left_out.append(f"{unjudged} queries of which no judgement is left.")
        write_rules(unfinished, rules)
        write_queries(unfinished, queries, place)
        write_qrels(unfinished, qrels)
        unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return ImportReport(foreign.form, len(queries), len(qrels), (*foreign.left_out, *left_out))


def _read(source: Path, place: Path | None, examples: Path, since: str) -> Foreign:
    if source.is_dir():
        beir = (source / QUERIES).is_file() and ((source / "qrels.tsv").is_file() or any(source.glob("qrels/*.tsv")))
        return read_beir(source, place) if beir else read_mteb(source, examples)
    if source.suffix not in (".csv", ".jsonl"):
        raise BenchmarkError(f"{source} is neither a folder nor a query log (.csv, .jsonl).")
    if not source.is_file():
        raise BenchmarkError(f"{source} does not exist.")
    return read_log(source, since)


def _found(foreign: Foreign, images: Images, collection: str) -> tuple[list[Judgement], list[str]]:
    """(judgements of images that the collection has, each once per query with its best grade; what is left out)."""
    qrels: dict[tuple[str, str], Judgement] = {}
    unknown: list[str] = []
    overruled = 0
    for one in foreign.judgements:
        found = images.find(foreign.images.get(one.corpus_id, Named((one.corpus_id,))))
        if found is None:
            unknown.append(one.corpus_id)
            continue
        uri, content = found
        known = qrels.get((one.query_id, uri))
        grade = max(one.score, known.score) if known else one.score
        overruled += known is not None and known.score != one.score
        qrels[one.query_id, uri] = Judgement(one.query_id, uri, grade, content)
    if not qrels:
        raise BenchmarkError(
            f"None of the {len(unknown)} judgements names an image of the collection {collection!r}"
            f"{f', for instance {unknown[0]!r}' if unknown else ''}. Ingest it first (imagerag materialize raw_images) "
            "or name the images by path, file name, or file name without its ending."
        )
    left_out = [_told(unknown, collection)] if unknown else []
    if overruled:
        left_out.append(f"{overruled} judgements of an image that has a better grade under another name.")
    return list(qrels.values()), left_out


def _told(unknown: Collection[str], collection: str) -> str:
    names = sorted(set(unknown))
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return (
        f"{len(unknown)} judgements of {len(names)} images that are not in {collection}, or not one alone: "
        f"{', '.join(names[:_LISTED])}{more}."
    )


def _judged(queries: Iterable[Query], qrels: Iterable[Judgement]) -> list[Query]:
    """The queries with a judgement. Splits stay only where there is something to report."""
    asked = {one.query_id for one in qrels}
    kept = [query for query in queries if query.query_id in asked]
    if {query.split for query in kept} <= {"test"}:
        kept = [replace(query, split="") for query in kept]
    return kept
