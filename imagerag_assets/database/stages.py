"""The rule that every stage obeys: pending = candidates without a result at the current fingerprint.

The rule is an anti-join over the stage's own table, so the data is its own state. This module finds what is pending,
claims it, hands it to the stage's work in batches, commits each batch in one transaction, and keeps the failures.
What a stage computes is not here.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql
from psycopg.rows import namedtuple_row

from imagerag_assets.database.connection import Connection, Database, one_row, read_in_memory
from imagerag_assets.errors import BudgetExhaustedError, ImageragError, ItemError, ServiceError, StageError
from imagerag_assets.settings import Retries


def fingerprint(**parts: Any) -> str:
    """A short hash of what determines a result: code version, model identity, parameters, upstream fingerprints."""
    text = json.dumps(parts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Stage:
    """One table that is filled from candidates.

    `candidates` is a SELECT whose columns are `item` (text, the key in one string), `content`, and whatever the work
    needs. `done` is a condition on the stage's table, under the alias `r`, that ties it to the candidate `c`.
    `current` is a further one, without which a result is out of date whatever its fingerprint: an input that may come
    later or change at the same fingerprint. `output` is an expression over `r`: what downstream sees of a result.
    `waiting` is a condition on `c`: the result was asked for and comes by itself, so it is pending but not to be done.
    """

    name: str
    table: str
    fingerprint: str
    candidates: str
    done: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    current: str = "true"
    output: str = "''"
    waiting: str = "false"


@dataclass(frozen=True)
class Selection:
    """Which part of the candidates a run is asked for: everything, or some collections or shards (0–255)."""

    collections: tuple[str, ...] = ()
    shards: tuple[int, ...] = ()


@dataclass(frozen=True)
class Done:
    """What a stage's work returns for one batch: `save` writes every good item inside the batch's transaction.

    Work that waits for others yields several: each is committed as it comes, and says which of the batch's `items` it
    settles, possibly none. None means the whole batch. What no part settles stays pending.
    """

    save: Callable[[Connection], None]
    failures: Mapping[str, Exception] = field(default_factory=dict)
    cost_usd: float = 0.0
    items: frozenset[str] | None = None


@dataclass
class StageReport:
    """Counts of one run of one stage, in items (images, tiles' images, …)."""

    stage: str
    new: int = 0
    updated: int = 0
    removed: int = 0
    skipped: int = 0
    failed: int = 0
    pending: int = 0
    seconds: float = 0.0
    cost_usd: float = 0.0
    submitted: int = 0
    """Handed to a service that answers much later: pending until then."""
    stopped: str = ""
    """Why the run left things pending that it could have done: a budget that is reached."""

    def add(self, other: StageReport) -> None:
        """Count in what another part of the same run did."""
        self.new += other.new
        self.updated += other.updated
        self.failed += other.failed
        self.seconds += other.seconds
        self.cost_usd += other.cost_usd

    @property
    def worked(self) -> int:
        return self.new + self.updated

    @property
    def rate(self) -> float:
        """Items per second; 0 when nothing was done."""
        return self.worked / self.seconds if self.worked and self.seconds > 0 else 0.0


@dataclass(frozen=True)
class Counts:
    """How far a stage is with one collection, in items. Each is done, pending or failed, and never two of these.

    `stale` are those of the pending and the failed that have a result, which is out of date.
    """

    collection: str
    done: int
    pending: int
    failed: int
    stale: int


@dataclass(frozen=True)
class Progress:
    """How far a stage is."""

    stage: str
    done: int
    total: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.done / self.seconds if self.seconds > 0 else 0.0


Item = Any
"""A row of the stage's candidates as a named tuple."""
Work = Callable[[Sequence[Item]], Done | Iterator[Done]]
OnProgress = Callable[[Progress], None]


def run_stage(
    database: Database,
    stage: Stage,
    work: Work,
    *,
    batch_size: int,
    retries: Retries,
    selection: Selection | None = None,
    on_progress: OnProgress = lambda _progress: None,
) -> StageReport:
    """Do everything that is pending, batch by batch. Killed anywhere, the next call does the rest.

    Work that raises `BudgetExhaustedError` ends the run in good order: the report says why, the rest stays pending.

    Raises `StageError` when no item of a batch succeeds and three or more fail for no reason of their own
    (`ItemError`): then the fault is not theirs.
    """
    chosen = selection or Selection()
    report = StageReport(stage.name)
    started = time.monotonic()
    with database.connect() as connection:
        read_in_memory(connection)
        _forget_failures(connection, stage)
        candidates, total, report.pending = _count(connection, stage, chosen, retries)
        connection.commit()
        report.skipped = candidates - total
        last = ""
        while total and (batch := _next_batch(connection, stage, chosen, retries, last, batch_size)):
            last = batch[-1].item
            with _claimed(connection, stage, chosen, retries, batch) as items:
                for _ in _run_batch(connection, stage, work, items, retries, report) if items else ():
                    report.seconds = time.monotonic() - started
                    on_progress(Progress(stage.name, min(total, report.worked + report.failed), total, report.seconds))
            if report.stopped:
                break
        if total:
            *_, report.pending = _count(connection, stage, chosen, retries)
    report.seconds = time.monotonic() - started
    return report


def counts(connection: Connection, stage: Stage) -> list[Counts]:
    """How far the stage is, by collection. An item of several collections counts in each."""
    rows = connection.execute(
        sql.SQL("""
            select s.collection, count(*) filter (where x.done),
                   count(*) filter (where not x.done and not x.failed),
                   count(*) filter (where not x.done and x.failed),
                   count(*) filter (where not x.done and x.known)
            from (
                select c.content,
                       exists (select from {table} r
                               where {done} and r.fingerprint = %(fingerprint)s and {current}) as done,
                       exists (select from {table} r where {done}) as known,
                       exists (select from stage_failures f where f.stage = %(stage)s and f.item = c.item
                                 and f.fingerprint = %(fingerprint)s) as failed
                from ({candidates}) c) x
            cross join lateral (
                select distinct r.collection from raw_images r
                where r.content = x.content and r.removed_at is null) s
            group by s.collection order by s.collection
        """).format(**_parts(stage)),
        _parameters(stage),
    ).fetchall()
    return [Counts(*row) for row in rows]


def data_version(connection: Connection, stage: Stage) -> str:
    """A digest of the stage's rows at the current fingerprint: equal exactly when downstream has nothing new to see."""
    row = one_row(
        connection.execute(
            sql.SQL(
                "select count(*), coalesce(sum(hashtextextended(c.item || ':' || o.output, 0)::numeric), 0) "
                "from ({candidates}) c cross join lateral (select {output} as output from {table} r "
                "where {done} and r.fingerprint = %(fingerprint)s and {current} limit 1) o"
            ).format(**_parts(stage)),
            _parameters(stage),
        )
    )
    return fingerprint(stage=stage.fingerprint, rows=int(row[0]), sum=str(row[1]))


def _run_batch(
    connection: Connection,
    stage: Stage,
    work: Work,
    items: Sequence[Item],
    retries: Retries,
    report: StageReport,
) -> Iterator[None]:
    """Commit every part of a batch's work as it comes, and say so by a yield."""
    known = _having_older_results(connection, stage, items)
    # The work can take minutes: no transaction stays open meanwhile.
    connection.commit()
    done = work(items)
    # Failures that may be everyone's wait for an item that succeeds, or for the batch's end.
    held: dict[str, Exception] = {}
    succeeded = False
    try:
        for part in [done] if isinstance(done, Done) else done:
            settled = frozenset(item.item for item in items) if part.items is None else part.items
            good = settled - part.failures.keys()
            succeeded = succeeded or bool(good)
            held |= {item: error for item, error in part.failures.items() if not _is_its_own(error)}
            _refuse_what_all_share(stage, {} if succeeded else held)
            failures = {item: error for item, error in part.failures.items() if _is_its_own(error)}
            if succeeded:
                failures, held = failures | held, {}
            _commit(connection, stage, part.save, good, failures, retries)
            report.updated += len(known & good)
            report.new += len(good - known)
            report.failed += len(failures)
            report.cost_usd += part.cost_usd
            yield
    except BudgetExhaustedError as reached:
        report.stopped = str(reached)
    if held:
        _commit(connection, stage, lambda _connection: None, frozenset(), held, retries)
        report.failed += len(held)
        yield


def _is_its_own(error: Exception) -> bool:
    """Whether the failure is the item's, and not that of a service or of this program."""
    return isinstance(error, ItemError) and not isinstance(error, ServiceError)


def _refuse_what_all_share(stage: Stage, failures: Mapping[str, Exception]) -> None:
    if len(failures) >= 3:
        first = next(iter(failures.values()))
        raise StageError(
            f"{stage.name}: {len(failures)} items failed and none of their batch succeeded, the first with "
            f"{_reason(first)}: {first} None of them was recorded as failed; mend the cause and run again."
        ) from first


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, ItemError) else type(error).__name__


