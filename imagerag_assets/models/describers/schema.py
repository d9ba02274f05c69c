"""What a language model must answer: the four parts of a description, as a schema and as a tolerant reader of text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from imagerag_assets.models.describers import Description

M = TypeVar("M", bound=BaseModel)
_TEXT_LIMIT = 4000
_PHRASE_LIMIT = 200
_PHRASES = 40


class InvalidAnswerError(ValueError):
    """The text holds no description of the right form; the message says what is wrong with it."""


class Metadata(BaseModel):
    model_config = ConfigDict(extra="ignore")

    category: str
    tags: list[str]

    @field_validator("category", mode="after")
    @classmethod
    def _named(cls, value: str) -> str:
        if not (cleaned := _clean(value)[:_PHRASE_LIMIT]):
            raise ValueError("must not be empty")
        return cleaned

    @field_validator("tags", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return phrases(value)


class Answer(BaseModel):
    """The four parts. The names are those of the guide's RAG description."""

    model_config = ConfigDict(extra="ignore")

    general_description: str
    key_elements: list[str]
    visible_text: str
    metadata: Metadata

    @field_validator("general_description", mode="after")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not (cleaned := _clean(value)[:_TEXT_LIMIT]):
            raise ValueError("must not be empty")
        return cleaned

    @field_validator("key_elements", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return phrases(value)

    @field_validator("visible_text", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if value is None:
            return ""
        if isinstance(value, list) and all(isinstance(line, str) for line in value):
            value = "\n".join(value)
        return _clean(value)[:_TEXT_LIMIT] if isinstance(value, str) else value


def parse_answer(text: str) -> Description:
    """Read a model's answer: bare JSON, JSON in a code fence, or JSON among words.

    Raises `InvalidAnswerError` saying what is missing.
    """
    return _description(read_object(text, Answer, _canonical))


def read_object(
    text: str, form: type[M], prepare: Callable[[dict[str, Any]], dict[str, Any]] = lambda found: found
) -> M:
    """The first JSON object in the text that, once prepared, has that form. Raises `InvalidAnswerError`."""
    wrong: list[str] = []
    for found in _json_objects(text):
        try:
            return form.model_validate(prepare(found))
        except ValidationError as error:
            wrong.append(_problems(error))
    # The last object is the answer, if one is: models that think aloud write others before it.
    raise InvalidAnswerError(
        wrong[-1] if wrong else "it holds no complete JSON object" if text.strip() else "it is empty"
    )


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False, include_input=False)
    )


def _description(answer: Answer) -> Description:
    return Description(
        answer.general_description,
        tuple(answer.key_elements),
        answer.visible_text,
        answer.metadata.category,
        tuple(answer.metadata.tags),
        None,
    )


def _json_objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in the text that are no parts of others."""
    decoder = json.JSONDecoder(strict=False)
    end = 0
    for start in (match.start() for match in re.finditer(r"\{", text)):
        if start < end:
            continue
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        yield dict(found)


def _canonical(found: dict[str, Any]) -> dict[str, Any]:
    """The keys as the schema has them: models write "Key Elements", and put the category beside the rest."""
    named = {_key(name): value for name, value in found.items()}
    if "general" in named:
        named.setdefault("general_description", named["general"])
    metadata = named.get("metadata", {key: named[key] for key in ("category", "tags") if key in named})
    if isinstance(metadata, dict):
        named["metadata"] = {_key(name): value for name, value in metadata.items()}
    named.setdefault("visible_text", None)
    return named


def _key(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def phrases(value: Any) -> Any:
    """A list of distinct short phrases, from a list or from one text with commas or lines."""
    if isinstance(value, str):
        value = re.split(r"[,;\n]", value)
    if not isinstance(value, list) or not all(isinstance(phrase, str) for phrase in value):
        return value
    cleaned = (_clean(phrase).lstrip("-•* ")[:_PHRASE_LIMIT] for phrase in value)
    return list(dict.fromkeys(phrase for phrase in cleaned if phrase))[:_PHRASES]


def _clean(text: str) -> str:
    """Without what Postgres, UTF-8 or a terminal may not bear: control characters, lone surrogates, odd spaces."""
    spaced = "".join(" " if char.isspace() and char not in "\n\t" else char for char in text)
    return "".join(char for char in spaced if char in "\n\t" or char.isprintable()).strip()


def strict_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema as servers with guaranteed output want it: every key required, no other allowed, no references."""
    definitions = schema.pop("$defs", {})

    def visit(node: Any) -> Any:
        if isinstance(node, list):
            return [visit(part) for part in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return visit(definitions[node["$ref"].rsplit("/", 1)[1]])
        kept = {key: visit(value) for key, value in node.items() if key not in ("title", "description", "default")}
        if kept.get("type") == "object":
            kept["required"] = list(kept["properties"])
            kept["additionalProperties"] = False
        return kept

    strict: dict[str, Any] = visit(schema)
    return strict


JSON_SCHEMA = strict_schema(Answer.model_json_schema())
