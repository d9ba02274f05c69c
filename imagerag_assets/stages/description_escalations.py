"""description_escalations: a stronger model describes anew what is not to be trusted (models.escalate_to).

The new description takes the old one's place in vlm_descriptions, and the old one is kept here. Each is made anew once
for the same models and the same text, however little the new one is trusted.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Item, Stage, StageReport, fingerprint
from imagerag_assets.models.calls import Call
from imagerag_assets.models.describers import Description, Subject
from imagerag_assets.models.describers.prompt import DESCRIBE, prompt_digest
from imagerag_assets.project import Project
from imagerag_assets.settings import Escalation
from imagerag_assets.stages import described, ocr_text
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.paid_calls import run_calls
from imagerag_assets.stages.vlm_descriptions import subject_of, total_paid

NAME = "description_escalations"
VERSION = 1

_CANDIDATES = f"""
    select d.*, d.told as inputs, coalesce(o.text, '') as ocr, t.confidence
    from ({described.DESCRIBED}) d
    join description_confidence t
      on t.content = d.content and t.context = d.context and t.fingerprint = %(confidence)s
     and t.described = d.described and t.confidence < %(trust)s
    left join ocr_text o on o.content = d.content and o.fingerprint = %(ocr)s
"""  # noqa: S608


def stage(project: Project, stronger: Escalation, confidence: str) -> Stage:
    """`confidence` is the fingerprint of description_confidence."""
    given = described.parameters(project)
    current = fingerprint(
        version=VERSION, describer=given["descriptions"], prompt=prompt_digest(), preset=stronger.preset,
        model=stronger.model, detail=stronger.detail, longest_side=stronger.sent_side,
    )  # fmt: skip
    more = {"confidence": confidence, "trust": project.settings.descriptions.trust}
    return Stage(
        NAME, NAME, current, _CANDIDATES, "r.content = c.content and r.context = c.context",
        {**given, **more, "ocr": ocr_text.stage(project).fingerprint}, current="r.inputs = c.inputs",
    )  # fmt: skip


def run(project: Project, options: RunOptions, stronger: Escalation, confidence: str) -> StageReport:
    """Describe anew what is below the threshold and was not made anew yet."""
    this = stage(project, stronger, confidence)

    def subject(item: Item) -> Subject:
        return subject_of(project, item)

    def save(connection: Connection, item: Item, one: Description, calls: Sequence[Call]) -> None:
        _replace(connection, this, item, one, stronger.model or "", calls)

    return run_calls(project, options, this, stronger, DESCRIBE, subject, save)


def _replace(
    connection: Connection, this: Stage, item: Item, one: Description, model: str, calls: Sequence[Call]
) -> None:
    """Keep the old description and write the new one, unless the describer itself has come up with another since."""
    sent, received, cost = total_paid(calls)
    kept = connection.execute(
        "select to_jsonb(v) from vlm_descriptions v where content = %s and context = %s and fingerprint = %s "
        "and inputs = %s for update",
        (item.content, item.context, this.parameters["descriptions"], item.told),
    ).fetchone()
    if kept is None:
        return
    connection.execute(
        "insert into description_escalations (content, context, fingerprint, inputs, model, confidence, before) "
        "values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (item.content, item.context, this.fingerprint, item.inputs, model, item.confidence, Jsonb(kept[0])),
    )
    connection.execute(
        "update vlm_descriptions set model = %s, general = %s, key_elements = %s, visible_text = %s, category = %s, "
        "tags = %s, confidence = null, tokens_in = %s, tokens_out = %s, cost_usd = %s "
        "where content = %s and context = %s",
        (
            model, one.general, list(one.key_elements), one.visible_text, one.category, list(one.tags), sent, received,
            cost, item.content, item.context,
        ),
    )  # fmt: skip
