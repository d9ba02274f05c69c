"""What the stages share: the ways in (selection, progress), and an item's pixels."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from PIL import Image

from imagerag_assets.database.stages import Item, OnProgress, Selection
from imagerag_assets.errors import ItemError
from imagerag_assets.images.decode import decode
from imagerag_assets.images.hashing import content_hash
from imagerag_assets.images.sources import read_file
from imagerag_assets.project import Project

# Every live content with the first of its files, in a fixed order. A stage adds its own columns and joins.
CONTENTS = """
    select c.content as item, c.content, c.width, c.height, s.collection, s.uri
    from live_contents c
    cross join lateral (
        select r.collection, r.uri from raw_images r
        where r.content = c.content and r.removed_at is null
        order by r.collection, r.uri limit 1) s
"""


def _silent(_progress: object) -> None:
    pass


@dataclass(frozen=True)
class RunOptions:
    """How a run was asked for: which part, and who listens to its progress."""

    selection: Selection = field(default_factory=Selection)
    on_progress: OnProgress = _silent
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Of the Dagster run: what calls of paid models are counted under."""


def load_image(project: Project, item: Item) -> Image.Image:
    """The upright RGB pixels of a candidate that has `collection`, `uri` and `content`.

    Raises `ItemError`: `unreadable`, `changed` when the file no longer holds that content, or the decoder's reason.
    """
    data = read_file(project.source_folder(item.collection), item.uri)
    if content_hash(data) != item.content:
        raise ItemError("changed", f"{item.uri} changed since it was listed; the next run of raw_images takes it up.")
    return decode(data, project.settings.limits).image
