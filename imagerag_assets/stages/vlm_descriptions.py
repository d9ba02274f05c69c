"""vlm_descriptions: the four parts of a RAG description for every image, per context that the image is seen in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, fingerprint
from imagerag_assets.models.calls import Call
from imagerag_assets.models.describers import Description, Reply, Subject
from imagerag_assets.models.describers.prompt import DESCRIBE, prompt_digest
from imagerag_assets.models.describers.zero_shot import (
    DESCRIBER_VERSION,
    MODEL_NAME,
    ZeroShotDescriber,
    load_vocabulary,
)
from imagerag_assets.project import Project
from imagerag_assets.stages import batch_records, batch_submission, description_batches, ocr_text, paid_calls
from imagerag_assets.stages.ahead import PARTS, parts_ahead
from imagerag_assets.stages.common import RunOptions, load_image, run_pending

NAME = "vlm_descriptions"
TOLD_VERSION = 1
"""Of the describers that are language models. Raising it makes every description anew, and costs what that costs."""

_COLUMNS = (
    "content", "context", "fingerprint", "model", "general", "key_elements", "visible_text", "category", "tags",
    "confidence", "inputs", "tokens_in", "tokens_out", "cost_usd",
)  # fmt: skip

# One candidate per content and context. An image whose OCR failed is described without text rather than not at all, and
# again when OCR succeeds after all.
_TOLD = "unnest(%(names)s::text[], %(contexts)s::text[]) as k (collection, context)"
_FIRST_FILE = ", ".join(
    f"(select r.{column} from raw_images r join {_TOLD} using (collection) where r.content = x.content "  # noqa: S608
    f"and r.removed_at is null and k.context = x.context order by r.collection, r.uri limit 1) as {column}"
    for column in ("collection", "uri", "file", "page")
)
_SEEN = f"""
    select c.content || ':' || x.context as item, c.content, x.context, {_FIRST_FILE}, c.width, c.height,
           coalesce(o.text, '') as ocr, coalesce(md5(o.text), 'unread') as inputs
    from (
        select distinct r.content, k.context from raw_images r join {_TOLD} using (collection)
        where r.removed_at is null) x
    join contents c using (content)
    left join ocr_text o on o.content = c.content and o.fingerprint = %(ocr)s
"""  # noqa: S608
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
    """Save what batches have brought, whoever describes now; then describe what is pending.

    Keeps why the run ended early where a budget was reached.

    Raises `ModelError` when the model can describe nothing; no image is marked failed then.
    """
    this, subject = stage(project), partial(subject_of, project)
    came = description_batches.collect(project, options, this, subject, _came(project, this))
    if project.settings.models.describer.batch:
        report = batch_submission.submit(project, options, this, subject, is_full=came.is_full)
    else:
        runs = {"zero_shot": _run_zero_shot, "endpoint": _run_calls, "local": _run_local}
        report = runs[project.settings.models.describer.kind](project, options, this)
    # What came is among the unchanged by now.
    report.skipped = max(0, report.skipped - came.report.worked)
    report.add(came.report)
    paid_calls.tell_stop(project, NAME, options.run_id, report.stopped)
    return report


def _run_zero_shot(project: Project, options: RunOptions, this: Stage) -> StageReport:
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

    return run_pending(project, options, this, work, PARTS * size)


def _row_saver(rows: list[tuple[Any, ...]]) -> Callable[[Connection], None]:
    def save(connection: Connection) -> None:
        upsert(connection, "vlm_descriptions", _COLUMNS, ("content", "context"), rows)

    return save


def _came(project: Project, this: Stage) -> description_batches.DoneOf:
    """What to save of a batch's result."""
    save = _saver(project, this)

    def done(item: Item, reply: Reply, run_id: str) -> Done:
        return paid_calls.done(this, item, reply, [reply.call] if reply.call else [], run_id, save)

    return done


def _run_calls(project: Project, options: RunOptions, this: Stage) -> StageReport:
    describer, subject = project.settings.models.describer, partial(subject_of, project)
    return paid_calls.run_calls(project, options, this, describer, DESCRIBE, subject, _saver(project, this))


def _run_local(project: Project, options: RunOptions, this: Stage) -> StageReport:
    def replies(subjects: Sequence[Subject]) -> Iterator[Reply]:
        return project.local_describer().replies(subjects)

    subject = partial(subject_of, project)
    work = paid_calls.by_answers(this, options.run_id, subject, replies, _saver(project, this))
    return run_pending(project, options, this, work, project.settings.models.batch_size)


def _saver(project: Project, this: Stage) -> paid_calls.Save[Description]:
    model = project.settings.models.describer.model or ""

    def save(connection: Connection, item: Item, one: Description, calls: Sequence[Call]) -> None:
        row = _row(this, item, model, one, total_paid(calls))
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


def total_paid(calls: Sequence[Call]) -> tuple[int, int, Decimal | None]:
    """(tokens in, tokens out, USD or None where a part is not known) of all calls for one image in this run."""
    costs = [call.cost_usd for call in calls]
    cost = None if None in costs else sum((cost for cost in costs if cost is not None), Decimal())
    return sum(call.tokens.sent or 0 for call in calls), sum(call.tokens.received or 0 for call in calls), cost