def _commit(
    connection: Connection,
    stage: Stage,
    save: Callable[[Connection], None],
    good: frozenset[str],
    failures: Mapping[str, Exception],
    retries: Retries,
) -> None:
    with connection.transaction():
        save(connection)
        _record_failures(connection, stage, failures, retries)
        connection.execute("delete from stage_failures where stage = %s and item = any(%s)", (stage.name, list(good)))


def _parts(stage: Stage) -> dict[str, sql.Composable]:
    return {
        # Both texts are constants of this package; every value goes in as a parameter.
        "candidates": sql.SQL(stage.candidates),
        "table": sql.Identifier(stage.table),
        "done": sql.SQL(stage.done),
        "current": sql.SQL(stage.current),
        "output": sql.SQL(stage.output),
        "waiting": sql.SQL(stage.waiting),
    }


def _parameters(stage: Stage, selection: Selection | None = None, **more: Any) -> dict[str, Any]:
    chosen = selection or Selection()
    return {
        **stage.parameters,
        "stage": stage.name,
        "fingerprint": stage.fingerprint,
        "collections": list(chosen.collections) or None,
        "shards": list(chosen.shards) or None,
        **more,
    }


_SELECTED = """
    (%(collections)s::text[] is null or exists (
        select from raw_images s
        where s.content = c.content and s.removed_at is null and s.collection = any(%(collections)s::text[])))
    and (%(shards)s::int[] is null or get_byte(decode(c.content, 'hex'), 0) = any(%(shards)s::int[]))
"""
_WITHOUT_RESULT = "not exists (select from {table} r where {done} and r.fingerprint = %(fingerprint)s and {current})"
_NOT_WAITING = """
    not exists (
        select from stage_failures f
        where f.stage = %(stage)s and f.item = c.item and f.fingerprint = %(fingerprint)s
          and (f.attempts >= %(attempts)s or f.next_try > now()))
    and not ({waiting})
"""


