"""Descriptions by the Batch API: look for what has come back, and collect it. Handing in is batch_submission's.

Whatever is out has a row in description_batch_items, from before the server hears of it until what came of it is saved
in the same transaction. So a run that is killed anywhere neither loses nor pays twice:

- uploading: the file may be at the server or not; nothing was asked for, so the next run forgets the batch;
- creating: the server may have the batch; the next run looks for our name for it in the server's list, and believes
  that there is none only after a while;
- out: the server has it; its results can be read as often as one likes.

Whoever sets another describer, or no batches any more, leaves some out. They are collected all the same, from the
server that has them: what is still wanted is used, what is not is paid for and written off. A server that cannot be
reached any more, its key gone, keeps no run from its work: the batch says why, until a person cancels or forgets it.

How the server is spoken to is models/describers/batches.py; what a description is and where it goes, vlm_descriptions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import (
    Done,
    Item,
    Stage,
    StageReport,
    pending_items,
    run_stage,
)
from imagerag_assets.errors import ImageragError, ItemError, ModelError, StageError
from imagerag_assets.models.calls import Call, Outcome, Tokens, save_call
from imagerag_assets.models.describers import Reply, Subject
from imagerag_assets.models.describers.batches import (
    BatchService,
    Line,
    ServerBatch,
    UnknownBatchError,
)
from imagerag_assets.models.describers.endpoint import address
from imagerag_assets.models.describers.faults import Fault, final_error
from imagerag_assets.models.describers.presets import PRESETS
from imagerag_assets.models.describers.schema import InvalidAnswerError, parse_answer
from imagerag_assets.models.prices import cost_usd
from imagerag_assets.project import Project
from imagerag_assets.settings import Describer
from imagerag_assets.stages import batch_records
from imagerag_assets.stages.batch_records import OpenBatch
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.own_loop import OwnLoop

_SURE_AFTER_SECONDS = 900.0
"""When a batch that the server's list does not show was never made: long after the request for it timed out."""
_OTHERS_SECONDS = 20.0
"""For an answer of a server that the settings no longer name: no run may wait long for it."""
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
    until = time.monotonic() + seconds
    found: list[str] = []
    for server, batches in _by_server(project):
        is_own = server is project.settings.models.describer
        try:
            with serving(server) as (loop, service):
                for one in batches:
                    if time.monotonic() > until:
                        return found
                    if one.state != "out" or one.server_batch is None:
                        is_ready = batch_records.age(project, one) > _SURE_AFTER_SECONDS
                    else:
                        is_ready = _is_back(loop, service, one.server_batch)
                    found += [str(one.batch)] if is_ready else []
        except ModelError:
            if is_own:
                raise
    return found


def cancel(project: Project, name: str) -> None:
    """Ask a batch's server to stop. What has run by then is paid, and collected by the next run like any other.

    Raises `ModelError` where no open batch goes by that name, or its server cannot be asked.
    """
    with project.database.connect() as connection:
        one = batch_records.open_batch(connection, name)
    if one.server_batch is None:
        raise ModelError(f"Nobody knows yet whether the server has the batch {name}: the next run finds out.")
    with serving(_server_of(project, one)) as (loop, service):
        loop.run(service.cancel(one.server_batch))


def _server_of(project: Project, one: OpenBatch) -> Describer:
    """The settings' describer where it is that server's, else one that is enough to speak to it."""
    settings = project.settings.models.describer
    if settings.kind == "endpoint" and one.server == (settings.preset, address(settings), settings.key_env):
        return settings
    return Describer.model_validate(
        {
            "kind": "endpoint", "preset": one.preset, "model": one.model, "base_url": one.address,
            "key_env": one.key_env, "timeout_seconds": _OTHERS_SECONDS,
        }
    )  # fmt: skip


def _by_server(project: Project) -> list[tuple[Describer, list[OpenBatch]]]:
    """The open batches by who has them, the settings' own server first."""
    with project.database.connect() as connection:
        batches = batch_records.open_batches(connection)
    groups = {one.server: [other for other in batches if other.server == one.server] for one in batches}
    found = [(_server_of(project, group[0]), group) for group in groups.values()]
    return sorted(found, key=lambda pair: pair[0] is not project.settings.models.describer)


def _is_back(loop: OwnLoop, service: BatchService, server_batch: str) -> bool:
    try:
        return loop.run(service.look(server_batch)).state != "working"
    except UnknownBatchError:
        # The run will say so, to whoever watches runs.
        return True


@contextmanager
def serving(server: Describer) -> Iterator[tuple[OwnLoop, BatchService]]:
    """A server, and a loop to speak to it on. Raises `ModelError`."""
    service = BatchService(server)
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
    collected = Collected(StageReport(this.name))
    troubles: list[ImageragError] = []
    for server, batches in _by_server(project):
        is_own = server is project.settings.models.describer
        try:
            with serving(server) as (loop, service):
                collector = _Collector(project, options, this, loop, service, subject_of, done_of, collected)
                for one in batches:
                    with batch_records.held(project, f"batch {one.batch}") as is_mine:
                        if is_mine:
                            _settle(project, collector, one, is_own=is_own)
        except ImageragError as error:
            if is_own:
                raise
            # Not asked for the others: a server that does not answer would hold up every run for minutes each.
            with project.database.connect() as connection:
                for one in batches:
                    batch_records.say(connection, one.batch, str(error))
            continue
        troubles += collector.troubles if is_own else []
    if troubles:
        raise troubles[0]
    return collected


def _settle(project: Project, collector: _Collector, one: OpenBatch, *, is_own: bool) -> None:
    """Bring a batch as far as it is. What is wrong with one of other settings is its own affair, and said of it."""
    collector.settle(one)
    said = ""
    if not is_own:
        said = " ".join(str(error) for error in collector.troubles)
        collector.troubles.clear()
    with project.database.connect() as connection:
        batch_records.say(connection, one.batch, said)


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
        collected: Collected,
    ) -> None:
        self._project = project
        self._options = options
        self._this = this
        self._loop = loop
        self._service = service
        self._subject_of = subject_of
        self._done_of = done_of
        self.collected = collected
        self.troubles: list[ImageragError] = []

    def settle(self, batch: OpenBatch) -> None:
        """Bring one batch as far as it is. This run alone holds it, but another may have held it before."""
        with self._project.database.connect() as connection:
            still_open = batch_records.open_batches(connection)
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
            others = (row for row in batch_records.open_batches(connection) if row.server == one.server)
            others_out = any(row.state == "out" for row in others)
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
        trouble = _shared_trouble(one, lines, self._service.where, self._project.settings.models.describer.setting)
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


def _shared_trouble(one: OpenBatch, lines: Mapping[int, Line], where: str, setting: str) -> ImageragError | None:
    """Why no image of the batch is to blame: a fault that a person mends, or three of the server's and no answer."""
    faults = [line.fault for line in lines.values() if line.ran and line.fault is not None]
    for fault in faults:
        if not isinstance(error := final_error(fault, where, one.model, setting), ItemError):
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
