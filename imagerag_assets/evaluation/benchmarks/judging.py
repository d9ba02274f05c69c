"""A person's marks on a pool, one at a time. The terminal and the web page call these; nothing is kept in between."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.files import QRELS, load_unhashed
from imagerag_assets.evaluation.benchmarks.model import Benchmark, Judgement, Query
from imagerag_assets.evaluation.benchmarks.pooling import Pooled, read_pool
from imagerag_assets.evaluation.benchmarks.writing import folder_lock, write_judged, write_qrels

GRADES = {0: "not relevant", 1: "somewhat relevant", 2: "relevant", 3: "exactly what was asked for"}


@dataclass(frozen=True)
class Candidate:
    """An image that waits for its mark, and how far the whole pool is."""

    query: Query
    image: Pooled
    judged: int
    pooled: int


def next_unjudged(
    folder: Path, source: Path | None = None, skipped: Collection[tuple[str, str]] = ()
) -> Candidate | None:
    """The next image to judge, query by query; None when all are. `skipped` are (query id, corpus-id) for later.

    An image whose bytes were pooled anew since it was judged waits again.
    """
    benchmark, pooled = load_unhashed(folder, source), read_pool(folder)
    marked = {(one.query_id, one.corpus_id, one.content) for one in benchmark.qrels}
    total = sum(len(pooled.get(query.query_id, ())) for query in benchmark.queries)
    waiting = [
        (query, image)
        for query in benchmark.queries
        for image in pooled.get(query.query_id, ())
        if (query.query_id, *image) not in marked
    ]
    for query, image in waiting:
        if (query.query_id, image.corpus_id) not in skipped:
            return Candidate(query, image, total - len(waiting), total)
    return None


def judge(folder: Path, query_id: str, corpus_id: str, grade: int, source: Path | None = None) -> None:
    """Mark a pooled image; a mark that it has is replaced. It is on disk when this returns.

    Raises `BenchmarkError` for what is not in the pool and for a grade that does not exist.
    """
    if grade not in GRADES:
        raise BenchmarkError(f"There is no grade {grade!r}: there are {', '.join(map(str, GRADES))}.")
    image = next((one for one in read_pool(folder).get(query_id, ()) if one.corpus_id == corpus_id), None)
    if image is None:
        raise BenchmarkError(f"{corpus_id!r} is not in the pool of the query {query_id!r} in {folder}.")
    with folder_lock(folder):
        benchmark = _own(folder, source)
        others = [one for one in benchmark.qrels if (one.query_id, one.corpus_id) != (query_id, corpus_id)]
        write_qrels(folder, [*others, Judgement(query_id, corpus_id, grade, image.content)])


def undo(folder: Path, source: Path | None = None) -> Judgement | None:
    """Take the last mark on the pool back, whenever it was made; returns it, None when there is none."""
    with folder_lock(folder):
        qrels, pooled = list(_own(folder, source).qrels), read_pool(folder)
        for place in reversed(range(len(qrels))):
            one = qrels[place]
            if any(image == (one.corpus_id, one.content) for image in pooled.get(one.query_id, ())):
                write_qrels(folder, qrels[:place] + qrels[place + 1 :])
                return one
    return None


def remember(connection: Connection, folder: Path, collection: str, source: Path | None = None) -> int:
    """Write down the images that the judgements are about as they are now; returns how many that changes.

    A judgement whose image changed holds again; one whose image moved to another path goes on following it.
    """
    with folder_lock(folder):
        qrels = load_unhashed(folder, source).qrels
        rows = connection.execute(
            "select uri, content from raw_images where collection = %s and removed_at is null "
            "and (uri = any(%s) or content = any(%s))",
            (collection, [one.corpus_id for one in qrels], [one.content for one in qrels if one.content]),
        ).fetchall()
        now = list(_remembered(qrels, dict(rows)))
        changed = sum(old != new for old, new in zip(qrels, now, strict=True))
        if changed:
            write_judged(folder, now)
        return changed


def _remembered(qrels: Collection[Judgement], contents: dict[str, str]) -> Iterator[Judgement]:
    there = set(contents.values())
    for one in qrels:
        moved = one.content in there and one.content is not None
        yield one if moved else replace(one, content=contents.get(one.corpus_id, one.content))


def _own(folder: Path, source: Path | None) -> Benchmark:
    """The benchmark, if its judgements can be added to."""
    if not (folder / QRELS).is_file():
        raise BenchmarkError(f"{folder} has no {QRELS}, which judging writes. Import it: imagerag benchmark import.")
    return load_unhashed(folder, source)
