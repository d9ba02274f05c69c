"""Stages whose items are settled by a model's answers: every call a row, in one transaction with its answer.

What is asked, and what is written of an answer, are the stage's own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, Work
from imagerag_assets.models.budget import Ledger
from imagerag_assets.models.calls import Call, save_call
from imagerag_assets.models.describers import A, Reply, Subject, Task
from imagerag_assets.models.describers.endpoint import EndpointDescriber, require_price
from imagerag_assets.project import Project
from imagerag_assets.settings import Describer
from imagerag_assets.stages.common import RunOptions, run_pending
from imagerag_assets.stages.own_loop import OwnLoop

Save = Callable[[Connection, Item, A, Sequence[Call]], None]
"""Writes an answer; the last argument is every call for its image in this run."""
SubjectOf = Callable[[Item], Subject]
Watch = Callable[[Connection, str, Decimal | None], None]
"""Is told of every saved call: the collection, and what it cost."""


def _not_watched(_connection: Connection, _collection: str, _cost: Decimal | None) -> None:
    pass


def run_calls(
    project: Project,
    options: RunOptions,
    this: Stage,
    settings: Describer,
    task: Task[A],
    subject_of: SubjectOf,
    save: Save[A],
) -> StageReport:
    """Ask an endpoint for everything that is pending, within the budget; the report says which one was reached.

    Raises `ModelError` when the endpoint can serve nobody; no item is marked failed then.
    """
    budget = project.settings.budget
    ledger = Ledger(budget, this.table, settings.model or "", options.run_id)
    opened: list[EndpointDescriber[A]] = []
    with OwnLoop() as loop:

        def replies(subjects: Sequence[Subject]) -> Iterator[Reply[A]]:
            if not opened:
                if budget.limited:
                    require_price(settings)
                    with project.database.connect() as connection:
                        ledger.look(connection)
                opened.append(EndpointDescriber(settings, ledger, task))
            return loop.iterate(opened[0].replies(subjects))

        try:
            work = by_answers(this, options.run_id, subject_of, replies, save, ledger.saved)
            # Several rounds of calls, so that the slots are rarely idle at a batch's end.
            report = run_pending(project, options, this, work, max(64, 16 * settings.concurrency))
        finally:
            for endpoint in opened:
                loop.run(endpoint.close())
    report.stopped = " ".join(ledger.reached.values())
    return report


def by_answers(
    this: Stage,
    run_id: str,
    subject_of: SubjectOf,
    replies: Callable[[Sequence[Subject]], Iterator[Reply[A]]],
    save: Save[A],
    watch: Watch = _not_watched,
) -> Work:
    """The work of a model that answers image by image."""

    def work(items: Sequence[Item]) -> Iterator[Done]:
        by_key = {item.item: item for item in items}
        calls: dict[str, list[Call]] = defaultdict(list)
        for reply in replies([subject_of(item) for item in items]):
            key = reply.subject.key
            if reply.call is not None:
                calls[key].append(reply.call)
            yield done(this, by_key[key], reply, calls[key], run_id, save, watch)

    return work


def done(
    this: Stage,
    item: Item,
    reply: Reply[A],
    calls: Sequence[Call],
    run_id: str,
    save: Save[A],
    watch: Watch = _not_watched,
) -> Done:
    """What to write of a reply. `calls` are all those for the image so far."""

    def write(connection: Connection) -> None:
        collection = reply.subject.collection
        if reply.call is not None:
            save_call(connection, reply.call, stage=this.table, item=item.item, collection=collection, run_id=run_id)
            watch(connection, collection, reply.call.cost_usd)
        if reply.description is not None:
            save(connection, item, reply.description, calls)

    return Done(
        write,
        {item.item: reply.error} if reply.error else {},
        float((reply.call and reply.call.cost_usd) or 0),
        frozenset({item.item} if reply.description or reply.error else ()),
    )


def tell_stop(project: Project, stage: str, run_id: str, reason: str) -> None:
    """Keep why the stage's last run ended early, a budget being reached; an empty reason takes that back."""
    with project.database.connect() as connection:
        connection.execute("delete from budget_stops where stage = %s", (stage,))
        if reason:
            connection.execute(
                "insert into budget_stops (stage, run_id, reason) values (%s, %s, %s)", (stage, run_id, reason)
            )
