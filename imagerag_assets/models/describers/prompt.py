"""The prompt of the language-model describers: a versioned file, and the collection's and OCR's words as data in it."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

from imagerag_assets.database.stages import fingerprint
from imagerag_assets.models.describers import Task
from imagerag_assets.models.describers.schema import JSON_SCHEMA, parse_answer

_OCR_LIMIT = 4000
"""Characters of OCR text that are sent: a page of dense print."""


@cache
def instructions() -> str:
    """What the model is told once, before any image."""
    return (resources.files("imagerag_assets.models.describers") / "prompt.md").read_text(encoding="utf-8").strip()


@cache
def prompt_digest() -> str:
    """Changes when the instructions, the data's form or the answer's schema do."""
    sample = data_message("context", "o" * (_OCR_LIMIT + 1))
    return fingerprint(instructions=instructions(), data=sample, schema=JSON_SCHEMA)


def data_message(context: str, ocr: str) -> str:
    """What is known of one image, as data: no word of it can close its tag or begin another."""
    return (
        f"<collection>{as_data(context)}</collection>\n"
        f"<ocr_text>{as_data(ocr[:_OCR_LIMIT])}</ocr_text>\n"
        "Describe the image."
    )


def repair_message(fault: str) -> str:
    """The one request to put an answer right."""
    return (
        f"That was not the JSON object that was asked for: {fault}. "
        "Answer again, with the JSON object alone: no other words, no code fence."
    )


def as_data(text: str) -> str:
    """A JSON string in which angle brackets are escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")


DESCRIBE = Task(
    "image_description", instructions, lambda subject: data_message(subject.context, subject.ocr), JSON_SCHEMA,
    parse_answer,
)  # fmt: skip
"""What a describer is asked."""
