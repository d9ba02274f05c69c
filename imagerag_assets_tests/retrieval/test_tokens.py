"""Terms: the same for documents and queries, whatever the accents, the case and the punctuation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerag_assets.retrieval.tokens import terms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("L'accès à 0x80070035", ["l", "acces", "a", "0x80070035"]),
        ("FULL-size: 3.5mm, №7", ["full", "size", "3", "5mm", "no7"]),
        ("Straße ﬁle ½", ["strasse", "file", "1", "2"]),
        ("ÉTÉ e\u0301te\u0301", ["ete", "ete"]),
        ("a\x00b\tc\nd", ["a", "b", "c", "d"]),
        ("'; drop table x; --", ["drop", "table", "x"]),
        ("  ", []),
        ("", []),
    ],
)
def test_terms_are_plain_lower_case_runs_of_letters_and_digits(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@given(st.text())
def test_terms_of_terms_are_the_same_terms(text: str) -> None:
    found = terms(text)
    assert terms(" ".join(found)) == found
    assert all(term.isascii() and term.isalnum() and term == term.lower() for term in found)


@given(st.text(), st.text())
def test_case_and_neighbours_do_not_matter(one: str, other: str) -> None:
    assert terms(f"{one} {other}") == terms(one) + terms(other)


def test_words_too_long_for_an_index_are_cut_alike_in_documents_and_queries() -> None:
    assert terms("a" * 250 + "b") == terms("a" * 250 + "c") == ["a" * 200]
