"""description_embeddings: every description as a vector of the text space."""

from __future__ import annotations

from collections.abc import Sequence

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, fingerprint, run_stage
from imagerag_assets.project import Project
from imagerag_assets.stages import vlm_descriptions
from imagerag_assets.stages.common import RunOptions

VERSION = 1
_COLUMNS = ("content", "context", "fingerprint", "inputs", "embedding")

_CANDIDATES = """
    select d.content || ':' || d.context as item, d.content, d.context, t.text, md5(t.text) as inputs
    from vlm_descriptions d
    cross join lateral (
        select concat_ws(E'\\n', d.general, array_to_string(d.key_elements, ', '), nullif(d.visible_text, ''))) t (text)
    where d.fingerprint = %(descriptions)s and d.context = any(%(contexts)s::text[])
      and exists (select from live_contents l where l.content = d.content)
"""


def stage(project: Project) -> Stage:
    upstream = vlm_descriptions.stage(project).fingerprint
    current = fingerprint(version=VERSION, model=project.text_encoder_identity(), descriptions=upstream)
    return Stage(
        "description_embeddings", "description_embeddings", current, _CANDIDATES,
        "r.content = c.content and r.context = c.context",
        {"descriptions": upstream, "contexts": vlm_descriptions.contexts(project)["contexts"]},
        current="r.inputs = c.inputs", output="r.inputs",
    )  # fmt: skip


def run(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)

    def work(items: Sequence[Item]) -> Done:
        vectors = project.text_encoder().encode_texts([item.text for item in items])
        rows = [
            (item.content, item.context, this.fingerprint, item.inputs, vector)
            for item, vector in zip(items, vectors, strict=True)
        ]

        def save(connection: Connection) -> None:
            upsert(connection, "description_embeddings", _COLUMNS, ("content", "context"), rows)

        return Done(save)

    return run_stage(
        project.database, this, work, batch_size=project.settings.models.batch_size,
        retries=project.settings.retries, selection=options.selection, on_progress=options.on_progress,
    )  # fmt: skip
