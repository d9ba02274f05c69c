"""What is remembered of the batches that are out: their rows, and whose hands they are in. No server is asked here."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import Item, Stage, fingerprint
from imagerag_assets.errors import ModelError
from imagerag_assets.models.describers.endpoint import address
from imagerag_assets.project import Project
from imagerag_assets.settings import Describer

WAITING = (
    "exists (select from description_batch_items b where b.item = c.item and b.fingerprint = %(fingerprint)s "
    "and b.inputs = c.inputs)"
)
"""A candidate's description is asked for already."""
NOT_OF_BATCH = (
    "not exists (select from description_batch_items b where b.batch = %(batch)s and b.item = c.item "
    "and b.fingerprint = %(fingerprint)s and b.inputs = c.inputs)"
)
"""The batch `batch` brings nothing that is wanted of a candidate."""


@dataclass(frozen=True)
class OpenBatch:
    """A batch that is not settled yet."""

    batch: uuid.UUID
    run_id: str
    fingerprint: str
    preset: str
    model: str
    address: str
    key_env: str | None
    requests: int
    state: str
    input_file: str | None
    server_batch: str | None
    created_at: datetime
    changed_at: datetime

    @property
    def server(self) -> tuple[str, str, str | None]:
        """Who has it: batches that are equal in this are asked for in one connection."""
        return self.preset, self.address, self.key_env


def open_batches(connection: Connection) -> list[OpenBatch]:
    """The batches that are not settled, whichever server they were handed in at, oldest first."""
    rows = connection.execute(
        "select batch, run_id, fingerprint, preset, model, address, key_env, requests, state, input_file, "
        "server_batch, created_at, changed_at from description_batches where state <> 'ended' "
        "order by created_at, batch"
    ).fetchall()
    return [OpenBatch(*row) for row in rows]


@dataclass(frozen=True)
class BatchOut:
    """A batch that is out, for people. `says` is what kept the last run from looking at it."""

    batch: str
    server_batch: str
    state: str
    model: str
    address: str
    since: datetime
    images: int
    usd: Decimal
    says: str


def batches_out(connection: Connection) -> list[BatchOut]:
    """What is out: how many images, and what is held against the budgets for them."""
    rows = connection.execute(
        "select b.batch::text, coalesce(b.server_batch, ''), b.state, b.model, b.address, b.created_at, "
        "count(i.item), coalesce(sum(i.usd), 0), b.reason "
        "from description_batches b left join description_batch_items i using (batch) "
        "where b.state <> 'ended' group by b.batch order by b.created_at, b.batch"
    ).fetchall()
    return [BatchOut(*row) for row in rows]


def say(connection: Connection, batch: uuid.UUID, reason: str) -> None:
    """Why an open batch of other settings cannot be looked at; empty where it can."""
    connection.execute(
        "update description_batches set reason = %(reason)s "
        "where batch = %(batch)s and state <> 'ended' and reason <> %(reason)s",
        {"reason": reason[:2000], "batch": batch},
    )


def open_batch(connection: Connection, name: str) -> OpenBatch:
    """The open batch of that name, ours or the server's. Raises `ModelError` where there is none."""
    for one in open_batches(connection):
        if name in (str(one.batch), one.server_batch):
            return one
    raise ModelError(f"No batch {name} is out. `imagerag batches` lists those that are.")


def forget(connection: Connection, name: str) -> int:
    """Take a batch, by our name or the server's, for lost: its images may be asked for again. How many they are.

    Raises `ModelError` where no open batch goes by that name.
    """
    return give_up(connection, open_batch(connection, name).batch, "forgotten by hand")


def give_up(connection: Connection, batch: uuid.UUID, reason: str) -> int:
    """Nothing comes of a batch: its images are pending again. How many they are."""
    items = connection.execute("delete from description_batch_items where batch = %s", (batch,)).rowcount
    end(connection, batch, reason)
    return items