def _count(connection: Connection, stage: Stage, selection: Selection, retries: Retries) -> tuple[int, int, int]:
    """(all candidates, those that this run will try, those without a result)."""
    all_, tried, pending = one_row(
        connection.execute(
            # With an offset, if of 0, Postgres looks for a candidate's result once.
            sql.SQL(
                f"select count(*), count(*) filter (where c.pending and {_NOT_WAITING}), "  # noqa: S608
                f"count(*) filter (where c.pending) from (select c.*, {_WITHOUT_RESULT} as pending "
                f"from ({{candidates}}) c where {_SELECTED} offset 0) c"
            ).format(**_parts(stage)),
            _parameters(stage, selection, attempts=retries.attempts),
        )
    )
    return int(all_), int(tried), int(pending)


def _next_batch(
    connection: Connection, stage: Stage, selection: Selection, retries: Retries, after: str, size: int
) -> list[Item]:
    """The next pending items in key order. Keyset paging: failed and foreign items are passed over, not met again."""
    query = sql.SQL(
        f"select c.* from ({{candidates}}) c where c.item > %(after)s and {_SELECTED} "  # noqa: S608
        f"and {_WITHOUT_RESULT} and {_NOT_WAITING} order by c.item limit %(size)s"
    ).format(**_parts(stage))
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        return cursor.execute(
            query, _parameters(stage, selection, attempts=retries.attempts, after=after, size=size)
        ).fetchall()


