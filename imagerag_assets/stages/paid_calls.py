"""A stage whose items are settled by an endpoint's answers: every call a row, in one transaction with its answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, run_stage
from imagerag_assets.errors import ModelError
from imagerag_assets.models.budget import Ledger
from imagerag_assets.models.calls import Call, save_call
from imagerag_assets.models.describers import A, Reply, Subject, Task
from imagerag_assets.models.describers.endpoint import EndpointDescriber, require_price
from imagerag_assets.project import Project
from imagerag_assets.settings import Describer
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.own_loop import OwnLoop

Save = Callable[[Connection, Item, A, Sequence[Call]], None]
"""Writes an answer; the last argument is every call for its image in this run."""


def run_calls(
    project: Project,
    options: RunOptions,
    this: Stage,
    settings: Describer,
    task: Task[A],
    subject_of: Callable[[Item], Subject],
    save: Save[A],
) -> StageReport:
    """Ask for everything that is pending, within the budget; the report says which one was reached.

    Raises `ModelError` when the endpoint can serve nobody; no item is marked failed then.
    """
    budget = project.settings.budget
    ledger = Ledger(budget, this.name, settings.model or "", options.run_id)
    opened: list[EndpointDescriber[A]] = []
    with OwnLoop() as loop:

        def work(items: Sequence[Item]) -> Iterator[Done]:
            if not opened:
                if budget.limited:
                    require_price(settings)
                    with project.database.connect() as connection:
                        ledger.look(connection)
                opened.append(EndpointDescriber(settings, ledger, task))
            by_key = {item.item: item for item in items}
            calls: dict[str, list[Call]] = defaultdict(list)
            for reply in loop.iterate(opened[0].replies([subject_of(item) for item in items])):
                key = reply.subject.key
                if reply.call is not None:
                    calls[key].append(reply.call)
                yield Done(
                    _saver(this, by_key[key], reply, calls[key], options.run_id, ledger, save),
                    {key: reply.error} if reply.error else {},
                    float((reply.call and reply.call.cost_usd) or 0),
                    frozenset({key} if reply.description or reply.error else ()),
                )

        try:
            report = run_stage(
                # Several rounds of calls, so that the slots are rarely idle at a batch's end.
                project.database, this, work, batch_size=max(64, 16 * settings.concurrency),
                retries=project.settings.retries, selection=options.selection, on_progress=options.on_progress,
            )  # fmt: skip
        except ModelError as error:
            # What is wrong with an endpoint is told of the describer's setting.
            raise ModelError(str(error).replace("models.describer", settings.setting)) from error
        finally:
            for endpoint in opened:
                loop.run(endpoint.close())
    report.stopped = " ".join(ledger.reached.values())
    return report


def _saver(
    this: Stage, item: Item, reply: Reply[A], calls: Sequence[Call], run_id: str, ledger: Ledger, save: Save[A]
) -> Callable[[Connection], None]:
    def write(connection: Connection) -> None:
        collection = reply.subject.collection
        if reply.call is not None:
            save_call(connection, reply.call, stage=this.name, item=item.item, collection=collection, run_id=run_id)
            ledger.saved(connection, collection, reply.call.cost_usd)
        if reply.description is not None:
            save(connection, item, reply.description, calls)

    return write
