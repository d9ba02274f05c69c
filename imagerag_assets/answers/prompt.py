"""What a language model is told: the versioned instructions, and the question and the images' words as data in it."""

from __future__ import annotations

from functools import cache
from importlib import resources

from imagerag_assets.database.stages import fingerprint
from imagerag_assets.models.describers.prompt import as_data
from imagerag_assets.retrieval.search import Result

NO_ANSWER = "NO_ANSWER:"
"""How an answer begins that says that the images have none."""
_READ_LIMIT = 2000
_SAID_LIMIT = 1500


@cache
def instructions() -> str:
    """What the model is told once, before the data."""
    return (resources.files("imagerag_assets.answers") / "prompt.md").read_text(encoding="utf-8").strip()


@cache
def prompt_digest() -> str:
    """Changes when the instructions or the form of the data do."""
    sample = Result("c", "u", "", "", 0.0, {}, None, 1, 1, "d" * (_SAID_LIMIT + 1), "", (), "o" * (_READ_LIMIT + 1))
    return fingerprint(instructions=instructions(), question=question_data("q"), image=image_data(1, sample))


def question_data(question: str) -> str:
    """The question, as data: no word of it can close its tag or begin another."""
    return f"<question>{as_data(question)}</question>"


def image_data(number: int, one: Result) -> str:
    """What is known of one image, as data. The image comes after it."""
    return (
        f'<image number="{number}">\n'
        f"<name>{as_data(f'{one.collection}/{one.uri}')}</name>\n"
        f"<description>{as_data(one.description[:_SAID_LIMIT])}</description>\n"
        f"<text_in_image>{as_data(one.ocr[:_READ_LIMIT])}</text_in_image>\n"
        "</image>"
    )
