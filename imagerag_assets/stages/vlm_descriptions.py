"""vlm_descriptions: the four parts of a RAG description for every image, per context that the image is seen in."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, each, fingerprint, run_stage
from imagerag_assets.models.describer import DESCRIBER_VERSION, MODEL_NAME, ZeroShotDescriber, load_vocabulary
from imagerag_assets.project import Project
from imagerag_assets.stages import ocr_text
from imagerag_assets.stages.common import RunOptions, load_image

_COLUMNS = (
    "content", "context", "fingerprint", "model", "general", "key_elements", "visible_text", "category", "tags",
    "confidence", "inputs",
)  # fmt: skip

# One candidate per content and context. An image whose OCR failed is described without text rather than not at all, and
# again when OCR succeeds after all.
_CANDIDATES = """
    select c.content || ':' || x.context as item, c.content, x.context, x.collection, x.uri, x.file, x.page,
           coalesce(o.text, '') as ocr, coalesce(md5(o.text), 'unread') as inputs
    from live_contents c
    cross join lateral (
        select distinct on (k.context) k.context, r.collection, r.uri, r.file, r.page
        from raw_images r
        join unnest(%(names)s::text[], %(contexts)s::text[]) as k (collection, context) using (collection)
        where r.content = c.content and r.removed_at is null
        order by k.context, r.collection, r.uri) x
    left join ocr_text o on o.content = c.content and o.fingerprint = %(ocr)s
    where o.content is not null
       or exists (select from stage_failures f
                  where f.stage = 'ocr_text' and f.item = c.content and f.fingerprint = %(ocr)s)
"""


def context_key(context: str) -> str:
    """A short name for what the describer is told of a collection."""
    return hashlib.sha256(context.encode()).hexdigest()[:12]


def contexts(project: Project) -> dict[str, list[str]]:
    """Query parameters that tie collections to their contexts."""
    names = [collection.name for collection in project.settings.collections]
    # The zero-shot describer is told nothing of the collection, so a content has one description for all of them.
    return {"names": names, "contexts": [context_key("")] * len(names)}


def stage(project: Project) -> Stage:
    upstream = ocr_text.stage(project).fingerprint
    current = fingerprint(
        version=DESCRIBER_VERSION,
        describer=project.settings.models.describer,
        model=project.dual_encoder_identity(),
        vocabulary=load_vocabulary(project.settings.models.vocabulary).digest,
        ocr=upstream,
    )
    return Stage(
        "vlm_descriptions", "vlm_descriptions", current, _CANDIDATES,
        "r.content = c.content and r.context = c.context", {**contexts(project), "ocr": upstream},
        current="r.inputs = c.inputs",
        output="concat_ws('|', r.general, r.key_elements::text, r.visible_text, r.category, r.tags::text)",
    )  # fmt: skip


def run(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)
    describers: list[ZeroShotDescriber] = []

    def work(items: Sequence[Item]) -> Done:
        if not describers:
            vocabulary = load_vocabulary(project.settings.models.vocabulary)
            describers.append(ZeroShotDescriber(project.dual_encoder(), vocabulary))
        loaded, failures = each(items, lambda item: load_image(project, item))
        found = describers[0].describe([image for _, image in loaded], [item.ocr for item, _ in loaded])
        rows = [
            (
                item.content, item.context, this.fingerprint, MODEL_NAME, one.general, list(one.key_elements),
                one.visible_text, one.category, list(one.tags), one.confidence, item.inputs,
            )
            for (item, _), one in zip(loaded, found, strict=True)
        ]  # fmt: skip

        def save(connection: Connection) -> None:
            upsert(connection, "vlm_descriptions", _COLUMNS, ("content", "context"), rows)

        return Done(save, failures)

    return run_stage(
        project.database, this, work, batch_size=project.settings.models.batch_size,
        retries=project.settings.retries, selection=options.selection, on_progress=options.on_progress,
    )  # fmt: skip
