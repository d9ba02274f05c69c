"""Filters keep exactly what fulfils them, before anything is ranked, and no value of theirs is ever SQL."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from imagerag_assets.errors import QueryError
from imagerag_assets.methods import METHODS
from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import OPERATORS, Condition, parse_condition, parse_conditions
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.stages import pgvector_index
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, shop_project, store

FACTS: dict[str, dict[str, Any]] = {
    "a.jpg": {"DateTimeOriginal": "2024:05:03 10:20:30", "Make": "Norda", "price": 9},
    "b.jpg": {"DateTimeOriginal": "2024:06:30 00:00:00", "Make": "Lumenta", "price": 100, "it's": "100%"},
    "c.jpg": {"DateTime": "2023:12:31 23:59:59", "price": "on request"},
    "d.jpg": {},
}


@pytest.fixture(scope="module")
def shop(make_shared_project: MakeProject) -> Project:
    project = shop_project(make_shared_project, Path("unread"))
    pictures = [Picture(uri, ocr="mug", tiles=1 + number) for number, uri in enumerate(FACTS)]
    store(project, [*pictures, Picture("e.jpg", ocr="mug", collection="office")])
    with project.database.connect() as connection:
        for one in pictures:
            connection.execute("update contents set exif = %s where content = %s", (Jsonb(FACTS[one.uri]), one.content))
    pgvector_index.run(project, RunOptions())
    return project


def found(project: Project, *where: str) -> str:
    """The names of what is left, without their extension."""
    results = search(project, Query("mug"), method="text", where=parse_conditions(where))
    return "".join(sorted(result.uri[0] for result in results))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ((), "abcde"),
        (("collection=office",), "e"),
        (("collection!=office",), "abcd"),
        (("width>=200",), "bcd"),
        (("width=200",), "b"),
        (("width<200", "collection=shop"), "a"),
        (("uri=a.jpg", "uri=c.jpg"), "ac"),
        (("uri~.JP",), "abcde"),
        (("uri~_",), ""),
        (("tag=a tag",), "abcde"),
        (("tag!=a tag",), ""),
        (("tag~TAG",), "abcde"),
        (("category=thing", "format=PNG"), "abcde"),
        (("date=2024-05",), "a"),
        (("date>=2024",), "ab"),
        (("date<=2024-05",), "ac"),
        (("date>2024-05-03",), "b"),
        (("Make=Norda",), "a"),
        (("Make!=Norda",), "bcde"),
        (("Make ~ men",), "b"),
        (("price>=10",), "bc"),
        (("price<10",), "a"),
        (("price=on request",), "c"),
        (("it's=100%",), "b"),
        (("it's~0%",), "b"),
    ],
)
def test_a_condition_keeps_exactly_what_fulfils_it(shop: Project, where: tuple[str, ...], expected: str) -> None:
    assert found(shop, *where) == expected


def test_an_unknown_key_is_an_error_that_lists_the_known_ones(shop: Project) -> None:
    with pytest.raises(QueryError, match=r"No image has 'colour'.*category.*Make.*price"):
        found(shop, "colour=red")


@pytest.mark.parametrize("operator", ["=", "!="])
def test_an_unknown_collection_is_an_error_in_a_filter_too(shop: Project, operator: str) -> None:
    with pytest.raises(QueryError, match=r"There is no collection 'attic'\. There are shop, office"):
        found(shop, "collection=shop", f"collection{operator}attic")


@pytest.mark.parametrize(
    "text",
    ["", "=", "a", "=x", "a=", "a = ", "width>=wide", "width~1", "tag>=x", "a\x00=b", "a=\udcff", "a=" + "b" * 1000],
)
def test_what_has_no_meaning_is_refused(shop: Project, text: str) -> None:
    with pytest.raises(QueryError):
        found(shop, text)


@given(st.from_regex(r"[a-z0-9'\";%{}\\$?()-]+", fullmatch=True), st.sampled_from(OPERATORS), st.text(min_size=1))
def test_a_condition_is_read_as_it_is_written(key: str, operator: str, value: str) -> None:
    if "\x00" in value or not value.strip() or value.strip()[0] in "=<>~" or len(value) > 900:
        return
    assert parse_condition(f"{key}{operator}{value}") == Condition(key, operator, value.strip())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["'; drop schema imagerag cascade; --", "{images}", "%(limit)s", "%s", "a' or 'a'='a", "\\"]
)
@pytest.mark.parametrize("key", ["category", "uri", "tag", "Make", "date"])
def test_a_value_is_never_sql(shop: Project, key: str, text: str) -> None:
    for operator in ("=", "!=", "~"):
        found(shop, f"{key}{operator}{text}")
    assert found(shop, f"{key}={text}") == ""


def test_a_key_is_never_sql(shop: Project) -> None:
    for key in ("'", "%s", "{images}", "a'or'a", "where_0"):
        with pytest.raises(QueryError, match="No image has"):
            found(shop, f"{key}=1")


def test_filters_hold_for_every_method_and_for_index_scans(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[search.__module__], "_EXACT_ROWS", 0)
    where = parse_conditions(["price>=10"])
    for method in METHODS:
        results = search(shop, Query("mug"), method=method, where=where)
        assert sorted(result.uri for result in results) == ["b.jpg", "c.jpg"], method


def test_pages_follow_each_other_without_gap_or_overlap(shop: Project) -> None:
    whole = [result.uri for result in search(shop, Query("mug"), limit=5)]
    pages = [search(shop, Query("mug"), limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [result.uri for page in pages for result in page] == whole
    assert len(whole) == 5
