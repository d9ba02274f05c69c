"""vlm_descriptions: the four parts of a RAG description for every image, per context that the image is seen in."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, Work, fingerprint, run_stage
from imagerag_assets.models.budget import Ledger
from imagerag_assets.models.calls import Call, save_call
from imagerag_assets.models.describers import Description, Reply, Subject
from imagerag_assets.models.describers.endpoint import EndpointDescriber, require_price
from imagerag_assets.models.describers.prompt import prompt_digest
from imagerag_assets.models.describers.zero_shot import (
    DESCRIBER_VERSION,
    MODEL_NAME,
    ZeroShotDescriber,
    load_vocabulary,
)
from imagerag_assets.project import Project
from imagerag_assets.stages import batch_records, batch_submission, description_batches, ocr_text
from imagerag_assets.stages.ahead import PARTS, parts_ahead
from imagerag_assets.stages.common import RunOptions, load_image
from imagerag_assets.stages.own_loop import OwnLoop

NAME = "vlm_descriptions"
TOLD_VERSION = 1
"""Of the describers that are language models. Raising it makes every description anew, and costs what that costs."""

_COLUMNS = (
    "content", "context", "fingerprint", "model", "general", "key_elements", "visible_text", "category", "tags",
    "confidence", "inputs", "tokens_in", "tokens_out", "cost_usd",
)  # fmt: skip

# One candidate per content and context. An image whose OCR failed is described without text rather than not at all, and
# again when OCR succeeds after all.
_SEEN = """
    select c.content || ':' || x.context as item, c.content, x.context, x.collection, x.uri, x.file, x.page,
           c.width, c.height,
           coalesce(o.text, '') as ocr, coalesce(md5(o.text), 'unread') as inputs
    from live_contents c
    cross join lateral (
        select distinct on (k.context) k.context, r.collection, r.uri, r.file, r.page
        from raw_images r
        join unnest(%(names)s::text[], %(contexts)s::text[]) as k (collection, context) using (collection)
        where r.content = c.content and r.removed_at is null
        order by k.context, r.collection, r.uri) x
    left join ocr_text o on o.content = c.content and o.fingerprint = %(ocr)s
"""
_READ = """
    where o.content is not null
       or exists (select from stage_failures f
                  where f.stage = 'ocr_text' and f.item = c.content and f.fingerprint = %(ocr)s)
