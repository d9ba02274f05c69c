"""The current descriptions as candidates, for the stages that look at them a second time."""

from __future__ import annotations

from typing import Any

from imagerag_assets.database.stages import Item
from imagerag_assets.models.describers import Description
from imagerag_assets.project import Project
from imagerag_assets.retrieval.trust import DESCRIBED_DIGEST
from imagerag_assets.stages import vlm_descriptions

# One per content and context, with the first of its files.
DESCRIBED = f"""
    select v.content || ':' || v.context as item, v.content, v.context, x.collection, x.uri, x.file, x.page,
           v.general, v.key_elements, v.visible_text, v.category, v.tags, v.inputs as told,
           {DESCRIBED_DIGEST} as described,
           concat_ws(E'\\n', v.general, array_to_string(v.key_elements, ', ')) as said
    from vlm_descriptions v
    cross join lateral (
        select r.collection, r.uri, r.file, r.page
        from raw_images r
        join unnest(%(names)s::text[], %(contexts)s::text[]) as k (collection, context) using (collection)
        where r.content = v.content and k.context = v.context and r.removed_at is null
        order by r.collection, r.uri limit 1) x
    where v.fingerprint = %(descriptions)s
"""  # noqa: S608


def parameters(project: Project) -> dict[str, Any]:
    """What `DESCRIBED` needs."""
    return {**vlm_descriptions.contexts(project), "descriptions": vlm_descriptions.stage(project).fingerprint}


def description_of(item: Item) -> Description:
    """What a candidate says."""
    return Description(
        item.general, tuple(item.key_elements), item.visible_text, item.category, tuple(item.tags), None
    )  # fmt: skip
