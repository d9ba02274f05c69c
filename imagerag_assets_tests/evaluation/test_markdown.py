"""Markdown tables of what anyone may have written: read back with a parser, as the Dagster UI does."""

from __future__ import annotations

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from imagerag_assets.evaluation.markdown import markdown_table

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
texts = st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("|\\`<>&[]()!*_~-:\n\r\t #;")))
tables = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), min_size=1))


def cells_of(tokens: list[Token]) -> list[str]:
    """The text of every cell, which must hold nothing but text."""
    found = []
    for token in tokens:
        if token.type == "inline":
            children = token.children or []
            assert {child.type for child in children} <= {"text", "text_special"}, token.content
            found.append("".join(child.content for child in children))
    return found


@given(tables)
@example([["a\\|b", "\\"], ["|", "\\\\|"]])
@example([["![x](https://x)", "<img src=x>"], ["`|`", "a\n\n# b"]])
def test_whatever_a_cell_says_the_table_keeps_its_shape_and_the_cell_its_text(rows: list[list[str]]) -> None:
    width = len(rows[0])
    tokens = PARSER.parse(markdown_table(["head"] * width, rows, numbers=width // 2))
    names = [token.type for token in tokens]
    assert (names[0], names[-1]) == ("table_open", "table_close")
    assert names.count("tr_open") == 1 + len(rows)
    assert names.count("td_open") == width * len(rows)
    # A NUL is no character to Markdown.
    said = [" ".join(text.replace("\0", "\ufffd").split()) for row in rows for text in row]
    assert cells_of(tokens)[width:] == said


@given(texts)
def test_a_cell_holds_no_pipe_and_no_backslash_that_parsers_could_read_differently(text: str) -> None:
    (_, _, row) = markdown_table(["head"], [[text]]).split("\n")
    cell = row.removeprefix("| ").removesuffix(" |")
    assert not {"|", "\\", "<", "`", "["} & set(cell)
    assert not [character for character in cell if unicodedata.category(character) in ("Zl", "Zp")]


def test_numbers_are_set_flush_right_with_three_decimals() -> None:
    assert markdown_table(("name", "value"), [("a", 0.5), ("b", 7)], numbers=1) == (
        "| name | value |\n| --- | ---: |\n| a | 0.500 |\n| b | 7 |"
    )