"""


def context_key(context: str) -> str:
    """A short name for what the describer is told of a collection."""
    return hashlib.sha256(context.encode()).hexdigest()[:12]


def contexts(project: Project) -> dict[str, list[str]]:
    """Query parameters that tie collections to their contexts."""
    told = project.settings.models.describer.kind != "zero_shot"
    collections = project.settings.collections
    # The zero-shot describer is told nothing of the collection, so a content has one description for all of them; it is
    # the encoder's, of which there are two while a candidate generation stands beside the live one.
    keys = [context_key(one.context if told else project.dual_encoder_identity()) for one in collections]
    return {"names": [collection.name for collection in collections], "contexts": keys}


def stage(project: Project, *, with_unread: bool = False) -> Stage:
    """The stage at its current fingerprint. `with_unread` counts images that OCR has not come to yet, too."""
    upstream = ocr_text.stage(project).fingerprint
    return Stage(
        project.stage_name(NAME), "vlm_descriptions", _fingerprint(project, upstream),
        _SEEN if with_unread else _SEEN + _READ,
        "r.content = c.content and r.context = c.context", {**contexts(project), "ocr": upstream},
        current="r.inputs = c.inputs",
        output="concat_ws('|', r.general, r.key_elements::text, r.visible_text, r.category, r.tags::text)",
        waiting=batch_records.WAITING,
    )  # fmt: skip


def _fingerprint(project: Project, upstream: str) -> str:
    describer = project.settings.models.describer
    if describer.kind == "zero_shot":
        return fingerprint(
            version=DESCRIBER_VERSION,
            describer=describer.kind,
            model=project.dual_encoder_identity(),
            vocabulary=load_vocabulary(project.settings.models.vocabulary).digest,
            ocr=upstream,
        )
    told: dict[str, Any] = {"version": TOLD_VERSION, "describer": describer.kind, "prompt": prompt_digest()}
    told |= {"longest_side": describer.sent_side}
    # Neither the address (a server that moved serves the same model) nor OCR's fingerprint: an answer is paid for, and
    # `inputs` tells exactly whether the text that it was given has changed.
    if describer.kind == "endpoint":
        return fingerprint(**told, preset=describer.preset, model=describer.model, detail=describer.detail)
    return fingerprint(**told, model=project.describer_identity())


def run(project: Project, options: RunOptions) -> StageReport:
    """Describe what is pending, and keep why the run ended early where a budget was reached.

    Raises `ModelError` when the model can describe nothing; no image is marked failed then.
    """
    runs = {"zero_shot": _run_zero_shot, "endpoint": _run_endpoint, "local": _run_local}
    report = runs[project.settings.models.describer.kind](project, options)
    with project.database.connect() as connection:
        connection.execute("delete from budget_stops where stage = %s", (NAME,))
        if report.stopped:
            connection.execute(
                "insert into budget_stops (stage, run_id, reason) values (%s, %s, %s)",
                (NAME, options.run_id, report.stopped),
            )
    return report


def _run_stage(project: Project, options: RunOptions, this: Stage, work: Work, batch_size: int) -> StageReport:
    return run_stage(
        project.database, this, work, batch_size=batch_size, retries=project.settings.retries,
        selection=options.selection, on_progress=options.on_progress,
    )  # fmt: skip


def _run_zero_shot(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)
    # Two parts of whole images are in memory at a time.
    size = max(1, project.settings.models.batch_size // 2)
    describers: list[ZeroShotDescriber] = []

    def work(items: Sequence[Item]) -> Iterator[Done]:
        if not describers:
            vocabulary = load_vocabulary(project.settings.models.vocabulary)
            describers.append(ZeroShotDescriber(project.dual_encoder(), vocabulary))
        for part, loaded, failures in parts_ahead(items, lambda item: load_image(project, item), size):
            found = describers[0].describe([image for _, image in loaded], [item.ocr for item, _ in loaded])
            rows = [
                _row(this, item, MODEL_NAME, one, (0, 0, Decimal()))
                for (item, _), one in zip(loaded, found, strict=True)
            ]  # fmt: skip
            yield Done(_row_saver(rows), failures, items=frozenset(item.item for item in part))

    return _run_stage(project, options, this, work, PARTS * size)


def _row_saver(rows: list[tuple[Any, ...]]) -> Callable[[Connection], None]:
    def save(connection: Connection) -> None:
        upsert(connection, "vlm_descriptions", _COLUMNS, ("content", "context"), rows)

    return save


def _run_endpoint(project: Project, options: RunOptions) -> StageReport:
    """Save what batches have brought, whether more are to follow or not; then ask for what is pending."""
    this = stage(project)

    def subject(item: Item) -> Subject:
        return subject_of(project, item)

    def done(item: Item, reply: Reply, run_id: str) -> Done:
        return _done(project, this, item, reply, [reply.call] if reply.call else [], run_id, _not_watched)

    came = description_batches.collect(project, options, this, subject, done)
    if project.settings.models.describer.batch:
        report = batch_submission.submit(project, options, this, subject, is_full=came.is_full)
    else:
        report = _run_calls(project, options, this)
    # What came is among the unchanged by now.
    report.skipped = max(0, report.skipped - came.report.worked)
    report.add(came.report)
    return report


def _not_watched(_connection: Connection, _collection: str, _cost: Decimal | None) -> None:
    pass


def _run_calls(project: Project, options: RunOptions, this: Stage) -> StageReport:
    settings, budget = project.settings.models.describer, project.settings.budget
    ledger = Ledger(budget, NAME, settings.model or "", options.run_id)
    describers: list[EndpointDescriber] = []
    with OwnLoop() as loop:

        def replies(subjects: Sequence[Subject]) -> Iterator[Reply]:
            if not describers:
                if budget.limited:
                    require_price(settings)
                    with project.database.connect() as connection:
                        ledger.look(connection)
                describers.append(EndpointDescriber(settings, ledger))
            return loop.iterate(describers[0].replies(subjects))

        try:
            work = _told(project, this, options, replies, ledger.saved)
            # Several rounds of calls, so that the slots are rarely idle at a batch's end.
            report = _run_stage(project, options, this, work, max(64, 16 * settings.concurrency))
        finally:
            for describer in describers:
                loop.run(describer.close())
    report.stopped = " ".join(ledger.reached.values())
    return report


def _run_local(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)

    def replies(subjects: Sequence[Subject]) -> Iterator[Reply]:
        return project.local_describer().replies(subjects)

    work = _told(project, this, options, replies, _not_watched)
    return _run_stage(project, options, this, work, project.settings.models.batch_size)


def _told(
    project: Project,
    this: Stage,
    options: RunOptions,
    replies: Callable[[Sequence[Subject]], Iterator[Reply]],
    on_saved: Callable[[Connection, str, Decimal | None], None],
) -> Work:
    """The work of a describer that answers image by image: every call a row, every answer in its row's transaction."""

    def work(items: Sequence[Item]) -> Iterator[Done]:
        by_key = {item.item: item for item in items}
        calls: dict[str, list[Call]] = defaultdict(list)
        for reply in replies([subject_of(project, item) for item in items]):
            key = reply.subject.key
            if reply.call is not None:
                calls[key].append(reply.call)
            yield _done(project, this, by_key[key], reply, calls[key], options.run_id, on_saved)

    return work


