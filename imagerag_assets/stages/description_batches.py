"""Descriptions by the Batch API: hand in what is pending, remember it, and collect what has come back.

Whatever is out has a row in description_batch_items, from before the server hears of it until what came of it is saved
in the same transaction. So a run that is killed anywhere neither loses nor pays twice:

- uploading: the file may be at the server or not; nothing was asked for, so the next run forgets the batch;
- creating: the server may have the batch; the next run looks for our name for it in the server's list, and believes
  that there is none only after a while;
- out: the server has it; its results can be read as often as one likes.

How the server is spoken to is models/describers/batches.py; what a description is and where it goes, vlm_descriptions.
"""

from __future__ import annotations

import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import (
    Done,
    Item,
    Stage,
    StageReport,
    pending_items,
    run_stage,
)
from imagerag_assets.errors import BudgetExhaustedError, ImageragError, ItemError, ModelError, StageError
from imagerag_assets.models.budget import CollectionExhaustedError, Ledger
from imagerag_assets.models.calls import Call, Outcome, Tokens, save_call
from imagerag_assets.models.describers import Reply, Subject
from imagerag_assets.models.describers.batches import (
    BatchService,
    Line,
    ServerBatch,
    UncertainError,
    UnknownBatchError,
    request_line,
)
from imagerag_assets.models.describers.endpoint import most_it_costs, require_price
from imagerag_assets.models.describers.faults import Fault, final_error
from imagerag_assets.models.describers.picture import prepare
from imagerag_assets.models.describers.presets import PRESETS
from imagerag_assets.models.describers.schema import InvalidAnswerError, parse_answer
from imagerag_assets.models.prices import cost_usd
from imagerag_assets.project import Project
from imagerag_assets.settings import Describer
from imagerag_assets.stages import batch_records
from imagerag_assets.stages.batch_records import OpenBatch, Request
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.own_loop import OwnLoop

_SURE_AFTER_SECONDS = 900.0
"""When a batch that the server's list does not show was never made: long after the request for it timed out."""
_TOO_MANY_TOKENS = "token_limit_exceeded"
"""OpenAI's code for a batch that finds no room beside those that are out."""

SubjectOf = Callable[[Item], Subject]
DoneOf = Callable[[Item, Reply, str], Done]
"""(candidate, what came of it, the run that pays) → what to save."""


# --- Looking ---------------------------------------------------------------------------------------------------------


def come_back(project: Project, seconds: float) -> list[str]:
    """Our names for the batches that a run would settle now, for a sensor: stops looking after `seconds`.

    Asks the server nothing when nothing is out. Raises `ModelError`.
    """
    settings = project.settings.models.describer
    until = time.monotonic() + seconds
    with project.database.connect() as connection:
        batches = batch_records.open_batches(connection, settings.preset) if settings.kind == "endpoint" else []
    found = []
    if batches:
        with _serving(project) as (loop, service):
            for one in batches:
                if time.monotonic() > until:
                    break
                if one.state != "out" or one.server_batch is None:
                    is_ready = batch_records.age(project, one) > _SURE_AFTER_SECONDS
                else:
                    is_ready = _is_back(loop, service, one.server_batch)
                found += [str(one.batch)] if is_ready else []
    return found


def _is_back(loop: OwnLoop, service: BatchService, server_batch: str) -> bool:
    try:
        return loop.run(service.look(server_batch)).state != "working"
    except UnknownBatchError:
        # The run will say so, to whoever watches runs.
        return True


@contextmanager
def _serving(project: Project) -> Iterator[tuple[OwnLoop, BatchService]]:
    service = BatchService(project.settings.models.describer)
    with OwnLoop() as loop:
        try:
            yield loop, service
        finally:
            loop.run(service.close())


# --- Collecting ------------------------------------------------------------------------------------------------------


@dataclass
class Collected:
    """What came back. `is_full`: the server takes no more tokens before other batches have come back."""

    report: StageReport
    is_full: bool = False


def collect(project: Project, options: RunOptions, this: Stage, subject_of: SubjectOf, done_of: DoneOf) -> Collected:
    """Save what has come back, whatever part of the images the run was asked for: it is paid.

    Raises `ModelError` or `StageError` after all that could be saved is, when a batch was refused or its requests
    failed for a reason that a person has to mend; their images are pending again.
    """
    with project.database.connect() as connection:
        batches = batch_records.open_batches(connection, project.settings.models.describer.preset)
    if not batches:
        return Collected(StageReport(this.name))
    with _serving(project) as (loop, service):
        collector = _Collector(project, options, this, loop, service, subject_of, done_of)
        for one in batches:
            with batch_records.held(project, f"batch {one.batch}") as is_mine:
                if is_mine:
                    collector.settle(one)
    if collector.troubles:
        raise collector.troubles[0]
    return collector.collected