def requests_of(connection: Connection, one: OpenBatch) -> dict[str, tuple[int, str]]:
    """By item: the request's number and the collection that pays, of those that are not settled."""
    rows = connection.execute(
        "select item, number, collection from description_batch_items where batch = %s", (one.batch,)
    ).fetchall()
    return {item: (number, collection) for item, number, collection in rows}


@dataclass(frozen=True)
class Request:
    """One image that is asked for, and what is held against the budget for it."""

    item: Item
    usd: Decimal


@contextmanager
def held(project: Project, what: str, *, wait: bool = False) -> Iterator[bool]:
    """Whether this run alone holds `what`. An advisory lock: it vanishes with the process."""
    key = int(fingerprint(description_batches=what), 16) - (1 << 63)
    with project.database.connect() as connection:
        is_mine = True
        if wait:
            connection.execute("select pg_advisory_lock(%s)", (key,))
        else:
            (is_mine,) = one_row(connection.execute("select pg_try_advisory_lock(%s)", (key,)))
        connection.commit()
        try:
            yield is_mine
        finally:
            if is_mine:
                connection.execute("select pg_advisory_unlock(%s)", (key,))


def remember(
    connection: Connection, batch: uuid.UUID, run_id: str, this: Stage, settings: Describer, requests: Sequence[Request]
) -> None:
    """Write down what will be asked for, before the server hears of it."""
    connection.execute(
        "insert into description_batches "
        "(batch, run_id, fingerprint, preset, model, address, key_env, requests, state) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, 'uploading')",
        (
            batch,
            run_id,
            this.fingerprint,
            settings.preset,
            settings.model,
            address(settings),
            settings.key_env,
            len(requests),
        ),
    )
    rows: list[tuple[Any, ...]] = [
        (batch, number, one.item.item, one.item.collection, this.fingerprint, one.item.inputs, one.usd)
        for number, one in enumerate(requests)
    ]
    connection.cursor().executemany(
        "insert into description_batch_items (batch, number, item, collection, fingerprint, inputs, usd) "
        "values (%s, %s, %s, %s, %s, %s, %s)",
        rows,
    )


def is_uploaded(connection: Connection, batch: uuid.UUID, input_file: str) -> None:
    """The server has the file, and will be asked now. Raises `ModelError` where the batch was taken for lost."""
    done = connection.execute(
        "update description_batches set state = 'creating', input_file = %s, changed_at = now() "
        "where batch = %s and state = 'uploading'",
        (input_file, batch),
    )
    if done.rowcount != 1:
        raise ModelError("models.describer: the batch was taken for lost by another run. Nothing was asked for.")


def is_out(connection: Connection, batch: uuid.UUID, server_batch: str) -> None:
    """The server has the batch."""
    connection.execute(
        "update description_batches set state = 'out', server_batch = %s, changed_at = now() where batch = %s",
        (server_batch, batch),
    )


def end(connection: Connection, batch: uuid.UUID, reason: str) -> None:
    """All of it is settled."""
    connection.execute(
        "update description_batches set state = 'ended', reason = %s, changed_at = now() where batch = %s",
        (reason[:2000], batch),
    )


def forget_unasked(connection: Connection, batch: uuid.UUID) -> None:
    """A batch that the server never had."""
    connection.execute(
        "delete from description_batches where batch = %s and state in ('uploading', 'creating')", (batch,)
    )


def let_go(connection: Connection, one: OpenBatch, number: int) -> None:
    """One request is settled: what came of it is saved in the same transaction."""
    connection.execute("delete from description_batch_items where batch = %s and number = %s", (one.batch, number))


def age(project: Project, one: OpenBatch) -> float:
    """Seconds since the batch came into its state, by the database's clock."""
    with project.database.connect() as connection:
        return float(one_row(connection.execute("select extract(epoch from now() - %s)", (one.changed_at,)))[0])
