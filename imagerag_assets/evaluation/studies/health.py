"""Whether the live vector indexes find what is there: recall, filtered searches, use of the index, ef_search.

Stored vectors are what is searched for, so no model is loaded and no benchmark is needed. The truth is an exact
comparison with every row. How the table is told and drawn is `health_page`'s.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from psycopg import sql

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import fingerprint
from imagerag_assets.evaluation.studies import store
from imagerag_assets.evaluation.studies.store import Study
from imagerag_assets.methods import Leg
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations, index
from imagerag_assets.retrieval.filters import Condition, condition_sql
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import SEARCH_VERSION, EncodedQuery, search_plan, search_rows

STUDY = "index_health"
_VERSION = 4
_NEAREST = 10
_VALUES = 6
"""Values of each key that are filtered by, from the most to the least frequent."""
_ROUNDING = 1e-6
_TABLES: dict[Leg, str] = {"clip": "tiles", "description": "descriptions"}


@dataclass(frozen=True)
class _Index:
    """The HNSW index of one leg's vectors, and what a statement has to order by to use it."""

    leg: Leg
    table: sql.Identifier
    name: str
    number: int
    expression: str
    type: str


@dataclass(frozen=True)
class _Sampled:
    """A stored vector and what is truly near it: `reach` is the distance of the last of its nearest."""

    row: str
    vector: Any
    reach: float
    nearest: int


def index_health(connection: Connection, project: Project) -> Study:
    """Look at the live generation's indexes, or give what was found of the same index and settings.

    `result` has `images`, `legs` (a sweep of ef_search for each, and whether searches use the index), `filters`, and
    the legs whose index is `missing`.
    Raises `NoLiveIndexError`.
    """
    live = generations.live(connection)
    settings = project.settings
    state = fingerprint(
        version=_VERSION, search=SEARCH_VERSION, index=index.index_digest(connection, live),
        settings=settings.index.model_dump(), sample=settings.health.sample, widths=settings.health.ef_search,
    )  # fmt: skip
    found = store.kept(connection, STUDY, state)
    if found is not None:
        return found
    (images,) = one_row(connection.execute(sql.SQL("select count(*) from {}").format(live.table("images"))))
    legs, filters = [], []
    indexes = list(_indexes(connection, live))
    missing = sorted(_TABLES.keys() - {one.leg for one in indexes})
    for one in indexes:
        sampled = _sample(connection, one, settings.health.sample)
        if not sampled:
            continue
        legs.append(_leg(connection, project, live, one, sampled))
        filters += list(_filtered(connection, project, live, one, sampled))
    result = {"generation": live.number, "images": images, "legs": legs, "filters": filters, "missing": missing}
    return store.keep(connection, STUDY, state, result)


def _indexes(connection: Connection, live: Generation) -> Iterator[_Index]:
    """What the indexes are over is read from Postgres: an expression of another type is searched as it is indexed."""
    for leg, table in _TABLES.items():
        row = connection.execute(
            "select c.relname, c.oid::bigint, pg_get_indexdef(c.oid, 1, true), format_type(a.atttypid, a.atttypmod) "
            "from pg_index x join pg_class c on c.oid = x.indexrelid join pg_am m on m.oid = c.relam "
            "join pg_attribute a on a.attrelid = c.oid and a.attnum = 1 "
            "where m.amname = 'hnsw' and x.indrelid = to_regclass(%s)",
            (f"imagerag_generation_{live.number}.{table}",),
        ).fetchone()
        if row is not None:
            yield _Index(leg, live.table(table), *row)


def _sample(connection: Connection, one: _Index, count: int) -> list[_Sampled]:
    """Vectors drawn by a hash of their place, each with the distance of the tenth other one; none of one alone."""
    rows = connection.execute(
        sql.SQL("select ctid::text, embedding from {} order by hashtextextended(ctid::text, 0) limit %s").format(
            one.table
        ),
        (count,),
    ).fetchall()
    found = []
    for place, vector in rows:
        # "+ 0" keeps the planner from the index, whose order is approximate.
        near = connection.execute(
            sql.SQL(
                "select (embedding <=> %(v)s) + 0 from {} where ctid <> %(row)s::tid order by 1 limit %(n)s"
            ).format(one.table),
            {"v": vector, "row": place, "n": _NEAREST},
        ).fetchall()
        if near:
            found.append(_Sampled(place, vector, float(near[-1][0]), len(near)))
    return found


def _leg(
    connection: Connection, project: Project, live: Generation, one: _Index, sampled: Sequence[_Sampled]
) -> dict[str, Any]:
    settings = project.settings
    widths = sorted({*settings.health.ef_search, settings.index.ef_search})
    (vectors,) = one_row(connection.execute(sql.SQL("select count(*) from {}").format(one.table)))
    return {
        "leg": one.leg,
        "vectors": vectors,
        "sample": len(sampled),
        "ef_search": settings.index.ef_search,
        "sweep": [_swept(connection, one, sampled, width) for width in widths],
        "scans": _scans(connection, project, live, one, sampled[0]),
        "plan": _plan(connection, project, live, one, sampled[0]),
    }


