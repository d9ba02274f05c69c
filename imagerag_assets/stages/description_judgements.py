"""description_judgements: a second model's word on every description, where the settings name one (models.judge)."""

from __future__ import annotations

from collections.abc import Sequence

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Item, Stage, StageReport, fingerprint
from imagerag_assets.models.calls import Call
from imagerag_assets.models.describers import Subject
from imagerag_assets.models.describers.judge import JUDGE, Judgement, judge_digest
from imagerag_assets.project import Project
from imagerag_assets.settings import Judge
from imagerag_assets.stages import described
from imagerag_assets.stages.common import RunOptions, load_image
from imagerag_assets.stages.paid_calls import run_calls

NAME = "description_judgements"
VERSION = 1
_COLUMNS = ("content", "context", "fingerprint", "inputs", "model", "verdict", "wrong")
_CANDIDATES = f"select d.*, d.described as inputs from ({described.DESCRIBED}) d"  # noqa: S608


def stage(project: Project, judge: Judge) -> Stage:
    # As with descriptions, neither the address nor an upstream fingerprint: `inputs` tells what was judged.
    current = fingerprint(
        version=VERSION, prompt=judge_digest(), preset=judge.preset, model=judge.model, detail=judge.detail,
        longest_side=judge.sent_side,
    )  # fmt: skip
    return Stage(
        NAME, NAME, current, _CANDIDATES, "r.content = c.content and r.context = c.context",
        described.parameters(project), current="r.inputs = c.inputs", output="concat_ws('|', r.verdict, r.wrong::text)",
    )  # fmt: skip


def run(project: Project, options: RunOptions, judge: Judge) -> StageReport:
    """Have every description judged that was not, or that says something else since."""
    this = stage(project, judge)

    def subject(item: Item) -> Subject:
        context = project.settings.collection(item.collection).context
        said = described.description_of(item)
        return Subject(item.item, item.collection, context, "", lambda: load_image(project, item), said)

    def save(connection: Connection, item: Item, one: Judgement, _calls: Sequence[Call]) -> None:
        row = (
            item.content, item.context, this.fingerprint, item.inputs, judge.model, one.verdict, list(one.wrong),
        )  # fmt: skip
        upsert(connection, NAME, _COLUMNS, ("content", "context"), [row])

    return run_calls(project, options, this, judge, JUDGE, subject, save)
