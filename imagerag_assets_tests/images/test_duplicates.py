"""Which candidates are the same picture: by thumbnails, colours and words."""

from __future__ import annotations

import pytest

from imagerag_assets.images.alignment import Likeness
from imagerag_assets.images.candidates import Candidate
from imagerag_assets.images.duplicates import NearPair, decide
from imagerag_assets.settings import Dedup

RULES = Dedup()
NO_WORDS: frozenset[str] = frozenset()


CANDIDATE = Candidate("a", "b", 0, by_hash=False)


def linked(likeness: Likeness, words: str = "", other_words: str = "") -> bool:
    pair = decide(CANDIDATE, likeness, frozenset(words.split()), frozenset(other_words.split()), RULES)
    return pair is not None and pair.linked


def test_thumbnails_that_agree_make_a_pair_and_it_says_how_it_was_found() -> None:
    assert decide(CANDIDATE, Likeness(0.95, 1.0), NO_WORDS, NO_WORDS, RULES) == NearPair(
        "a", "b", "semantic", 0.95, True
    )
    by_hash = Candidate("a", "b", 0, by_hash=True)
    found = decide(by_hash, Likeness(0.95, 1.0), NO_WORDS, NO_WORDS, RULES)
    assert found is not None
    assert found.relation == "perceptual"


def test_what_is_alike_but_not_enough_may_only_share_a_group() -> None:
    assert decide(CANDIDATE, Likeness(0.8, 1.0), NO_WORDS, NO_WORDS, RULES) == NearPair(
        "a", "b", "semantic", 0.8, False
    )
    assert decide(CANDIDATE, Likeness(0.7, 1.0), NO_WORDS, NO_WORDS, RULES) is None


def test_the_same_picture_in_another_colour_is_another_picture() -> None:
    assert linked(Likeness(0.99, 5.0))
    assert not linked(Likeness(0.99, 20.0))


def test_pictures_that_look_alike_and_say_different_things_are_no_pair() -> None:
    likeness = Likeness(0.99, 0.0)
    assert not linked(likeness, "network path was not found", "printer access has been denied")
    assert linked(likeness, "network path was not found", "network path was not")
    assert linked(likeness, "network", "printer access has been denied"), "one word is too little to tell by"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("controle lot refuse", "ontrole lot efuse", True),
        ("error 0x80070035 found", "error 0x80070005 shown", False),
    ],
    ids=["a misread letter", "another code"],
)
def test_a_misread_word_is_forgiven_and_another_number_is_not(one: str, other: str, same: bool) -> None:
    assert linked(Likeness(0.99, 0.0), one, other) is same
