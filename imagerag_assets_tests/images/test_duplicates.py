"""Which pairs are looked at, and which are the same picture: every near one, whichever is new, and never over words."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagerag_assets.images.alignment import Likeness
from imagerag_assets.images.duplicates import Candidate, NearPair, Prints, decide, find_candidates
from imagerag_assets.images.groups import Decisions, group
from imagerag_assets.images.hashing import ORIENTATIONS, turned_phashes
from imagerag_assets.settings import Dedup
from imagerag_assets_tests.images.test_groups import SAME_RANK

RULES = Dedup()
NO_WORDS: frozenset[str] = frozenset()


@st.composite
def anything(draw: st.DrawFn) -> Prints:
    """Hashes and vectors close together, so that near pairs and pairs on the edge are common."""
    count = draw(st.integers(1, 12))
    bits = st.integers(0, 63).map(lambda bit: 1 << bit)
    start = draw(st.integers(0, 2**64 - 1))
    phash, dhash = (
        np.array([start ^ sum(set(draw(st.lists(bits, max_size=14)))) for _ in range(count)], dtype=np.uint64)
        for _ in range(2)
    )
    angles = np.array(draw(st.lists(st.integers(0, 6), min_size=count, max_size=count))) * 0.2
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    return Prints([f"{number:03d}" for number in draw(st.permutations(range(count)))], phash, dhash, vectors)


def rows(images: Prints, which: Sequence[int]) -> Prints:
    chosen = list(which)
    names = [images.contents[row] for row in chosen]
    return Prints(names, images.phash[chosen], images.dhash[chosen], images.vectors[chosen])


def by_name(found: Sequence[Candidate]) -> dict[tuple[str, str], Candidate]:
    pairs = {(one.a, one.b): one for one in found}
    assert len(pairs) == len(found), "a pair was found twice"
    return pairs


@given(images=anything(), kind=st.sampled_from(["upright", "rotated", "mirrored"]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_pair_is_looked_at_exactly_when_hashes_or_vectors_are_near(images: Prints, kind: str) -> None:
    rules = RULES.model_copy(update={"orientations": kind})
    found = by_name(list(find_candidates(images, images, rules)))
    allowed = [
        number
        for number, how in enumerate(ORIENTATIONS)
        if number == 0 or kind == "mirrored" or (kind == "rotated" and how.is_rotation)
    ]
    for row, one in enumerate(images.contents):
        for column, other in enumerate(images.contents):
            if one >= other:
                continue
            turned = [int(turned_phashes(images.phash[row : row + 1], number)[0]) for number in allowed]
            distances = [(phash ^ int(images.phash[column])).bit_count() for phash in turned]
            dhash = (int(images.dhash[row]) ^ int(images.dhash[column])).bit_count()
            by_hash = min(distances) <= rules.phash_distance or dhash <= rules.dhash_distance
            cosine = float(images.vectors[row] @ images.vectors[column])
            by_vector = min(distances) <= rules.far_phash_distance and cosine >= rules.cosine
            assert ((one, other) in found) == (by_hash or by_vector)
            if by_hash or by_vector:
                orientation = allowed[int(np.argmin(distances))]
                assert found[one, other] == Candidate(one, other, orientation, by_hash)


@given(images=anything(), data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_it_does_not_matter_which_images_are_the_new_ones(images: Prints, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(images.contents))))
    cut = data.draw(st.integers(0, len(order)))
    first, then = rows(images, order[:cut]), rows(images, order[cut:])
    all_at_once = by_name(list(find_candidates(images, images, RULES)))
    before = list(find_candidates(first, first, RULES))
    after = list(find_candidates(then, rows(images, order), RULES))
    assert by_name([*before, *after]) == all_at_once


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


def test_twenty_thousand_images_are_compared_and_grouped_in_seconds() -> None:
    rng = np.random.default_rng(0)
    count, copies = 20_000, 500
    phash, dhash = rng.integers(0, 2**64, size=(2, count), dtype=np.uint64)
    # The last 500 are copies of the first 500 with two bits changed.
    phash[-copies:] = phash[:copies] ^ np.uint64(0b11)
    dhash[-copies:] = dhash[:copies]
    images = Prints([f"{row:05d}" for row in range(count)], phash, dhash, np.ones((count, 1), dtype=np.float32))
    rules = Dedup(far_phash_distance=8)

    started = time.monotonic()
    found = by_name([
        candidate
        for start in range(0, count, 4096)
        for candidate in find_candidates(images, rows(images, range(start, min(start + 4096, count))), rules)
    ])  # fmt: skip
    pairs = [NearPair(one.a, one.b, "perceptual", 1.0, True) for one in found.values()]
    members = group(dict.fromkeys(images.contents, SAME_RANK), pairs, Decisions())
    # 400 million distances in eight orientations; seconds on one core, a minute on a busy one.
    assert time.monotonic() - started < 90

    assert {(f"{row:05d}", f"{count - copies + row:05d}") for row in range(copies)} <= found.keys()
    assert sum(member.relation != "canonical" for member in members) == len(found) == copies
