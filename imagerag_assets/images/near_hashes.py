"""Which 64-bit hashes differ in few bits: exactly, without a look at every pair. What they mean is not known here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.settings import usable_cores

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
_BANDS = ((0, 21), (21, 21), (42, 22))
"""(first bit, bits). Two hashes at a distance of d are at most d // 3 apart in one of three bands (pigeonhole)."""
# A block's distances, or its probes, stay in the processor's cache.
_BLOCK = 1 << 17
# Pairs whose distance is counted at a time.
_MOST = 1 << 20
# A probe takes as long as this many distances.
_PROBE = 3
_NO_MASK = np.zeros(1, dtype=np.uint64)


class HashIndex:
    """Finds those of n hashes that are near others.

    By tables over three bands (multi-index hashing: Norouzi, Punjani and Fleet, CVPR 2012); where looking at every one
    is cheaper, because they are few or the distance is large, by that. With `masks`, a set that is closed under
    exclusive or and holds 0, two hashes are as far apart as they are under the mask that brings them nearest.
    Memory: about 60 bytes per hash, and 50 MB whatever their number.
    """

    def __init__(self, hashes: Hashes, distance: int, masks: Hashes = _NO_MASK) -> None:
        self._hashes, self._distance, self._masks = hashes, distance, masks
        # Few hashes, or a large distance, which would need more probes than there are hashes: all are looked at.
        few = len(hashes) < _PROBE * sum(_count_probes(bits, distance) for _, bits in _BANDS)
        self._tables = [] if few else [_Table(hashes, first, bits, distance, masks) for first, bits in _BANDS]

    def near(self, queries: Hashes) -> tuple[Rows, Rows]:
        """(row of the query, row of the hash) of every pair at most `distance` apart; one may come more than once."""
        per_block = self._tables[0].probes.size if self._tables else len(self._hashes)
        starts = range(0, len(queries), max(1, _BLOCK // max(per_block, 1)))
        work = self._probe if self._tables else self._look
        # numpy lets go of the interpreter's lock while it counts.
        with ThreadPoolExecutor(usable_cores()) as threads:
            found = list(threads.map(lambda start: work(queries[start : start + starts.step]), starts))
        rows = [row + start for start, (row, _) in zip(starts, found, strict=True)]
        return _joined(rows), _joined([column for _, column in found])

    def _probe(self, queries: Hashes) -> tuple[Rows, Rows]:
        found = [pairs for table in self._tables for pairs in table.near(queries)]
        return _joined([row for row, _ in found]), _joined([column for _, column in found])

    def _look(self, queries: Hashes) -> tuple[Rows, Rows]:
        rows, columns = [], []
        # In parts too where a single query has more hashes than a block.
        for start in range(0, len(self._hashes), _BLOCK):
            part = self._hashes[start : start + _BLOCK]
            distances = _distances(queries[:, None], part[None, :], self._masks)
            # Of the flat array: in two dimensions the search for the few takes longer than the distances.
            row, column = np.divmod(np.flatnonzero(distances <= self._distance), len(part))
            rows.append(row)
            columns.append(column + start)
        return _joined(rows), _joined(columns)


class _Table:
    """The hashes in the order of one band, and where each value of the band begins."""

    def __init__(self, hashes: Hashes, first: int, bits: int, distance: int, masks: Hashes) -> None:
        self._shift, self._mask, self._masks, self._distance = np.uint64(first), (1 << bits) - 1, masks, distance
        # Gauss, modulo 2: a band is reduced to the same value as under any of the masks.
        self._pivots: list[tuple[int, int]] = []
        for mask in masks:
            if reduced := int(self._keys(mask.reshape(1))[0]):
                self._pivots.append((reduced.bit_length() - 1, reduced))
        changes = [sum(1 << bit for bit in some) for few in _few(distance) for some in combinations(range(bits), few)]
        self.probes = np.unique(self._reduced(np.array(changes, dtype=np.uint32)))
        keys = self._keys(hashes)
        self._order = np.argsort(keys).astype(np.int32)
        self._hashes = hashes[self._order]
        values, starts = np.unique(keys[self._order], return_index=True)
        self._starts = np.append(starts, len(hashes))
        # Most probes end at the first of these two, which is a quarter as large.
        self._used = np.zeros(1 << bits, dtype=bool)
        self._number = np.zeros(1 << bits, dtype=np.int32)
        self._used[values] = True
        self._number[values] = np.arange(len(values))

    def near(self, queries: Hashes) -> Iterator[tuple[Rows, Rows]]:
        """(row of the query, row of the hash) of the near pairs whose band differs by one of the probes, in parts."""
        keys = (self._keys(queries)[:, None] ^ self.probes).ravel()
        places = np.flatnonzero(self._used.take(keys))
        number = self._number.take(keys[places])
        starts, rows = self._starts[number], places // len(self.probes)
        counts = self._starts[number + 1] - starts
        # Where many hashes are alike, a block has more pairs than memory should hold.
        parts = np.cumsum(counts) // _MOST
        for part in np.split(np.arange(len(places)), np.flatnonzero(np.diff(parts)) + 1):
            count = counts[part]
            row = np.repeat(rows[part], count)
            at = np.repeat(starts[part] - np.cumsum(count) + count, count) + np.arange(len(row))
            near = np.flatnonzero(_distances(queries[row], self._hashes[at], self._masks) <= self._distance)
            yield row[near], self._order[at[near]].astype(np.int64)

    def _keys(self, hashes: Hashes) -> NDArray[np.uint32]:
        return self._reduced(((hashes >> self._shift) & np.uint64(self._mask)).astype(np.uint32))

    def _reduced(self, bands: NDArray[np.uint32]) -> NDArray[np.uint32]:
        for bit, mask in self._pivots:
            bands = bands ^ (bands >> np.uint32(bit) & np.uint32(1)) * np.uint32(mask)
        return bands


def _few(distance: int) -> range:
    """How many bits of a band may differ."""
    return range(distance // len(_BANDS) + 1)


def _count_probes(bits: int, distance: int) -> int:
    return sum(comb(bits, few) for few in _few(distance))


def _distances(some: Hashes, others: Hashes, masks: Hashes) -> NDArray[np.uint8]:
    differing = some ^ others
    least: NDArray[np.uint8] = np.bitwise_count(differing ^ masks[0])
    for mask in masks[1:]:
        np.minimum(least, np.bitwise_count(differing ^ mask), out=least)
    return least


def _joined(parts: list[Rows]) -> Rows:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
