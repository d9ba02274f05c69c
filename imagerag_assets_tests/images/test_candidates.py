"""Which pairs are looked at: exactly the near ones, whichever image is new, however many there are."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from imagerag_assets.images import candidates, near_hashes
from imagerag_assets.images.candidates import Candidate, Comparison, Prints
from imagerag_assets.images.duplicates import NearPair
from imagerag_assets.images.groups import Decisions, group
from imagerag_assets.images.hashing import ORIENTATIONS, turned_phashes
from imagerag_assets.images.sketches import count_cells, make_basis, sketch
from imagerag_assets.settings import Dedup
from imagerag_assets_tests.images.test_groups import SAME_RANK

RULES = Dedup()
KINDS = ("upright", "rotated", "mirrored")
Pairs = dict[tuple[str, str], Candidate]


@dataclass(frozen=True)
class Images:
    names: list[str]
    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    vectors: NDArray[np.float32]

    def compare(
        self, order: Sequence[int] | None = None, known: int = 0, batch: int = 50, rules: Dedup = RULES
    ) -> Pairs:
        """The candidates when the images come in that order and the first `known` were compared before."""
        rows = np.arange(len(self.names)) if order is None else np.array(order, dtype=np.int64)
        vectors = self.vectors[rows]
        sketches = sketch(vectors, make_basis(self.vectors[:100]))
        names = [self.names[row] for row in rows]
        prints = Prints(names, self.phash[rows], self.dhash[rows], sketches, vectors.__getitem__)
        batches = list(Comparison(prints, known, rules).batches(batch))
        assert sorted(name for names, _ in batches for name in names) == sorted(names[known:])
        found = [one for _, some in batches for one in some]
        pairs = {(one.a, one.b): one for one in found}
        assert len(pairs) == len(found), "a pair was found twice"
        return pairs

    def look_at_all(self, rules: Dedup = RULES) -> Pairs:
        """The candidates by the rules' words: two nested loops."""
        allowed = [
            number
            for number, how in enumerate(ORIENTATIONS)
            if number == 0 or rules.orientations == "mirrored" or (rules.orientations == "rotated" and how.is_rotation)
        ]
        turned = np.stack([turned_phashes(self.phash, way) for way in allowed]).tolist()
        phash, dhash = self.phash.tolist(), self.dhash.tolist()
        found = {}
        for row, column in itertools.permutations(range(len(self.names)), 2):
            one, other = self.names[row], self.names[column]
            if one > other:
                continue
            distances = [(hashes[row] ^ phash[column]).bit_count() for hashes in turned]
            by_hash = min(distances) <= rules.phash_distance
            by_hash |= (dhash[row] ^ dhash[column]).bit_count() <= rules.dhash_distance
            if not by_hash and min(distances) > rules.far_phash_distance:
                continue
            if by_hash or np.einsum("i,i->", self.vectors[row], self.vectors[column]) >= rules.cosine:
                found[one, other] = Candidate(one, other, allowed[int(np.argmin(distances))], by_hash)
        return found


@st.composite
def anything(draw: st.DrawFn) -> Images:
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
    return Images([f"{number:03d}" for number in draw(st.permutations(range(count)))], phash, dhash, vectors)


