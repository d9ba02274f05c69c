"""What to know of a benchmark before its numbers are believed. Counts only: metrics are dbt's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.benchmarks.splits import REPORTED
from imagerag_assets.evaluation.benchmarks.store import (
    StaleJudgement,
    judged_examples,
    never_ingested,
    stale_judgements,
)

Level = Literal["error", "warning", "note"]
LEVELS: tuple[Level, ...] = ("error", "warning", "note")
_LISTED = 5

# Groups of duplicates, as in the metrics: two copies of one picture are one relevant image.
_COUNTS = """
    with relevant as (
        select j.benchmark, j.query_id, count(distinct j.group_id) as images
        from judgements j join benchmarks b using (benchmark)
        where j.group_id is not null and j.score >= b.relevant_from
        group by j.benchmark, j.query_id
    ), counted as (
        select q.*, r.images, q.split = any(%s) as reported
        from benchmark_queries q left join relevant r using (benchmark, query_id)
    )
    select benchmark, count(*) as queries,
           count(*) filter (where reported) as reported,
           count(*) filter (where reported and images is not null) as measured,
           count(*) filter (where reported and images < 5) as below_five,
           count(*) filter (where reported and images = 1) as with_one,
           coalesce(array_agg(query_id order by query_id) filter (where reported and images is null), '{}') as without
    from counted group by benchmark
"""


@dataclass(frozen=True)
class Finding:
    """One thing to know. An error: the benchmark is not measured at all. A warning: less is measured than was meant."""

    benchmark: str
    level: Level
    message: str


def findings(connection: Connection) -> list[Finding]:
    """What the stored benchmarks suffer from, by benchmark, the gravest first."""
    problems = connection.execute("select benchmark, message from benchmark_problems order by benchmark, position")
    found = [Finding(name, "error", f"Not measured: {message}") for name, message in problems]
    later = set(never_ingested(connection))
    found += [Finding(name, "note", "Its collection is not ingested yet: nothing is measured.") for name in later]
    for row in connection.execute(_COUNTS, (list(REPORTED),)).fetchall():
        if row[0] not in later:
            found += _of_counts(*row)
    for name, stale in groupby(stale_judgements(connection), lambda one: one.benchmark):
        found.append(_of_stale(name, list(stale)))
    for name, examples in groupby(judged_examples(connection), lambda one: one[0]):
        found.append(_of_examples(name, [query_id for _, query_id in examples]))
    return sorted(found, key=lambda one: (one.benchmark, LEVELS.index(one.level)))


def _of_counts(
    name: str, queries: int, reported: int, measured: int, below_five: int, with_one: int, unmeasured: list[str]
) -> Iterator[Finding]:
    if not measured:
        where = "" if reported == queries else " of the test split"
        yield Finding(
            name, "warning",
            f"No query{where} has an image that is judged relevant, so nothing is measured. "
            "Judge some: imagerag benchmark judge, or add lines to the qrels.",
        )  # fmt: skip
        return
    if unmeasured:
        yield Finding(
            name, "warning",
            f"{len(unmeasured)} of {reported} queries have no image that is judged relevant and count in no figure: "
            f"{_some(unmeasured)}.",
        )  # fmt: skip
    if below_five:
        yield Finding(
            name, "note",
            f"{below_five} of {measured} queries have fewer than five relevant images, {with_one} of them a single "
            "one, so Precision@5 cannot reach 1 (a single one: at most 0.2). Read it beside its ceiling.",
        )  # fmt: skip
    if reported < queries:
        yield Finding(
            name, "note",
            f"{reported} of {queries} queries are measured, those of the test split; the others are for tuning.",
        )  # fmt: skip


_STATES: dict[Any, str] = {
    "changed": "were judged on other pictures than now lie under their paths",
    "vanished": "name images that are gone",
    "quarantined": "name images in quarantine",
    "unknown": "name images that the collection never had",
}


def _of_stale(name: str, stale: Sequence[StaleJudgement]) -> Finding:
    parts = []
    for state, told in _STATES.items():
        ones = [one.corpus_id for one in stale if one.state == state]
        if ones:
            parts.append(f"{len(ones)} {told} ({_some(sorted(set(ones)))})")
    return Finding(
        name, "warning",
        f"{len(stale)} judgements are stale and count in no figure: {'; '.join(parts)}. Judge anew, or, where they "
        "still hold, say so with imagerag benchmark remember.",
    )  # fmt: skip


def _of_examples(name: str, queries: Sequence[str]) -> Finding:
    return Finding(
        name, "note",
        f"Of {len(queries)} queries by example the example itself is judged relevant ({_some(queries)}). A search "
        "leaves it out, so it counts in no figure.",
    )  # fmt: skip


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more
