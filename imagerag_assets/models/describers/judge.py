"""A second model's look at a description: what it is asked, and how its word is read."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from imagerag_assets.database.stages import fingerprint
from imagerag_assets.models.describers import Description, Subject, Task
from imagerag_assets.models.describers.prompt import as_data
from imagerag_assets.models.describers.schema import phrases, read_object, strict_schema

_OUTER = "<collection>{}</collection>\n<description>{}</description>\nCheck the description against the image."


@dataclass(frozen=True)
class Judgement:
    """Whether a description is right, and which of its words are not."""

    verdict: Literal["supported", "doubtful", "contradicted"]
    wrong: tuple[str, ...]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="ignore")

    wrong: list[str]
    verdict: Literal["supported", "doubtful", "contradicted"]

    @field_validator("wrong", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return phrases([] if value is None else value)

    @field_validator("verdict", mode="before")
    @classmethod
    def _as_word(cls, value: Any) -> Any:
        return value.strip().lower() if isinstance(value, str) else value


@cache
def _instructions() -> str:
    return (resources.files("imagerag_assets.models.describers") / "judge.md").read_text(encoding="utf-8").strip()


def _message(subject: Subject) -> str:
    """What is to be judged, as data: no word of it can close its tag or begin another."""
    said = subject.said or Description("", (), "", "", (), None)
    parts = {
        "general_description": said.general,
        "key_elements": said.key_elements,
        "visible_text": said.visible_text,
        "metadata": {"category": said.category, "tags": said.tags},
    }
    # Quoted once: the description is JSON already, and only its angle brackets could be taken for tags.
    quoted = json.dumps(parts, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")
    return _OUTER.format(as_data(subject.context), quoted)


def _parse(text: str) -> Judgement:
    answer = read_object(text, _Answer)
    return Judgement(answer.verdict, tuple(answer.wrong))


JUDGE = Task("judgement", _instructions, _message, strict_schema(_Answer.model_json_schema()), _parse)
"""What a judge is asked."""


@cache
def judge_digest() -> str:
    """Changes when the instructions, the data's form or the answer's schema do."""
    return fingerprint(instructions=_instructions(), data=_OUTER, schema=JUDGE.schema)