class _Collector:
    """Brings batches as far as they are, one by one, and remembers what is to be told at the end."""

    def __init__(
        self,
        project: Project,
        options: RunOptions,
        this: Stage,
        loop: OwnLoop,
        service: BatchService,
        subject_of: SubjectOf,
        done_of: DoneOf,
    ) -> None:
        self._project = project
        self._options = options
        self._this = this
        self._loop = loop
        self._service = service
        self._subject_of = subject_of
        self._done_of = done_of
        self.collected = Collected(StageReport(this.name))
        self.troubles: list[ImageragError] = []

    def settle(self, batch: OpenBatch) -> None:
        """Bring one batch as far as it is. This run alone holds it, but another may have held it before."""
        with self._project.database.connect() as connection:
            still_open = batch_records.open_batches(connection, batch.preset)
        for one in still_open:
            if one.batch != batch.batch:
                continue
            try:
                server = self._at_server(one)
            except UnknownBatchError as error:
                self.troubles.append(error)
                return
            if server is not None and server.state == "failed":
                self._refused(one, server)
            elif server is not None and server.state == "ended":
                self._take(one, server)

    def _at_server(self, one: OpenBatch) -> ServerBatch | None:
        """The batch as its server has it. None while nobody knows, and when there is none: then it is forgotten."""
        if one.server_batch is not None:
            return self._loop.run(self._service.look(one.server_batch))
        # Its run is gone, or it would hold the batch.
        if one.state == "creating":
            asked_at = one.changed_at.timestamp()
            found = self._loop.run(self._service.find(one.input_file or "", one.batch, asked_at))
            if found is not None:
                with self._project.database.connect() as connection:
                    batch_records.is_out(connection, one.batch, found.id)
                return found
            if batch_records.age(self._project, one) <= _SURE_AFTER_SECONDS:
                return None
        with self._project.database.connect() as connection:
            batch_records.forget_unasked(connection, one.batch)
        return None

    def _refused(self, one: OpenBatch, server: ServerBatch) -> None:
        """A file that the server does not work on: nothing was paid, and its images are pending again."""
        with self._project.database.connect() as connection:
            batch_records.give_up(connection, one.batch, f"refused: {server.code} {server.said}".strip())
            others_out = any(row.state == "out" for row in batch_records.open_batches(connection, one.preset))
        is_full = server.code == _TOO_MANY_TOKENS
        if is_full and others_out:
            self.collected.is_full = True
            return
        said = server.said or "It does not say why."
        remedy = " Make the files smaller: models.describer.batch_requests." if is_full else ""
        self.troubles.append(
            ModelError(
                f"models.describer: {self._service.where} refused the batch {server.id} of {one.requests} images: "
                f"{said}{remedy}"
            )
        )

    def _take(self, one: OpenBatch, server: ServerBatch) -> None:
        """Save a batch's results image by image, each with its call, and let go of it.

        Killed, the next run does the rest. What is not wanted any more (another prompt, another text, a file that
        went) is paid for all the same.
        """
        lines = self._loop.run(self._service.results(server.files))
        trouble = _shared_trouble(one, lines, self._service.where)
        results = _Results(one, lines, server.complete, trouble is not None)
        with self._project.database.connect() as connection:
            asked = batch_records.requests_of(connection, one)
        wanted = replace(
            self._this, waiting=batch_records.NOT_OF_BATCH, parameters={**self._this.parameters, "batch": one.batch}
        )

        def work(items: Sequence[Item]) -> Iterator[Done]:
            for item in items:
                number, payer = asked[item.item]
                reply = results.reply(number, replace(self._subject_of(item), collection=payer))
                done = self._done_of(item, reply, one.run_id)
                yield replace(done, save=_and_let_go(done.save, one, number))

        settings = self._project.settings
        report = run_stage(
            self._project.database, wanted, work, batch_size=settings.models.describer.batch_requests,
            retries=settings.retries, on_progress=self._options.on_progress,
        )  # fmt: skip
        with self._project.database.connect() as connection:
            # What another run holds at this moment is left for the next.
            kept = {item.item for item in pending_items(connection, wanted, settings.retries)}
            for item, (number, payer) in batch_records.requests_of(connection, one).items():
                if item not in kept:
                    report.cost_usd += _write_off(connection, self._this, one, item, payer, results.call(number))
                    batch_records.let_go(connection, one, number)
            if not kept:
                batch_records.end(connection, one.batch, "" if server.complete else "expired or cancelled")
        self.collected.report.add(report)
        if trouble is not None:
            self.troubles.append(trouble)


def _and_let_go(save: Callable[[Connection], None], one: OpenBatch, number: int) -> Callable[[Connection], None]:
    def both(connection: Connection) -> None:
        save(connection)
        batch_records.let_go(connection, one, number)

    return both


def _write_off(
    connection: Connection, this: Stage, one: OpenBatch, item: str, collection: str, call: Call | None
) -> float:
    """Record what a result cost that nobody wants. USD."""
    if call is not None:
        save_call(connection, call, stage=this.name, item=item, collection=collection, run_id=one.run_id)
    return float((call and call.cost_usd) or 0)