@contextmanager
def _claimed(
    connection: Connection, stage: Stage, selection: Selection, retries: Retries, batch: Sequence[Item]
) -> Iterator[list[Item]]:
    """The part of `batch` that no other run is working on and that is still pending.

    A claim is a session-level advisory lock: it vanishes with the process, so a killed run leaves nothing to clean up.
    Another run may have committed between our look and our lock, hence the second look.
    """
    keys = [item.item for item in batch]
    locked = {
        row[0]
        for row in connection.execute(
            "select item from unnest(%s::text[]) item "
            "where pg_try_advisory_lock(hashtextextended(%s || ':' || item, 0))",
            (keys, stage.name),
        ).fetchall()
    }
    connection.commit()
    try:
        again = sql.SQL(
            f"select c.item from ({{candidates}}) c where c.item = any(%(keys)s) and {_SELECTED} "  # noqa: S608
            f"and {_WITHOUT_RESULT} and {_NOT_WAITING}"
        ).format(**_parts(stage))
        parameters = _parameters(stage, selection, attempts=retries.attempts, keys=sorted(locked))
        still = {row[0] for row in connection.execute(again, parameters).fetchall()}
        connection.commit()
        yield [item for item in batch if item.item in still]
    finally:
        connection.rollback()
        connection.execute(
            "select pg_advisory_unlock(hashtextextended(%s || ':' || item, 0)) from unnest(%s::text[]) item",
            (stage.name, sorted(locked)),
        )
        connection.commit()


def _having_older_results(connection: Connection, stage: Stage, items: Sequence[Item]) -> set[str]:
    rows = connection.execute(
        sql.SQL(
            "select c.item from ({candidates}) c where c.item = any(%(keys)s) "
            "and exists (select from {table} r where {done})"
        ).format(**_parts(stage)),
        _parameters(stage, keys=[item.item for item in items]),
    ).fetchall()
    return {row[0] for row in rows}


def _forget_failures(connection: Connection, stage: Stage) -> None:
    """Drop the failures of items that are gone and those of an earlier fingerprint: nothing will ever retry them."""
    connection.execute(
        sql.SQL(
            "delete from stage_failures f where f.stage = %(stage)s and (f.fingerprint <> %(fingerprint)s "
            "or not exists (select from ({candidates}) c where c.item = f.item))"
        ).format(**_parts(stage)),
        _parameters(stage),
    )


def _record_failures(connection: Connection, stage: Stage, failures: Mapping[str, Exception], retries: Retries) -> None:
    """Keep each failure with its attempts; the wait doubles with every one."""
    for item, error in failures.items():
        connection.execute(
            """
            insert into stage_failures as f
                (stage, item, fingerprint, error_class, message, next_try)
            values (%(stage)s, %(item)s, %(fingerprint)s, %(class)s, %(message)s,
                    now() + make_interval(secs => %(wait)s))
            on conflict (stage, item) do update set
                error_class = excluded.error_class, message = excluded.message, attempts = f.attempts + 1,
                last_try = now(), next_try = now() + make_interval(secs => %(wait)s * power(2, f.attempts))
            """,
            {
                "stage": stage.name,
                "item": item,
                "fingerprint": stage.fingerprint,
                "class": _reason(error),
                "message": str(error)[:2000],
                "wait": retries.first_wait_seconds,
            },
        )


def pending_items(
    connection: Connection, stage: Stage, retries: Retries, selection: Selection | None = None
) -> Iterator[Item]:
    """What a run would try now, item by item: nothing is claimed and nothing is held in memory."""
    query = sql.SQL(
        f"select c.* from ({{candidates}}) c where {_SELECTED} and {_WITHOUT_RESULT} and {_NOT_WAITING}"  # noqa: S608
    ).format(**_parts(stage))
    with connection.cursor("pending_items", row_factory=namedtuple_row) as cursor:
        yield from cursor.execute(query, _parameters(stage, selection, attempts=retries.attempts))


def each(items: Sequence[Item], do: Callable[[Item], Any]) -> tuple[list[tuple[Item, Any]], dict[str, Exception]]:
    """Apply `do` to every item: (results with their items, failures by key).

    An error that a person has to mend (no model, no database) is not an item's fault and goes on up.
    """
    results: list[tuple[Item, Any]] = []
    failures: dict[str, Exception] = {}
    for item in items:
        try:
            results.append((item, do(item)))
        except ItemError as error:
            failures[item.item] = error
        except ImageragError:
            raise
        # Whatever one image does to a decoder or an engine is recorded with its class and shown by a check.
        except Exception as error:  # noqa: BLE001
            failures[item.item] = error
    return results, failures
