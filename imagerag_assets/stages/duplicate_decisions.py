"""What people say about duplicates: kept for ever, obeyed by every run, refused when it contradicts itself."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import StageReport
from imagerag_assets.errors import DecisionError
from imagerag_assets.images.groups import Decisions
from imagerag_assets.stages import deduped_set

Verdict = Literal["same", "different"]
_HASH = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Decision:
    """One pair of contents, `a` < `b`, and what was said of it."""

    number: int
    a: str
    b: str
    verdict: Verdict
    decided_by: str
    reason: str
    decided_at: datetime


def find_image(connection: Connection, name: str) -> str:
    """The content of "collection/uri", or of a hash's first eight digits and more. Raises `DecisionError`."""
    collection, _, uri = name.partition("/")
    rows = connection.execute(
        "select content from raw_images where collection = %s and uri = %s and removed_at is null", (collection, uri)
    ).fetchall()
    if not rows and _HASH.fullmatch(name):
        rows = connection.execute(
            "select content from live_contents where starts_with(content, %s) order by content limit 2", (name,)
        ).fetchall()
    if not rows:
        raise DecisionError(
            f"There is no image {name}. Name it as collection/path, or by eight or more digits of its content's hash."
        )
    if len(rows) > 1:
        raise DecisionError(f"More than one image's hash starts with {name}. Give more digits.")
    return str(rows[0][0])


def name_of(connection: Connection, content: str) -> str:
    """How `find_image` would be told: the first of its files, or the hash of one that is gone."""
    row = connection.execute(
        "select collection || '/' || uri from raw_images where content = %s and removed_at is null order by 1 limit 1",
        (content,),
    ).fetchone()
    return str(row[0]) if row else content[:16]


def group_of(connection: Connection, content: str) -> list[str]:
    """The contents of its group, canonical first; only itself before it was grouped."""
    rows = connection.execute(
        "select o.content from deduped_set d join deduped_set o using (canonical) where d.content = %s "
        "order by o.content <> o.canonical, o.content",
        (content,),
    ).fetchall()
    return [row[0] for row in rows] or [content]


def active(connection: Connection) -> list[Decision]:
    """Every decision that holds, oldest first."""
    rows = connection.execute(
        "select decision, a, b, verdict, decided_by, reason, decided_at from duplicate_decisions "
        "where undone_at is null order by decision"
    ).fetchall()
    return [Decision(*row) for row in rows]


def decide(
    connection: Connection, verdict: Verdict, pairs: Sequence[tuple[str, str]], *, by: str, reason: str
) -> StageReport:
    """Keep what was said of the pairs and group again; what was said before is not said twice.

    The caller's transaction decides. Raises `DecisionError` when it contradicts a decision that holds; then nothing
    is kept.
    """
    connection.execute("lock table duplicate_decisions in share row exclusive mode")
    for one, other in pairs:
        a, b = sorted((one, other))
        known = active(connection)
        if (a, b, verdict) in {(each.a, each.b, each.verdict) for each in known}:
            continue
        _refuse_contradiction(connection, known, verdict, one, other)
        connection.execute(
            "insert into duplicate_decisions (a, b, verdict, decided_by, reason) values (%s, %s, %s, %s, %s)",
            (a, b, verdict, by, reason),
        )
    return _group_again(connection, [end for pair in pairs for end in pair])


def undo(connection: Connection, number: int, *, by: str) -> StageReport:
    """Take a decision back; it stays on record. Raises `DecisionError` when there is none that holds."""
    row = connection.execute(
        "update duplicate_decisions set undone_by = %s, undone_at = now() where decision = %s and undone_at is null "
        "returning a, b",
        (by, number),
    ).fetchone()
    if row is None:
        raise DecisionError(f"There is no decision {number} that holds. See: imagerag duplicates list")
    return _group_again(connection, row)


def _group_again(connection: Connection, contents: Sequence[str]) -> StageReport:
    report = StageReport(deduped_set.STAGE)
    connection.execute("update deduped_set set fingerprint = '' where content = any(%s)", (list(contents),))
    deduped_set.regroup(connection, report)
    return report


def _refuse_contradiction(
    connection: Connection, known: Sequence[Decision], verdict: Verdict, one: str, other: str
) -> None:
    same = [(each.a, each.b) for each in known if each.verdict == "same"]
    different = [(each.a, each.b) for each in known if each.verdict == "different"]
    (same if verdict == "same" else different).append((one, other))
    if one == other:
        raise DecisionError(f"{name_of(connection, one)} was named twice: name two images with different bytes.")
    clash = Decisions(same, different).contradiction()
    if clash is None:
        return
    a, b = (name_of(connection, content) for content in (one, other))
    if verdict == "different":
        chain = sorted(_chain(known, one, other))
        numbers = ", ".join(map(str, chain))
        raise DecisionError(
            f"{a} and {b} were joined by hand (decision {numbers}), so they cannot be split. "
            f"Take one back first: imagerag duplicates undo {chain[-1]}"
        )
    against = next(each for each in known if each.verdict == "different" and (each.a, each.b) == clash)
    raise DecisionError(
        f"{a} and {b} cannot be joined: {name_of(connection, against.a)} and {name_of(connection, against.b)} would "
        f"share a group and were split by hand (decision {against.number}). "
        f"Take it back first: imagerag duplicates undo {against.number}"
    )


def _chain(known: Sequence[Decision], start: str, end: str) -> list[int]:
    """The fewest joins that lead from one content to the other."""
    edges: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for each in known:
        if each.verdict == "same":
            edges[each.a].append((each.b, each.number))
            edges[each.b].append((each.a, each.number))
    ways: dict[str, list[int]] = {start: []}
    waiting = deque([start])
    while end not in ways:
        content = waiting.popleft()
        for neighbour, number in edges[content]:
            if neighbour not in ways:
                ways[neighbour] = [*ways[content], number]
                waiting.append(neighbour)
    return ways[end]
