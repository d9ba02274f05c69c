"""Which pairs of images show the same picture: candidates by hashes and vectors, then a decision. No groups here.

Byte-identical files are one content from the start, so only different contents are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.images.alignment import Freedom, Likeness
from imagerag_assets.images.hashing import ORIENTATIONS, turned_phashes
from imagerag_assets.settings import Dedup, usable_cores

DEDUP_VERSION = 2
# Rows of `new` compared at a time: their distances to 4096 others stay in the processor's cache, which is four times as
# fast as 512 rows and a hundred times as fast as the same distances in SQL (about 1 against 100 ns each).
_BLOCK = 32
# Share of the pairs up to which their cosines one by one cost less than the product of all vectors. Of unrelated
# images one pair in seventy is near enough by hash.
_FEW = 0.04
_FEW_WORDS = 3
# Ratio of matching letters (difflib) from which two words may be one, misread.
_MISREAD = 0.75


@dataclass(frozen=True)
class Prints:
    """What is compared of n images: hashes of 64 bits each, vectors n × d of unit length."""

    contents: Sequence[str]
    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    vectors: NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """Two contents worth a look, `a` < `b`; `a` looks like `b` when it is laid down in `orientation` (of eight)."""

    a: str
    b: str
    orientation: int
    by_hash: bool
    """Near by a hash; otherwise by vector."""


@dataclass(frozen=True)
class NearPair:
    """Two contents, `a` < `b`, that may share a group. `linked`: they show the same picture, each for itself."""

    a: str
    b: str
    relation: str
    similarity: float
    linked: bool


def freedom(rules: Dedup) -> Freedom:
    """What the rules allow to have been done to a copy."""
    return Freedom(turns=rules.orientations != "upright", mirrors=rules.orientations == "mirrored")


def find_candidates(new: Prints, others: Prints, rules: Dedup) -> Iterator[Candidate]:
    """Every pair of one of `new` with one of `others` that is worth a look, in no order.

    Exact: all pairs are looked at, a block at a time. An image that is on both sides is not paired with itself, and
    two that are on both sides are paired once. The result is the same whichever of two images is the new one.
    """
    names, others_names = np.array(new.contents), np.array(others.contents)
    on_both_sides = np.isin(others_names, names)
    allowed = _allowed(rules)
    turned = [turned_phashes(new.phash, orientation) for orientation in allowed]

    def near(start: int) -> list[Candidate]:
        rows = slice(start, start + _BLOCK)
        phash = _least_distances([hashes[rows] for hashes in turned], others.phash)
        dhash = _least_distances([new.dhash[rows]], others.dhash)
        by_hash = (phash <= rules.phash_distance) | (dhash <= rules.dhash_distance)
        by_vector = _near_by_vector(new.vectors[rows], others.vectors, phash <= rules.far_phash_distance, rules.cosine)
        found = []
        # Of the flat array: in two dimensions the search for the few takes longer than the distances.
        for place in np.flatnonzero(by_hash | by_vector).tolist():
            offset, column = divmod(place, len(others_names))
            row = start + offset
            one, other = new.contents[row], others.contents[column]
            if one == other or (on_both_sides[column] and one > other):
                continue
            (a, hash_a), (b, hash_b) = sorted(((one, new.phash[row]), (other, others.phash[column])))
            distances = [np.bitwise_count(turned_phashes(hash_a.reshape(1), way) ^ hash_b)[0] for way in allowed]
            found.append(Candidate(a, b, allowed[int(np.argmin(distances))], bool(by_hash[offset, column])))
        return found

    # numpy lets go of the interpreter's lock while it counts.
    with ThreadPoolExecutor(usable_cores()) as threads:
        for found in threads.map(near, range(0, len(names), _BLOCK)):
            yield from found


def decide(
    candidate: Candidate, likeness: Likeness, words: frozenset[str], other_words: frozenset[str], rules: Dedup
) -> NearPair | None:
    """The pair, if colours and words allow it and its likeness is enough for a group at least."""
    if likeness.similarity < rules.group_similarity or likeness.colour > rules.colour_distance:
        return None
    if not _same_words(words, other_words, rules.word_overlap):
        return None
    relation = "perceptual" if candidate.by_hash else "semantic"
    similarity = min(1.0, likeness.similarity)
    return NearPair(candidate.a, candidate.b, relation, similarity, similarity >= rules.similarity)


def _allowed(rules: Dedup) -> list[int]:
    """The orientations that count, upright first."""
    if rules.orientations == "upright":
        return [0]
    return [number for number, how in enumerate(ORIENTATIONS) if how.is_rotation or rules.orientations == "mirrored"]


def _least_distances(some: Sequence[NDArray[np.uint64]], others: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Differing bits, the least over several hashes of the same images, shape (images, others)."""
    shape = (len(some[0]), len(others))
    differing, count = np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint8)
    least = np.full(shape, 64, dtype=np.uint8)
    for hashes in some:
        np.bitwise_xor(hashes[:, None], others[None, :], out=differing)
        np.bitwise_count(differing, out=count)
        np.minimum(least, count, out=least)
    return least


def _near_by_vector(
    some: NDArray[np.float32], others: NDArray[np.float32], wanted: NDArray[np.bool_], cosine: float
) -> NDArray[np.bool_]:
    """Which of the `wanted` pairs, shape (some, others), have at least that cosine."""
    places = np.flatnonzero(wanted)
    if len(places) > _FEW * wanted.size:
        return wanted & (some @ others.T >= cosine)
    row, column = np.divmod(places, len(others))
    near = np.zeros_like(wanted)
    near[row, column] = np.einsum("ij,ij->i", some[row], others[column]) >= cosine
    return near


def _same_words(one: frozenset[str], other: frozenset[str], overlap: float) -> bool:
    """Whether the texts allow the images to be the same. With little text on either side they always do."""
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < _FEW_WORDS:
        return True
    shared = shorter & longer
    rest = sorted(longer - shared)
    # OCR misreads a letter or two in a smaller copy. In a number or a code every sign counts.
    misread = [word for word in shorter - shared if word.isalpha() and get_close_matches(word, rest, 1, _MISREAD)]
    return (len(shared) + len(misread)) / len(shorter) >= overlap