def _swept(connection: Connection, one: _Index, sampled: Sequence[_Sampled], width: int) -> dict[str, float]:
    """Recall of the ten nearest and milliseconds of a scan, by the index and nothing else."""
    statement = sql.SQL(
        "select ctid::text, embedding <=> %(v)s from {table} order by {expression} <=> %(v)s::{type} limit %(n)s"
    ).format(table=one.table, expression=sql.SQL(one.expression), type=sql.SQL(one.type))
    found, wanted, times = 0, 0, []
    with connection.transaction(force_rollback=True):
        connection.execute("set local enable_seqscan = off")
        connection.execute("set local enable_sort = off")
        _widen(connection, width)
        # The first scan of a session reads what the others find in memory.
        connection.execute(statement, {"v": sampled[0].vector, "n": _NEAREST + 1}).fetchall()
        for each in sampled:
            started = time.perf_counter()
            rows = connection.execute(statement, {"v": each.vector, "n": _NEAREST + 1}).fetchall()
            times.append((time.perf_counter() - started) * 1000)
            others = [distance for place, distance in rows if place != each.row][:_NEAREST]
            # By distance and not by row: of equally near ones any will do.
            found += sum(distance <= each.reach + _ROUNDING for distance in others)
            wanted += each.nearest
    middle, slow = np.percentile(times, [50, 95])
    return {"ef_search": width, "recall": found / wanted, "p50_ms": float(middle), "p95_ms": float(slow)}


def _widen(connection: Connection, width: int) -> None:
    connection.execute(sql.SQL("set local hnsw.ef_search = {}").format(sql.Literal(width)))
    connection.execute("set local hnsw.iterative_scan = strict_order")


def _scans(connection: Connection, project: Project, live: Generation, one: _Index, sampled: _Sampled) -> int:
    """How often a real search of the whole index scanned this index: what Postgres counted, not what it planned."""
    count = "select coalesce(pg_stat_get_xact_numscans(%s::oid), 0)"
    with connection.transaction(force_rollback=True):
        (before,) = one_row(connection.execute(count, (one.number,)))
        _search(connection, project, live, one, sampled, ())
        (after,) = one_row(connection.execute(count, (one.number,)))
    return int(after - before)


def _search(
    connection: Connection, project: Project, live: Generation, one: _Index, sampled: _Sampled,
    where: Sequence[Condition],
) -> int:  # fmt: skip
    """How many images the leg's own search gives."""
    query = _query(one, sampled)
    rows = search_rows(
        connection, project, query, live, method=one.leg, collections=(), where=where, limit=_NEAREST
    )  # fmt: skip
    return len(rows)


def _query(one: _Index, sampled: _Sampled) -> EncodedQuery:
    vector = np.asarray(sampled.vector.to_numpy(), dtype=np.float32)
    return EncodedQuery(vector if one.leg == "clip" else None, vector if one.leg == "description" else None)


def _plan(connection: Connection, project: Project, live: Generation, one: _Index, sampled: _Sampled) -> str:
    """How the leg's own search of the whole index goes through its vectors, from the top down.

    Looking single rows up by their key is not told: that is how candidates are scored, whatever found them.
    """
    with connection.transaction(force_rollback=True):
        plan = search_plan(connection, project, _query(one, sampled), live, method=one.leg, limit=_NEAREST)
    return "; ".join(dict.fromkeys(_readings(plan, one, ())))


_SHOWN = 4
"""Steps of a plan, from where the vectors are read upwards."""


def _readings(node: dict[str, Any], one: _Index, above: tuple[str, ...]) -> Iterator[str]:
    used = node.get("Index Name") or node.get("Relation Name")
    path = (*above, f"{node['Node Type']} on {used}" if used else node["Node Type"])
    if used in (one.name, _TABLES[one.leg]):
        yield " ← ".join(path[-_SHOWN:])
    # What a part of the statement has named for itself starts anew.
    for below in node.get("Plans", ()):
        yield from _readings(below, one, () if "Subplan Name" in below else path)


def _filtered(
    connection: Connection, project: Project, live: Generation, one: _Index, sampled: Sequence[_Sampled]
) -> Iterator[dict[str, Any]]:
    """Every filter on its share of the sample: how often it gives fewer images than it leaves, of ten at most."""
    filters = _filters(connection, live)
    each = max(1, len(sampled) // max(len(filters), 1))
    for number, condition in enumerate(filters):
        there = _groups(connection, live, one, condition)
        chosen = [sampled[(number * each + offset) % len(sampled)] for offset in range(each)]
        with connection.transaction(force_rollback=True):
            given = [_search(connection, project, live, one, vector, (condition,)) for vector in chosen]
        wanted = min(_NEAREST, there)
        yield {
            "leg": one.leg, **asdict(condition), "images": there, "searches": len(given),
            "short": sum(found < wanted for found in given),
        }  # fmt: skip


def _filters(connection: Connection, live: Generation) -> list[Condition]:
    """Real values of three keys, frequent and rare ones."""
    parts = {
        "collection": "select collection from {images}",
        "category": "select category from {images} where category <> ''",
        "tag": "select unnest(tags) from {images}",
    }
    found = []
    for key, values in parts.items():
        rows = connection.execute(
            sql.SQL(f"select value from ({values}) v (value) group by value order by count(*) desc, value").format(  # noqa: S608
                images=live.table("images")
            )
        ).fetchall()
        places = np.unique(np.linspace(0, len(rows) - 1, min(_VALUES, len(rows))).round().astype(int))
        found += [Condition(key, "=", str(rows[place][0])) for place in places]
    return found


def _groups(connection: Connection, live: Generation, one: _Index, condition: Condition) -> int:
    """Images that the leg could give under the filter, duplicates as one."""
    where, values = condition_sql((condition,))
    return int(
        one_row(
            connection.execute(
                sql.SQL(
                    "select count(distinct i.group_id) from {} i "
                    "where exists (select from {} v where v.image_id = i.image_id) and {}"
                ).format(live.table("images"), one.table, where),
                values,
            )
        )[0]
    )
