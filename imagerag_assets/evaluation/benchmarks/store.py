"""Benchmarks in the database, and what their judgements are worth there."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.model import ALL, Benchmark
from imagerag_assets.images.hashing import content_hash

State = Literal["changed", "vanished", "quarantined", "unknown"]
_LISTED = 5


class StaleJudgement(NamedTuple):
    """A judgement that counts nowhere, and why.

    `changed`: other bytes lie under the path than those that were judged; `vanished`: the image was there once;
    `quarantined`: it is there, unreadable; `unknown`: the collection never had it.
    """

    benchmark: str
    query_id: str
    corpus_id: str
    state: State


def store_benchmark(connection: Connection, name: str, benchmark: Benchmark, problems: Sequence[str] = ()) -> bool:
    """Store a benchmark under its collection's name, in one transaction, and say whether its content changed.

    One with `problems` is refused whole: they are stored in place of its queries. One with the same digest is left
    alone, except for where its example pictures lie now.
    """
    if name == ALL:
        raise BenchmarkError(f'A benchmark cannot be called "{ALL}": the report calls the mean over all so. Rename it.')
    images = {
        query.query_id: (str(query.image), content_hash(query.image.read_bytes()))
        for query in benchmark.queries
        if query.image
    }
    with connection.transaction():
        changed = connection.execute(
            "insert into benchmarks (benchmark, digest, relevant_from) values (%s, %s, %s) "
            "on conflict (benchmark) do update set digest = excluded.digest, relevant_from = excluded.relevant_from, "
            "loaded_at = now() where benchmarks.digest <> excluded.digest",
            (name, benchmark.digest, benchmark.rules.relevant_from),
        ).rowcount
        if not changed:
            connection.cursor().executemany(
                "update benchmark_queries set image = %s, example = %s where benchmark = %s and query_id = %s",
                [(*image, name, query_id) for query_id, image in images.items()],
            )
            return False
        connection.execute("delete from benchmark_queries where benchmark = %s", (name,))
        connection.execute("delete from benchmark_problems where benchmark = %s", (name,))
        if problems:
            _write_problems(connection, name, problems)
        else:
            _write(connection, name, benchmark, images)
        return True


def never_ingested(connection: Connection) -> list[str]:
    """The benchmarks of collections of which no run has ever read a file."""
    rows = connection.execute(
        "select b.benchmark from benchmarks b "
        "where not exists (select from raw_images r where r.collection = b.benchmark) "
        "and not exists (select from quarantine q where q.collection = b.benchmark) order by b.benchmark"
    ).fetchall()
    return [row[0] for row in rows]


def stale_judgements(connection: Connection) -> list[StaleJudgement]:
    """Judgements that count nowhere, by benchmark.

    A collection that was never ingested lacks all its images and is not spoken of.
    """
    rows = connection.execute(
        "select benchmark, query_id, corpus_id, state from judgements "
        "where group_id is null and state <> 'example' and not benchmark = any(%s) "
        "order by benchmark, query_id, corpus_id",
        (never_ingested(connection),),
    ).fetchall()
    return [StaleJudgement(*row) for row in rows]


def judged_examples(connection: Connection) -> list[tuple[str, str]]:
    """(benchmark, query id) of the queries by example of which the example itself is judged relevant.

    A search leaves it out, so it counts nowhere. Not told where the collection has another image of its group.
    """
    rows = connection.execute(
        "select distinct j.benchmark, j.query_id from judgements j join benchmarks b using (benchmark) "
        "where j.state = 'example' and j.score >= b.relevant_from order by 1, 2"
    ).fetchall()
    return [(str(name), str(query_id)) for name, query_id in rows]


def refuse_unknown(connection: Connection) -> list[str]:
    """Refuse the stored benchmarks whose qrels name images that their collection never had; returns their names.

    One that was there once, or is in quarantine, is no such error: such judgements are stale, and the check tells.
    A refused one no longer has its files' digest, so that it is stored and looked at anew by the next run: the images
    may have come meanwhile, and its files then need not change.
    """
    unknown = [one for one in stale_judgements(connection) if one.state == "unknown"]
    refused = {name: list(ones) for name, ones in groupby(unknown, lambda one: one.benchmark)}
    for name, ones in refused.items():
        connection.execute("update benchmarks set digest = digest || ' refused' where benchmark = %s", (name,))
        connection.execute("delete from benchmark_queries where benchmark = %s", (name,))
        _write_problems(connection, name, [_of_unknown(ones)])
    return list(refused)


def _of_unknown(unknown: Sequence[StaleJudgement]) -> str:
    names = ", ".join(f"{one.corpus_id!r} (query {one.query_id!r})" for one in unknown[:_LISTED])
    more = f" and {len(unknown) - _LISTED} more" if len(unknown) > _LISTED else ""
    return (
        f"{len(unknown)} judgements name images that the collection does not have: {names}{more}. A corpus-id is the "
        "image's path inside the collection's source, with extension and letter case. Put the images back, correct the "
        "qrels, or point the collection's source at the right folder."
    )


def _write_problems(connection: Connection, name: str, problems: Sequence[str]) -> None:
    rows = ((name, position, problem) for position, problem in enumerate(problems))
    keys = ("benchmark", "position")
    upsert(connection, "benchmark_problems", (*keys, "message"), keys, rows)


def _write(connection: Connection, name: str, benchmark: Benchmark, images: dict[str, tuple[str, str]]) -> None:
    upsert(
        connection,
        "benchmark_queries",
        ("benchmark", "query_id", "text", "image", "example", "kind", "language", "split"),
        ("benchmark", "query_id"),
        (
            (name, one.query_id, one.text, *images.get(one.query_id, (None, None)), one.kind, one.language, one.split)
            for one in benchmark.queries
        ),
    )
    upsert(
        connection,
        "qrels",
        ("benchmark", "query_id", "corpus_id", "score", "content"),
        ("benchmark", "query_id", "corpus_id"),
        ((name, one.query_id, one.corpus_id, one.score, one.content) for one in benchmark.qrels),
    )
