"""Which pairs of images are worth a look: near by hash or by vector. What a look finds is not decided here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.images.hashing import ORIENTATIONS, turned_phashes
from imagerag_assets.images.near_hashes import HashIndex
from imagerag_assets.images.sketches import SLACK, Rows, Sketches, Vectors, count_cells, make_cells, one_cell
from imagerag_assets.settings import Dedup, usable_cores

# Sketches on either side of a block: the block of their products stays in the processor's cache.
_BLOCK = 1024
# Vectors of earlier images in memory at a time, and pairs of which the vectors are multiplied at a time.
_VECTORS = 4096
# Rows and columns of pairs, or pairs as one number each: row · n + column.
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Prints:
    """What is compared of n images: hashes of 64 bits each, and vectors of unit length by their sketches."""

    contents: Sequence[str]
    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]
    sketches: Sketches
    vectors: Callable[[Numbers], Vectors]
    """The vectors of those rows: they are asked for only where the sketches leave it open whether a pair is near."""


@dataclass(frozen=True)
class Candidate:
    """Two contents worth a look, `a` < `b`; `a` looks like `b` when it is laid down in `orientation` (of eight)."""

    a: str
    b: str
    orientation: int
    by_hash: bool
    """Near by a hash; otherwise by vector."""


class Comparison:
    """Every pair worth a look of which at least one image is new, without a look at every pair.

    Exact: a pair is a candidate by its own hashes and vectors only, whatever else is there and whichever is new.
    Hashes are found by an index. Vectors are compared within cells, first by sketches of 65 numbers, then, if the
    hashes allow it, themselves. Memory: about 250 bytes per image and 4 per cell where it is a guest, besides `images`.
    """

    def __init__(self, images: Prints, known: int, rules: Dedup) -> None:
        """The first `known` rows were compared with each other before."""
        self._images, self._known, self._rules = images, known, rules
        count = len(images.contents)
        # Few new images are compared with all others in less time than these are sorted into cells.
        many = count - known > count_cells(count)
        cells = make_cells(images.sketches, rules.cosine) if many else one_cell(count)
        # New images in the order of their cells, so that a batch needs the vectors of few others. From here on a row
        # is a place in this order, and every image is compared with those before it.
        self._order = np.concatenate([np.arange(known), known + np.argsort(cells.homes[known:], kind="stable")])
        self._phash, self._dhash = images.phash[self._order], images.dhash[self._order]
        place = np.argsort(self._order).astype(np.int32)
        self._members = _by_cell(np.arange(count, dtype=np.int32), cells.homes[self._order], cells.count)
        by_place = np.argsort(place[cells.guests], kind="stable")
        self._guests = _by_cell(place[cells.guests][by_place], cells.hosts[by_place], cells.count)
        self._allowed = _allowed(rules)
        # Mirroring is a mask upon a pHash's bits: what is looked for is the hash as it stands, and transposed.
        standing = [way for way in self._allowed if not ORIENTATIONS[way].transposed]
        lying = [way for way in self._allowed if ORIENTATIONS[way].transposed]
        nothing = np.zeros(1, dtype=np.uint64)
        masks = np.concatenate([turned_phashes(nothing, way) for way in standing])
        self._looked_for = [*standing[:1], *lying[:1]]
        self._by_phash = HashIndex(self._phash, rules.phash_distance, masks)
        self._by_dhash = HashIndex(self._dhash, rules.dhash_distance)

    def batches(self, size: int) -> Iterator[tuple[list[str], list[Candidate]]]:
        """(contents, the pairs of these images with all before them), new images only, in no order that means much."""
        for start in range(self._known, len(self._order), size):
            rows = range(start, min(start + size, len(self._order)))
            yield [self._images.contents[row] for row in self._order[rows.start : rows.stop]], self._candidates(rows)

    def _candidates(self, rows: range) -> list[Candidate]:
        turned = {way: turned_phashes(self._phash[rows.start : rows.stop], way) for way in self._allowed}
        near = [self._by_phash.near(turned[way]) for way in self._looked_for]
        near.append(self._by_dhash.near(self._dhash[rows.start : rows.stop]))
        by_hash = np.unique(np.concatenate([self._pairs(row + rows.start, column) for row, column in near]))
        by_vector = np.setdiff1d(self._near_by_vector(rows, list(turned.values())), by_hash, assume_unique=True)
        return [
            *self._told(by_hash, by_hash=True),
            *self._told(by_vector, by_hash=False),
        ]

    def _near_by_vector(self, rows: range, turned: Sequence[NDArray[np.uint64]]) -> Numbers:
        """The pairs near by vector, and by hash not too far."""

        def likely(block: tuple[Rows, Rows]) -> Numbers:
            some, others = block
            products = self._sketches(some) @ self._sketches(others).T
            row, column = np.divmod(np.flatnonzero(products >= self._rules.cosine - SLACK), len(others))
            row, column = some[row].astype(np.int64), others[column].astype(np.int64)
            before = column < row
            row, column = row[before], column[before]
            least = np.full(len(row), 64, dtype=np.uint8)
            for hashes in turned:
                np.minimum(least, np.bitwise_count(hashes[row - rows.start] ^ self._phash[column]), out=least)
            not_far = least <= self._rules.far_phash_distance
            return self._pairs(row[not_far], column[not_far])

        # numpy lets go of the interpreter's lock while it multiplies.
        with ThreadPoolExecutor(usable_cores()) as threads:
            pairs = np.unique(np.concatenate([np.empty(0, dtype=np.int64), *threads.map(likely, self._blocks(rows))]))
        return self._of_cosine(pairs, rows) if len(pairs) else pairs

    def _blocks(self, rows: range) -> Iterator[tuple[Rows, Rows]]:
        """(some of the rows, some of those before), so that every pair that is near by vector is in one at least."""
        for members, guests in zip(self._members, self._guests, strict=True):
            members, guests = members[: _place(members, rows.stop)], guests[: _place(guests, rows.stop)]
            new_members, new_guests = members[_place(members, rows.start) :], guests[_place(guests, rows.start) :]
            for some, others in (new_members, members), (new_members, guests), (new_guests, members):
                for row in range(0, len(some), _BLOCK):
                    for column in range(0, len(others), _BLOCK):
                        yield some[row : row + _BLOCK], others[column : column + _BLOCK]

    def _of_cosine(self, pairs: Numbers, rows: range) -> Numbers:
        """Those of the pairs whose vectors are near."""
        own = self._images.vectors(self._order[rows.start : rows.stop])
        row, column = np.divmod(pairs, len(self._order))
        inside = column >= rows.start
        near = [pairs[inside][self._near(own, row[inside] - rows.start, own, column[inside] - rows.start)]]
        by_column = np.argsort(column[~inside], kind="stable")
        row, column, pairs = row[~inside][by_column], column[~inside][by_column], pairs[~inside][by_column]
        wanted, at = np.unique(column, return_inverse=True)
        for start in range(0, len(wanted), _VECTORS):
            others = self._images.vectors(self._order[wanted[start : start + _VECTORS]])
            part = slice(*np.searchsorted(at, (start, start + _VECTORS)))
            near.append(pairs[part][self._near(own, row[part] - rows.start, others, at[part] - start)])
        return np.concatenate(near)

    def _near(self, own: Vectors, row: Numbers, others: Vectors, column: Numbers) -> NDArray[np.bool_]:
        """Which pairs of a row of `own` with one of `others` have the cosine that is asked for.

        One product per pair, not one of matrices: its last bit must not hang on what else is compared.
        """
        near = np.empty(len(row), dtype=bool)
        for start in range(0, len(row), _VECTORS):
            part = slice(start, start + _VECTORS)
            near[part] = np.einsum("ij,ij->i", own[row[part]], others[column[part]]) >= self._rules.cosine
        return near

    def _told(self, pairs: Numbers, *, by_hash: bool) -> Iterator[Candidate]:
        rows = np.stack(np.divmod(pairs, len(self._order)), axis=1)
        names = [[self._images.contents[row] for row in self._order[pair]] for pair in rows]
        for pair, number in zip(names, range(len(names)), strict=True):
            if pair[0] > pair[1]:
                pair.reverse()
                rows[number] = rows[number, ::-1]
        a, b = self._phash[rows].T
        distances = [np.bitwise_count(turned_phashes(a, way) ^ b) for way in self._allowed]
        ways = np.argmin(distances, axis=0)
        for (one, other), way in zip(names, ways.tolist(), strict=True):
            yield Candidate(one, other, self._allowed[way], by_hash)

    def _pairs(self, row: Numbers, column: Numbers) -> Numbers:
        """One number for each pair of a row and one before it; other pairs are left out."""
        before = np.flatnonzero(column < row)
        return row[before] * len(self._order) + column[before]

    def _sketches(self, rows: Rows) -> Vectors:
        return np.asarray(self._images.sketches[self._order[rows]], dtype=np.float32)


def _by_cell(rows: Rows, cells: Rows, count: int) -> list[Rows]:
    """The rows of each cell, in the order in which they are given."""
    return np.split(rows[np.argsort(cells, kind="stable")], np.cumsum(np.bincount(cells, minlength=count))[:-1])


def _place(ascending: Rows, row: int) -> int:
    return int(np.searchsorted(ascending, row))


def _allowed(rules: Dedup) -> list[int]:
    """The orientations that count, upright first."""
    if rules.orientations == "upright":
        return [0]
    return [number for number, how in enumerate(ORIENTATIONS) if how.is_rotation or rules.orientations == "mirrored"]