def collection(count: int, seed: int = 0) -> Images:
    """Clustered vectors of 96 numbers, of which a sketch has 64; hashes near and far in all ways, by turning too."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 20, 96))
    vectors = centres[rng.integers(0, len(centres), count)] + 0.6 * rng.standard_normal((count, 96))
    vectors[count // 2 :] = vectors[: (count + 1) // 2] + 0.65 * rng.standard_normal(((count + 1) // 2, 96))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    phash, dhash = rng.integers(0, 2**64, size=(2, count), dtype=np.uint64)
    for row in range(count // 2, count):
        original, bits = row - count // 2, rng.permutation(64)
        turned = int(turned_phashes(phash[original : original + 1], row % 8)[0])
        phash[row] = turned ^ sum(1 << int(bit) for bit in bits[: row % 23])
        dhash[row] = int(dhash[original]) ^ sum(1 << int(bit) for bit in bits[: 6 + row % 13])
    return Images([f"{number:04d}" for number in rng.permutation(count)], phash, dhash, vectors.astype(np.float32))


@given(images=anything(), kind=st.sampled_from(KINDS))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_pair_is_looked_at_exactly_when_hashes_or_vectors_are_near(images: Images, kind: str) -> None:
    rules = RULES.model_copy(update={"orientations": kind})
    assert images.compare(rules=rules) == images.look_at_all(rules)


@given(images=anything(), data=st.data())
@settings(max_examples=100, deadline=None, derandomize=True)
def test_it_does_not_matter_which_images_are_the_new_ones(images: Images, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(images.names))))
    cut = data.draw(st.integers(0, len(order)))
    before, after = images.compare(order[:cut]), images.compare(order, known=cut, batch=data.draw(st.integers(1, 5)))
    assert not before.keys() & after.keys()
    assert before | after == images.compare()


@pytest.mark.parametrize("kind", KINDS)
def test_tables_and_cells_find_what_a_look_at_every_pair_finds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # By tables, though so few hashes would be looked at one by one; blocks and fetches of many sizes.
    monkeypatch.setattr(near_hashes, "_PROBE", 0)
    monkeypatch.setattr(near_hashes, "_MOST", 50)
    monkeypatch.setattr(candidates, "_BLOCK", 7)
    monkeypatch.setattr(candidates, "_VECTORS", 5)
    images, rules = collection(500), RULES.model_copy(update={"orientations": kind})
    expected = images.look_at_all(rules)
    assert {one.by_hash for one in expected.values()} == {True, False}
    assert images.compare(rules=rules) == expected


@pytest.mark.parametrize("new", [10, 300], ids=["with all others", "in cells"])
def test_few_and_many_new_images_complete_what_was_found_before(new: int) -> None:
    images = collection(500)
    assert 10 < count_cells(500) < 300, "one case each"
    order = np.random.default_rng(1).permutation(500).tolist()
    before, after = images.compare(order[:-new]), images.compare(order, known=500 - new)
    assert before
    assert after
    assert before | after == images.look_at_all()


@pytest.mark.parametrize("cosine", [-1.0, 0.2, 0.999])
def test_cells_lose_nothing_at_any_cosine(cosine: float) -> None:
    images = collection(120)
    rules = RULES.model_copy(update={"cosine": cosine, "far_phash_distance": 64})
    assert images.compare(rules=rules) == images.look_at_all(rules)


@pytest.mark.parametrize("distance", [0, 3, 12])
def test_tables_lose_nothing_at_any_distance(distance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_hashes, "_PROBE", 0)
    images = collection(120)
    rules = RULES.model_copy(update={"phash_distance": distance, "dhash_distance": distance})
    assert images.compare(rules=rules) == images.look_at_all(rules)


def test_images_that_are_all_the_same_are_all_pairs() -> None:
    one = collection(20)
    phash, dhash = np.repeat(one.phash[:1], 60), np.repeat(one.dhash[:1], 60)
    alike = Images([f"{row:02d}" for row in range(60)], phash, dhash, np.repeat(one.vectors[:1], 60, axis=0))
    assert len(alike.compare()) == 60 * 59 / 2


def test_twenty_thousand_images_are_compared_and_grouped_in_seconds() -> None:
    rng = np.random.default_rng(0)
    count, copies = 20_000, 500
    phash, dhash = rng.integers(0, 2**64, size=(2, count), dtype=np.uint64)
    # The last 500 are copies of the first 500 with two bits changed.
    phash[-copies:] = phash[:copies] ^ np.uint64(0b11)
    dhash[-copies:] = dhash[:copies]
    vectors = rng.standard_normal((count, 32), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    images = Images([f"{row:05d}" for row in range(count)], phash, dhash, vectors)

    started = time.monotonic()
    found = images.compare(batch=8192)
    pairs = [NearPair(one.a, one.b, "perceptual", 1.0, True) for one in found.values()]
    members = group(dict.fromkeys(images.names, SAME_RANK), pairs, Decisions())
    # A second on one core, ten on a busy one.
    assert time.monotonic() - started < 60

    assert {(f"{row:05d}", f"{count - copies + row:05d}") for row in range(copies)} == found.keys()
    assert sum(member.relation != "canonical" for member in members) == len(found) == copies
