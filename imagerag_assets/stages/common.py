"""What the stages share: the ways in (selection, progress), and an item's pixels."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from PIL import Image

from imagerag_assets.database.stages import Item, OnProgress, Selection, Stage, StageReport, Work, run_stage
from imagerag_assets.images.contents import Place, read_content
from imagerag_assets.images.decode import decode
from imagerag_assets.project import Project

_FIRST_FILE = ", ".join(
    f"(select r.{column} from raw_images r where r.content = c.content and r.removed_at is null "  # noqa: S608
    f"order by r.collection, r.uri limit 1) as {column}"
    for column in ("collection", "uri", "file", "page")
)
# Every live content with the first of its files, in a fixed order. A stage adds its own columns and joins. The file is
# looked up by columns and not by a join: Postgres leaves out a column where candidates are only counted.
CONTENTS = f"""
    select c.content as item, c.content, c.width, c.height, {_FIRST_FILE}
    from live_contents c
"""  # noqa: S608


def _silent(_progress: object) -> None:
    pass


@dataclass(frozen=True)
class RunOptions:
    """How a run was asked for: which part, who listens to its progress, which collections may lose most images."""

    selection: Selection = field(default_factory=Selection)
    on_progress: OnProgress = _silent
    allow_removal: tuple[str, ...] = ()
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of the Dagster run: what calls of paid models are counted under."""


def run_pending(project: Project, options: RunOptions, stage: Stage, work: Work, batch_size: int) -> StageReport:
    """`run_stage` over the project's database, as the run was asked for."""
    return run_stage(
        project.database, stage, work, batch_size=batch_size, retries=project.settings.retries,
        selection=options.selection, on_progress=options.on_progress,
    )  # fmt: skip


def load_image(project: Project, item: Item) -> Image.Image:
    """The upright RGB pixels of a candidate that has `collection`, `file`, `page` and `content`.

    Raises `ItemError`: the source's reason (`unreadable`, `not_found`, …), `changed` when the file no longer holds that
    content, or the decoder's reason.
    """
    data = load_bytes(project, item)
    return decode(data, project.settings.limits, item.page or 1).image


def load_bytes(project: Project, item: Item) -> bytes:
    """The bytes of the candidate's file, known to hold its content. Raises `ItemError` like `load_image`."""
    place = Place(item.collection, item.uri, item.file, item.page)
    return read_content(project.source(item.collection), place, item.content, project.settings.limits.max_bytes)
