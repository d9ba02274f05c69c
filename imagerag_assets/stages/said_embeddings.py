"""said_embeddings: what is said of every image as a vector of the image–text space, to be held against the image's."""

from __future__ import annotations

from collections.abc import Sequence

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Done, Item, Stage, StageReport, fingerprint
from imagerag_assets.project import Project
from imagerag_assets.stages import described
from imagerag_assets.stages.common import RunOptions, run_pending

VERSION = 1
_COLUMNS = ("content", "context", "model", "fingerprint", "inputs", "embedding")
_CANDIDATES = f"select d.*, md5(d.said) as inputs from ({described.DESCRIBED}) d"  # noqa: S608


def stage(project: Project) -> Stage:
    # Not the describer's fingerprint: equal words have equal vectors, whoever said them.
    model = project.dual_encoder_identity()
    return Stage(
        "said_embeddings", "said_embeddings", fingerprint(version=VERSION, model=model), _CANDIDATES,
        "r.content = c.content and r.context = c.context and r.model = %(model)s",
        {**described.parameters(project), "model": model}, current="r.inputs = c.inputs", output="r.inputs",
    )  # fmt: skip


def run(project: Project, options: RunOptions) -> StageReport:
    this = stage(project)

    def work(items: Sequence[Item]) -> Done:
        vectors = project.dual_encoder().encode_texts([item.said for item in items])
        rows = [
            (item.content, item.context, this.parameters["model"], this.fingerprint, item.inputs, vector)
            for item, vector in zip(items, vectors, strict=True)
        ]

        def save(connection: Connection) -> None:
            upsert(connection, "said_embeddings", _COLUMNS, ("content", "context", "model"), rows)

        return Done(save)

    return run_pending(project, options, this, work, project.settings.models.batch_size)
