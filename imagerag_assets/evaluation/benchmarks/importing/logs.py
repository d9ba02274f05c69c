"""A query log: what people clicked becomes what is relevant, by a rule.

The log is a .csv or .jsonl with `query`, `uri` (of the image that was clicked), optional `count` (default 1), `time`.
Clicks are added up per query and image; case and spaces of a query do not matter. The image with the most clicks and
those with at least 80 % of them get grade 3, with at least 40 % grade 2, the others 1. An image with a single click is
left out, and so is a query with fewer than five: chance decides there.

Nothing gets the grade 0: that an image was not clicked may say that it was not seen. A log knows what was shown above,
not what is good: clicks favour what the old search ranked first (position bias: Joachims et al. 2005).
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from imagerag_assets.errors import BenchmarkError, SettingsError
from imagerag_assets.evaluation.benchmarks.importing.foreign import (
    Foreign,
    ForeignJudgement,
    json_lines,
    whole_number,
)
from imagerag_assets.evaluation.benchmarks.model import Query

GRADES = ((0.8, 3), (0.4, 2), (0.0, 1))
"""(least share of the most clicked image's clicks, grade)."""
LEAST_CLICKS = 2
LEAST_QUERY_CLICKS = 5


class _Click(NamedTuple):
    query: str
    uri: str
    clicks: int


def read_log(file: Path, since: str = "") -> Foreign:
    """Read a log, from the day `since` (ISO 8601) on. Raises `BenchmarkError` with the line that is wrong."""
    clicks: dict[str, Counter[str]] = defaultdict(Counter)
    spelled: dict[str, str] = {}
    for click in _clicks(file, _day(since) if since else None):
        key = " ".join(click.query.split()).casefold()
        spelled.setdefault(key, " ".join(click.query.split()))
        clicks[key][click.uri] += click.clicks
    often = {key: counts for key, counts in clicks.items() if counts.total() >= LEAST_QUERY_CLICKS}
    foreign = Foreign("a query log", [], [])
    if rare := len(clicks) - len(often):
        foreign.left_out.append(f"{rare} queries with fewer than {LEAST_QUERY_CLICKS} clicks.")
    graded = {key: grades(counts) for key, counts in often.items()}
    if single := sum(len(often[key]) - len(graded[key]) for key in often):
        foreign.left_out.append(f"{single} images with fewer than {LEAST_CLICKS} clicks for their query.")
    if scattered := sum(not found for found in graded.values()):
        foreign.left_out.append(f"{scattered} queries of which no image has {LEAST_CLICKS} clicks.")
    ordered = sorted(filter(graded.get, often), key=lambda key: (-often[key].total(), key))
    for number, key in enumerate(ordered, start=1):
        query_id = f"q{number:04}"
        foreign.queries.append(Query(query_id, spelled[key], None, "clicked", ""))
        foreign.judgements += [ForeignJudgement(query_id, uri, grade) for uri, grade in graded[key].items()]
    return foreign


def grades(clicks: Counter[str]) -> dict[str, int]:
    """The grade of every image that was clicked often enough, the most clicked first."""
    most = max(clicks.values(), default=0)
    return {
        uri: next(grade for share, grade in GRADES if count >= share * most)
        for uri, count in sorted(clicks.items(), key=lambda one: (-one[1], one[0]))
        if count >= LEAST_CLICKS
    }


def _clicks(file: Path, since: date | None) -> Iterator[_Click]:
    for where, values in json_lines(file) if file.suffix == ".jsonl" else _csv_lines(file):
        query, uri = values.get("query"), values.get("uri")
        if not isinstance(query, str) or not isinstance(uri, str) or not query.strip() or not uri.strip():
            raise BenchmarkError(f"{where} needs the texts query and uri.")
        count = whole_number(where, "count", 1 if values.get("count") in (None, "") else values["count"])
        if count < 0:
            raise BenchmarkError(f"{where}: count is {count}, below 0.")
        if since is None or _time(where, values.get("time")) >= since:
            yield _Click(query, uri.strip(), count)


def _csv_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines)
            if not {"query", "uri"} <= set(rows.fieldnames or ()):
                raise BenchmarkError(f"{file}, line 1 must be a header with query and uri, separated by commas.")
            for row in rows:
                yield f"{file}, line {rows.line_num}", row
    except (UnicodeDecodeError, csv.Error) as error:
        raise BenchmarkError(f"{file} cannot be read as CSV in UTF-8: {error}") from None


def _time(where: str, value: object) -> date:
    try:
        return datetime.fromisoformat(str(value)).date()
    except ValueError:
        raise BenchmarkError(f"{where}: time is {value!r}, not like 2024-05-31T12:00:00.") from None


def _day(since: str) -> date:
    try:
        return date.fromisoformat(since)
    except ValueError:
        raise SettingsError(f"--since: {since!r} is no day such as 2024-05-31.") from None