@dataclass(frozen=True)
class _Results:
    """What a batch brought."""

    batch: OpenBatch
    lines: Mapping[int, Line]
    complete: bool
    is_nobodys: bool
    """What failed at the server failed for a reason that is no image's own."""

    def reply(self, number: int, subject: Subject) -> Reply:
        """A description, the image's failure, or neither: then the image may be asked for again."""
        call = self.call(number)
        if call is None:
            return Reply(subject)
        line = self._line(number)
        if call.outcome == "ok":
            return Reply(subject, call, parse_answer(line.text))
        if _is_the_servers(call.outcome) and self.is_nobodys:
            return Reply(subject, call)
        said = line.fault.message if line.fault else _what_is_wrong(line.text)
        if _is_the_servers(call.outcome):
            return Reply(subject, call, error=ItemError(call.outcome, f"in a batch: {said}"))
        if call.outcome == "refused":
            return Reply(subject, call, error=ItemError("refused", f"{call.model} refuses this image: {said}"))
        more = " Raise models.describer.max_output_tokens." if call.outcome == "cut_off" else ""
        error = ItemError("invalid_answer", f"{call.model} gave no description: {said}.{more}")
        return Reply(subject, call, error=error)

    def call(self, number: int) -> Call | None:
        """What the request cost and came to; None where the server never came to it."""
        line, one = self._line(number), self.batch
        if not line.ran:
            return None
        tokens = line.tokens
        cost: Decimal | None = Decimal() if line.fault is not None and line.fault.is_free else None
        if tokens.sent is not None and tokens.received is not None:
            provider = PRESETS[one.preset].price_provider
            cost = cost_usd(provider, one.model, tokens.sent, tokens.received, tokens.cached or 0, batch=True)
        outcome: Outcome = "invalid" if _what_is_wrong(line.text) else "ok"
        return Call(
            one.preset, one.model, 1, line.fault.outcome if line.fault else outcome, tokens, cost, None, one.batch
        )

    def _line(self, number: int) -> Line:
        missing = Line("", Tokens(), Fault("broken", "the results lack this request."), ran=self.complete)
        return self.lines.get(number, missing)


def _shared_trouble(one: OpenBatch, lines: Mapping[int, Line], where: str) -> ImageragError | None:
    """Why no image of the batch is to blame: a fault that a person mends, or three of the server's and no answer."""
    faults = [line.fault for line in lines.values() if line.ran and line.fault is not None]
    for fault in faults:
        if not isinstance(error := final_error(fault, where, one.model), ItemError):
            return error
    blamed = [fault for fault in faults if _is_the_servers(fault.outcome)]
    if len(blamed) < 3 or any(line.fault is None for line in lines.values()):
        return None
    return StageError(
        f"vlm_descriptions: {len(blamed)} requests of a batch failed and none succeeded, the first with "
        f"{blamed[0].outcome}: {blamed[0].message} None of them was recorded as failed; mend the cause and run again."
    )


def _is_the_servers(outcome: Outcome) -> bool:
    """Not what the model said of an image."""
    return outcome not in ("refused", "invalid", "empty", "cut_off")


def _what_is_wrong(text: str) -> str:
    try:
        parse_answer(text)
    except InvalidAnswerError as error:
        return str(error)
    return ""


# --- Handing in ------------------------------------------------------------------------------------------------------


def submit(project: Project, options: RunOptions, this: Stage, subject_of: SubjectOf, *, is_full: bool) -> StageReport:
    """Hand in whatever is pending, file by file, as far as the budget goes; nothing while the server is full.

    Raises `ModelError`, with all batches that the server surely has remembered.
    """
    settings, budget = project.settings.models.describer, project.settings.budget
    ledger = Ledger(budget, this.name, settings.model or "", options.run_id)
    submitted = 0
    with ExitStack() as stack:
        serving: list[tuple[OwnLoop, BatchService]] = []

        def work(items: Sequence[Item]) -> Iterator[Done]:
            nonlocal submitted
            if is_full:
                yield Done(_nothing, items=frozenset())
                return
            if not serving:
                serving.append(stack.enter_context(_serving(project)))
                # Two that look at the same budget at once would spend it twice.
                stack.enter_context(batch_records.held(project, "submit", wait=True))
                if budget.limited:
                    require_price(settings)
                with project.database.connect() as connection:
                    ledger.handed_in(connection)
            for part in _files(project, ledger, subject_of, items):
                yield Done(_nothing, part.failures, items=frozenset(part.failures))
                if part.requests:
                    _hand_in(project, options, this, *serving[0], part)
                    submitted += len(part.requests)
                    with project.database.connect() as connection:
                        ledger.handed_in(connection)
                if part.stopped is not None:
                    raise part.stopped

        report = run_stage(
            project.database, this, work, batch_size=settings.batch_requests,
            retries=project.settings.retries, selection=options.selection, on_progress=options.on_progress,
        )  # fmt: skip
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
