"""Descriptions by the Batch API: write what is pending into files, within the budget, and hand them in.

What becomes of them, and why a run that is killed anywhere pays nothing twice, is told in description_batches.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport
from imagerag_assets.errors import BudgetExhaustedError, ImageragError, ItemError, ModelError
from imagerag_assets.models.budget import CollectionExhaustedError, Ledger
from imagerag_assets.models.describers import Subject
from imagerag_assets.models.describers.batches import BatchService, ServerBatch, UncertainError, request_line
from imagerag_assets.models.describers.endpoint import most_it_costs, require_price
from imagerag_assets.models.describers.picture import prepare
from imagerag_assets.project import Project
from imagerag_assets.settings import Describer
from imagerag_assets.stages import batch_records
from imagerag_assets.stages.batch_records import Request
from imagerag_assets.stages.common import RunOptions, run_pending
from imagerag_assets.stages.description_batches import SubjectOf, serving
from imagerag_assets.stages.own_loop import OwnLoop


def submit(project: Project, options: RunOptions, this: Stage, subject_of: SubjectOf, *, is_full: bool) -> StageReport:
    """Hand in whatever is pending, file by file, as far as the budget goes; nothing while the server is full.

    Raises `ModelError`, with all batches that the server surely has remembered.
    """
    settings, budget = project.settings.models.describer, project.settings.budget
    ledger = Ledger(budget, this.name, settings.model or "", options.run_id)
    submitted = 0
    with ExitStack() as stack:
        servers: list[tuple[OwnLoop, BatchService]] = []

        def work(items: Sequence[Item]) -> Iterator[Done]:
            nonlocal submitted
            if is_full:
                yield Done(_nothing, items=frozenset())
                return
            if not servers:
                servers.append(stack.enter_context(serving(settings)))
                # Two that look at the same budget at once would spend it twice.
                stack.enter_context(batch_records.held(project, "submit", wait=True))
                if budget.limited:
                    require_price(settings)
                with project.database.connect() as connection:
                    ledger.handed_in(connection)
            for part in _files(project, ledger, subject_of, items):
                yield Done(_nothing, part.failures, items=frozenset(part.failures))
                if part.requests:
                    _hand_in(project, options, this, *servers[0], part)
                    submitted += len(part.requests)
                    with project.database.connect() as connection:
                        ledger.handed_in(connection)
                if part.stopped is not None:
                    raise part.stopped

        report = run_pending(project, options, this, work, settings.batch_requests)
    report.submitted = submitted
    report.stopped = " ".join(ledger.reached.values())
    return report


def _nothing(_connection: Connection) -> None:
    pass


@dataclass
class _Part:
    """A file's worth of requests, and what became of the images that are not in it."""

    path: Path
    requests: list[Request]
    failures: dict[str, Exception]
    size: int = 0
    stopped: BudgetExhaustedError | None = None


def _files(project: Project, ledger: Ledger, subject_of: SubjectOf, items: Sequence[Item]) -> Iterator[_Part]:
    """Write the images' requests into files of the settings' size, each of which is gone when the next is asked for."""
    waiting = list(reversed(items))
    while waiting:
        with tempfile.TemporaryDirectory(prefix="imagerag-") as folder:
            part = _Part(Path(folder) / f"imagerag-{uuid.uuid4()}.jsonl", [], {})
            with part.path.open("wb") as file:
                _fill(project, ledger, subject_of, waiting, part, file)
            yield part


def _fill(
    project: Project, ledger: Ledger, subject_of: SubjectOf, waiting: list[Item], part: _Part, file: BinaryIO
) -> None:
    """Move requests from the end of `waiting` into the file until it is full or the budget is reached."""
    settings = project.settings.models.describer
    most = int(settings.batch_megabytes * 1_000_000)
    while waiting:
        item = waiting[-1]
        subject = subject_of(item)
        try:
            if not ledger.is_reached(subject.collection):
                line, bound = _written(settings, len(part.requests), subject, most)
                if part.size + len(line) > most:
                    return
                part.requests.append(Request(item, ledger.hold(subject.collection, bound)))
                part.size += file.write(line)
        except CollectionExhaustedError:
            pass
        except BudgetExhaustedError as error:
            part.stopped = error
            return
        except ItemError as error:
            part.failures[item.item] = error
        waiting.pop()


def _written(settings: Describer, number: int, subject: Subject, most: int) -> tuple[bytes, Decimal]:
    """(the request's line, what it costs at most). Raises `ItemError` for an image that cannot be sent."""
    try:
        picture = prepare(subject.load(), settings.sent_side)
    except ImageragError:
        raise
    # Whatever one image does to a decoder is recorded with its class and shown by a check.
    except Exception as error:
        raise ItemError(type(error).__name__, str(error)) from error
    line = request_line(settings, number, subject, picture)
    if len(line) > most:
        raise ItemError(
            "too_large", f"The request has {len(line):,} bytes: more than models.describer.batch_megabytes."
        )
    return line, most_it_costs(settings, subject, picture, batch=True)


def _hand_in(
    project: Project, options: RunOptions, this: Stage, loop: OwnLoop, service: BatchService, part: _Part
) -> None:
    """Write down what will be asked for, then ask for it. Whatever surely failed is forgotten."""
    batch = uuid.uuid4()
    with batch_records.held(project, f"batch {batch}"):
        with project.database.connect() as connection:
            batch_records.remember(
                connection, batch, options.run_id, this, project.settings.models.describer, part.requests
            )
        try:
            input_file = loop.run(service.upload(part.path))
            with project.database.connect() as connection:
                batch_records.is_uploaded(connection, batch, input_file)
            server = _create(loop, service, batch, input_file)
        except UncertainError:
            raise
        except ImageragError:
            with project.database.connect() as connection:
                batch_records.forget_unasked(connection, batch)
            raise
        with project.database.connect() as connection:
            batch_records.is_out(connection, batch, server.id)


def _create(loop: OwnLoop, service: BatchService, batch: uuid.UUID, input_file: str) -> ServerBatch:
    """Ask for the batch; where the answer got lost, look whether there is one."""
    asked_at = time.time()
    try:
        return loop.run(service.create(input_file, batch))
    except UncertainError:
        try:
            found = loop.run(service.find(input_file, batch, asked_at))
        except ModelError:
            found = None
        if found is None:
            raise
        return found