def _done(
    project: Project,
    this: Stage,
    item: Item,
    reply: Reply,
    calls: Sequence[Call],
    run_id: str,
    on_saved: Callable[[Connection, str, Decimal | None], None],
) -> Done:
    """What to save of a reply. `calls` are all those for the image so far."""
    model = project.settings.models.describer.model or ""
    row = _row(this, item, model, reply.description, _total(calls)) if reply.description else None
    return Done(
        _saver(reply, row, run_id, on_saved),
        {item.item: reply.error} if reply.error else {},
        float((reply.call and reply.call.cost_usd) or 0),
        frozenset({item.item} if reply.description or reply.error else ()),
    )


def _saver(
    reply: Reply,
    row: tuple[Any, ...] | None,
    run_id: str,
    on_saved: Callable[[Connection, str, Decimal | None], None],
) -> Callable[[Connection], None]:
    def save(connection: Connection) -> None:
        key, collection = reply.subject.key, reply.subject.collection
        if reply.call is not None:
            save_call(connection, reply.call, stage=NAME, item=key, collection=collection, run_id=run_id)
            on_saved(connection, collection, reply.call.cost_usd)
        if row is not None:
            upsert(connection, "vlm_descriptions", _COLUMNS, ("content", "context"), [row])

    return save


def subject_of(project: Project, item: Item) -> Subject:
    """A candidate as a describer sees it. Collections of one key have one context, so any of them tells it."""
    context = project.settings.collection(item.collection).context
    return Subject(item.item, item.collection, context, item.ocr, lambda: load_image(project, item))


def _row(
    this: Stage, item: Item, model: str, one: Description, paid: tuple[int, int, Decimal | None]
) -> tuple[Any, ...]:
    return (
        item.content, item.context, this.fingerprint, model, one.general, list(one.key_elements), one.visible_text,
        one.category, list(one.tags), one.confidence, item.inputs, *paid,
    )  # fmt: skip


def _total(calls: Sequence[Call]) -> tuple[int, int, Decimal | None]:
    """(tokens in, tokens out, USD or None where a part is not known) of all calls for one image in this run."""
    costs = [call.cost_usd for call in calls]
    cost = None if None in costs else sum((cost for cost in costs if cost is not None), Decimal())
    return sum(call.tokens.sent or 0 for call in calls), sum(call.tokens.received or 0 for call in calls), cost
