"""Filters: conditions such as `category=mug` or `date>=2024-05` → SQL over the index's images. Values stay data.

Keys are `collection`, `uri`, `category`, `tag`, `width`, `height`, `date` (when the picture was taken), and the
metadata that images came with: `format`, EXIF facts, sidecars, a manifest's columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import QueryError
from imagerag_assets.retrieval.generations import Generation

Operator = Literal["=", "!=", ">=", "<=", ">", "<", "~"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)

_FORM = re.compile(r"\s*(?P<key>[^\s=!<>~]+)\s*(?P<operator>!=|>=|<=|=|>|<|~)\s*(?P<value>.*?)\s*", re.DOTALL)
_NUMBERS = {"width": "i.width", "height": "i.height"}
_TEXTS = {"collection": "i.collection", "category": "i.category", "uri": "i.uris[1]"}
NO_TEXT = re.compile(r"[\x00\ud800-\udfff]")
"""What Postgres does not take: NUL, and the lone surrogates that stand for bytes that are no UTF-8 in arguments."""
_WHOLE = re.compile(r"-?\d{1,40}", re.ASCII)
_LONGEST = 1000
_MOST = 50


@dataclass(frozen=True)
class Condition:
    """One thing that a result has to fulfil. `~` is "contains", regardless of case."""

    key: str
    operator: Operator
    value: str


def parse_condition(text: str) -> Condition:
    """Read `key=value`, with any of = != >= <= > < ~ between. Raises `QueryError` that shows the form."""
    found = _FORM.fullmatch(text)
    if found is None or not found["value"]:
        raise QueryError(
            f"The filter {text[:80]!r} has no meaning. Write a key, one of {' '.join(OPERATORS)}, and a value: "
            "category=mug, width>=1000, date>=2024-05, tag=red, name~invoice."
        )
    if len(text) > _LONGEST or NO_TEXT.search(text):
        raise QueryError(f"A filter is text of at most {_LONGEST} characters without NUL, in UTF-8.")
    operator = next(one for one in OPERATORS if one == found["operator"])
    if found["key"] in _NUMBERS:
        _number(found["key"], found["value"])
    return Condition(found["key"], operator, found["value"])


def parse_conditions(texts: Iterable[str]) -> tuple[Condition, ...]:
    """Read several conditions. Raises `QueryError`."""
    conditions = tuple(parse_condition(text) for text in texts)
    if len(conditions) > _MOST:
        raise QueryError(f"{len(conditions)} filters; at most {_MOST} are taken.")
    return conditions


def require_known_keys(connection: Connection, generation: Generation, conditions: Sequence[Condition]) -> None:
    """Raise `QueryError` for a key that no image of the index has: a typing error must not look like no result."""
    for key in dict.fromkeys(condition.key for condition in conditions):
        if key in (*_TEXTS, *_NUMBERS, "tag", "date"):
            continue
        row = connection.execute(
            sql.SQL("select exists (select from {} where metadata ? %s)").format(generation.table("images")), (key,)
        ).fetchone()
        if not (row and row[0]):
            raise QueryError(
                f"No image has {key!r}. Filters know {', '.join((*_TEXTS, *_NUMBERS, 'tag', 'date'))}, and the "
                f"metadata of the index: {', '.join(_metadata_keys(connection, generation)) or 'none'}."
            )


def condition_sql(conditions: Sequence[Condition]) -> tuple[sql.Composable, dict[str, Any]]:
    """A boolean expression over images `i`, and its parameters.

    All conditions must hold, but several `=` of one key are alternatives: tag=red tag=blue finds both.
    """
    parameters: dict[str, Any] = {}
    groups: dict[str, list[sql.Composable]] = {}
    for number, condition in enumerate(conditions):
        name = f"where_{number}"
        parameters[name] = _value(condition)
        group = condition.key if condition.operator == "=" else name
        groups.setdefault(group, []).append(_one(condition, number, parameters))
    alternatives = [sql.SQL("({})").format(sql.SQL(" or ").join(group)) for group in groups.values()]
    return (sql.SQL(" and ").join(alternatives) if alternatives else sql.SQL("true")), parameters


def _one(condition: Condition, number: int, parameters: dict[str, Any]) -> sql.Composable:
    value = sql.Placeholder(f"where_{number}")
    operator = {"!=": "<>", "~": "ilike"}.get(condition.operator, condition.operator)
    if condition.key in _NUMBERS:
        if condition.operator == "~":
            raise QueryError(f"{condition.key} is a number: ~ has no meaning for it.")
        return sql.SQL(f"{_NUMBERS[condition.key]} {operator} {{}}").format(value)
    if condition.key == "tag":
        return _tag(condition, value)
    if condition.key in _TEXTS:
        return sql.SQL(f"{_TEXTS[condition.key]} {operator} {{}}").format(value)
    if condition.key == "date":
        # As precise as was asked: date<=2024-05 has the whole of May in it.
        return sql.SQL(
            f"left(i.metadata ->> 'date', length({{value}}::text)) collate \"C\" {operator} {{value}}"
        ).format(value=value)
    return _metadata(condition, number, operator, parameters)


def _tag(condition: Condition, value: sql.Composable) -> sql.Composable:
    forms = {
        "=": "i.tags @> array[{}]::text[]",
        "!=": "{} <> all(i.tags)",
        "~": "exists (select from unnest(i.tags) tag where tag ilike {})",
    }
    if condition.operator not in forms:
        raise QueryError("tag takes = (has it), != (has it not) and ~ (one contains it).")
    return sql.SQL(forms[condition.operator]).format(value)


def _metadata(condition: Condition, number: int, operator: str, parameters: dict[str, Any]) -> sql.Composable:
    """Numbers compare as numbers where both sides are; everything else, dates among it, as text (ISO dates sort).

    A value that an image does not have fulfils nothing but !=.
    """
    key_name = f"where_{number}_key"
    parameters[key_name] = condition.key
    key = sql.Placeholder(key_name)
    value = sql.Placeholder(f"where_{number}")
    if condition.operator == "!=":
        return sql.SQL("(i.metadata ->> {key}) is distinct from {value}").format(key=key, value=value)
    as_text = sql.SQL(f'(i.metadata ->> {{key}}) collate "C" {operator} {{value}}').format(key=key, value=value)
    if condition.operator == "=":
        return _equal(condition, number, as_text, parameters)
    if condition.operator == "~" or _is_number(condition.value) is None:
        return as_text
    number_name = f"where_{number}_number"
    parameters[number_name] = _is_number(condition.value)
    return sql.SQL(
        "case when jsonb_typeof(i.metadata -> {key}) = 'number' "
        f"then (i.metadata ->> {{key}})::float8 {operator} {{number}} else {{text}} end"
    ).format(key=key, number=sql.Placeholder(number_name), text=as_text)


def _equal(condition: Condition, number: int, as_text: sql.Composable, parameters: dict[str, Any]) -> sql.Composable:
    """What the index on metadata can look up: {key: value} as a text, as a number and as a truth value."""
    found = _is_number(condition.value)
    forms: list[Any] = [condition.value]
    if found is not None:
        forms += [found, *([int(condition.value)] if _WHOLE.fullmatch(condition.value) else [])]
    if condition.value in ("true", "false"):
        forms.append(condition.value == "true")
    if condition.value.lstrip().startswith(("[", "{")):
        # As text it may be a whole list or object.
        return as_text
    alternatives = []
    for place, form in enumerate(forms):
        name = f"where_{number}_{place}"
        parameters[name] = Jsonb({condition.key: form})
        alternatives.append(sql.SQL("i.metadata @> {}").format(sql.Placeholder(name)))
    return sql.SQL("({})").format(sql.SQL(" or ").join(alternatives))


def _value(condition: Condition) -> Any:
    if condition.key in _NUMBERS:
        return _number(condition.key, condition.value)
    if condition.operator == "~":
        escaped = re.sub(r"([\\%_])", r"\\\1", condition.value)
        return f"%{escaped}%"
    return condition.value


def _number(key: str, value: str) -> float:
    number = _is_number(value)
    if number is None:
        raise QueryError(f"{key} is a number, and {value[:80]!r} is none.")
    return number


def _is_number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e300 else None


def _metadata_keys(connection: Connection, generation: Generation) -> list[str]:
    rows = connection.execute(
        sql.SQL(
            "select distinct jsonb_object_keys(metadata) from (select metadata from {} limit 1000) x "
            "order by 1 limit 40"
        ).format(generation.table("images"))
    ).fetchall()
    return [str(row[0]) for row in rows]
