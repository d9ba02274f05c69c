"""Spending within a budget: what was spent, what the calls in flight may cost, and whether the next call still fits."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.errors import BudgetExhaustedError
from imagerag_assets.settings import Budget

_SECONDS_BETWEEN_LOOKS = 0.25
"""How old the ledger's knowledge of other runs' spending may be: two at once overspend by what they have in flight."""
_SHARE_OF_LOOKING = 0.05
"""Of the time, where the rows of a day are so many that looking takes long."""
_LAST_CALLS = 500


@dataclass
class Reservation:
    """What a call in flight may cost; `cost` is set when it has returned, None when nobody knows."""

    amount: Decimal
    cost: Decimal | None = None


class CollectionExhaustedError(BudgetExhaustedError):
    """One collection's budget is reached; others may have something left."""


class Ledger:
    """The money of one run of one stage. Before each call something is reserved, so calls in flight cannot overspend.

    A call reserves what the dearest call of this run cost. Before the first has come back it reserves its upper bound,
    or what the dearest of the last calls of the same model cost if that is less. When that does not fit beside the
    calls in flight, it waits for them; when it does not fit beside none, the budget is reached: so spending ends
    within one call of the limit, whatever the concurrency.
    """

    def __init__(self, budget: Budget, stage: str, model: str, run_id: str) -> None:
        self._budget = budget
        self._stage = stage
        self._model = model
        self._run_id = run_id
        self._spent: dict[str, Decimal] = {}
        """By scope, in rows that are committed."""
        self._unsaved: dict[str, Decimal] = defaultdict(Decimal)
        """By collection: returned and not committed yet, or of unknown cost."""
        self._reserved: dict[str, Decimal] = defaultdict(Decimal)
        self._in_flight: dict[str, int] = defaultdict(int)
        self._dearest_now: Decimal | None = None
        self._dearest_before: Decimal | None = None
        self._unknown = self._unknown_before_today = Decimal()
        """Of what is not committed: what calls of unknown cost may have cost, today and before."""
        self._today: date | None = None
        self._next_look = 0.0
        self._changed = asyncio.Condition()
        self.reached: dict[str, str] = {}
        """Scopes (`run`, `day`, a collection's name) whose budget was reached, with the sentence that says so."""

    def look(self, connection: Connection) -> None:
        """Read what was spent so far, by this run and others, and what the batches that are out may cost."""
        before = time.monotonic()
        run, day, today = one_row(
            connection.execute(
                "select coalesce(sum(cost_usd) filter (where run_id = %s), 0), coalesce(sum(cost_usd) filter "
                "(where (at at time zone 'UTC')::date = (now() at time zone 'UTC')::date), 0), "
                "(now() at time zone 'UTC')::date "
                "from model_calls where run_id = %s or at > now() - interval '25 hours'",
                (self._run_id, self._run_id),
            )
        )
        if today != self._today:
            # A server goes on for weeks.
            self._today, self._unknown_before_today = today, self._unknown
        collections: dict[str, Decimal] = dict(
            connection.execute(
                "select collection, sum(cost_usd) from model_calls where collection = any(%s) and cost_usd is not null "
                "group by collection",
                (list(self._budget.collections_usd),),
            ).fetchall()
        )
        self._spent = {"run": run, "day": day, **{_scope(name): total for name, total in collections.items()}}
        out = connection.execute(
            "select i.collection, b.run_id = %s, sum(i.usd) from description_batch_items i "
            "join description_batches b using (batch) group by 1, 2",
            (self._run_id,),
        )
        for name, is_mine, held in out.fetchall():
            # Whenever they were handed in: the day that they come back on pays.
            for scope in ("day", _scope(name), *(("run",) if is_mine else ())):
                self._spent[scope] = self._spent.get(scope, Decimal()) + held
        if self._dearest_before is None:
            self._dearest_before = self._dearest(connection, batches=False)
        now = time.monotonic()
        self._next_look = now + max(_SECONDS_BETWEEN_LOOKS, (now - before) / _SHARE_OF_LOOKING)

    def saved(self, connection: Connection, collection: str, cost: Decimal | None) -> None:
        """A call's row is in the transaction of `connection`: from now on the database counts it."""
        if cost is not None:
            self._unsaved[collection] -= cost
            for scope in ("run", "day", _scope(collection)):
                self._spent[scope] = self._spent.get(scope, Decimal()) + cost
        if self._budget.limited and time.monotonic() > self._next_look:
            self.look(connection)

    def hold(self, collection: str, bound: Decimal) -> Decimal:
        """Hold what a request of a batch may cost, and say how much that is. `bound` is what it costs at most.

        Raises like `reserve`, but at once: a batch gives nothing back while it is out.
        """
        amount = self._amount(bound)
        if (scope := self._too_much(collection, amount)) is not None:
            raise self._refusal(scope, collection)
        self._reserved[collection] += amount
        return amount

    def handed_in(self, connection: Connection) -> None:
        """What was held is in rows now, or was given up: from now on the database counts it."""
        self._reserved.clear()
        self._dearest_before = self._dearest(connection, batches=True)
        self.look(connection)

    def is_reached(self, collection: str) -> bool:
        """Whether a call for that collection was already refused."""
        return bool(self.reached.keys() & {"run", "day", _scope(collection)})

    @asynccontextmanager
    async def reserve(self, collection: str, bound: Decimal) -> AsyncIterator[Reservation]:
        """Hold what one call may cost while it is in flight. `bound` is what it costs at most.

        Raises `BudgetExhaustedError`, or `CollectionExhaustedError` where only this collection's budget is reached.
        """
        async with self._changed:
            while (scope := self._too_much(collection, self._amount(bound))) is not None:
                if not self._waits_for(scope, collection):
                    raise self._refusal(scope, collection)
                await self._changed.wait()
            reservation = Reservation(self._amount(bound))
            self._reserved[collection] += reservation.amount
            self._in_flight[collection] += 1
        try:
            yield reservation
        finally:
            async with self._changed:
                self._reserved[collection] -= reservation.amount
                self._in_flight[collection] -= 1
                self._unsaved[collection] += reservation.amount if reservation.cost is None else reservation.cost
                if reservation.cost is None:
                    self._unknown += reservation.amount
                if reservation.cost:
                    self._dearest_now = max(self._dearest_now or reservation.cost, reservation.cost)
                self._changed.notify_all()

    def _dearest(self, connection: Connection, *, batches: bool) -> Decimal | None:
        """What the dearest of the last calls cost. Those of `batches`, at half the price, tell nothing of others."""
        found: Decimal | None
        (found,) = one_row(
            connection.execute(
                "select max(cost_usd) from (select cost_usd from model_calls where stage = %s and model = %s "
                "and cost_usd > 0 and (batch is null or %s) order by call desc limit %s) c",
                (self._stage, self._model, batches, _LAST_CALLS),
            )
        )
        return found

    def _amount(self, bound: Decimal) -> Decimal:
        return self._dearest_now or min(bound, self._dearest_before or bound)

    def _limit(self, scope: str) -> Decimal | None:
        limits = {
            "run": self._budget.run_usd,
            "day": self._budget.day_usd,
            **{_scope(name): limit for name, limit in self._budget.collections_usd.items()},
        }
        limit = limits.get(scope)
        return None if limit is None else Decimal(str(limit))

    def _used(self, scope: str, collection: str) -> Decimal:
        """Spent, returned but not committed, and reserved."""
        mine = (collection,) if scope == _scope(collection) else tuple({*self._unsaved, *self._reserved})
        held = sum((self._unsaved[name] + self._reserved[name] for name in mine), Decimal())
        if scope == "day":
            held -= self._unknown_before_today
        return self._spent.get(scope, Decimal()) + held

    def _too_much(self, collection: str, amount: Decimal) -> str | None:
        """The first scope whose limit the amount would pass."""
        for scope in ("run", "day", _scope(collection)):
            limit = self._limit(scope)
            if limit is not None and self._used(scope, collection) + amount > limit:
                return scope
        return None

    def _waits_for(self, scope: str, collection: str) -> bool:
        """Whether calls in flight may still give some of that scope's money back."""
        return self._in_flight[collection] > 0 if scope == _scope(collection) else any(self._in_flight.values())

    def _refusal(self, scope: str, collection: str) -> BudgetExhaustedError:
        used, limit = self._used(scope, collection), self._limit(scope)
        alone = scope == _scope(collection)
        setting = f"budget.collections_usd.{collection}" if alone else f"budget.{scope}_usd"
        self.reached[scope] = (
            f"{setting} is reached: {used:.4f} of {limit} USD are spent or out, and the next call may cost more "
            "than the rest. What is left stays pending; raise the budget, or run again when it is fresh."
        )
        return (CollectionExhaustedError if alone else BudgetExhaustedError)(self.reached[scope])


def _scope(collection: str) -> str:
    # A collection may be called "day".
    return f"collection {collection}"
