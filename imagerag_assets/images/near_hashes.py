"""Which 64-bit hashes differ in few bits, exactly, without a look at every pair. What a hash means is not known here."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.settings import usable_cores

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int64]
_BANDS = ((0, 21), (21, 21), (42, 22))
"""(first bit, bits). Two hashes at a distance of d are at most d // 3 apart in one of three bands (pigeonhole)."""
# A block's distances, or its probes, stay in the processor's cache: four times as fast as with blocks ten times as large.
_BLOCK = 1 << 17
# Pairs whose distance is counted at a time.
_MOST = 1 << 20
# A probe takes as long as this many distances.
_PROBE = 3


class HashIndex:
    """Finds those of n hashes that are near others, by tables over three bands (multi-index hashing: Norouzi, Punjani
    and Fleet, CVPR 2012). Where looking at every one is cheaper (few hashes, or a large distance), it does that.

    Memory: 12 bytes per hash, and 30 MB whatever their number.
    """

    def __init__(self, hashes: Hashes, distance: int) -> None:
        self._hashes, self._distance = hashes, distance
        probes = [_probes(bits, distance // len(_BANDS), len(hashes)) for _, bits in _BANDS]
        self._tables = [
            _Table(hashes, first, bits, found)
            for (first, bits), found in zip(_BANDS, probes, strict=True)
            if found is not None
        ]
        if len(self._tables) < len(_BANDS):
            self._tables = []

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
        rows, columns = [], []
        for table in self._tables:
            for row, column in table.alike(queries):
                near = np.flatnonzero(np.bitwise_count(queries[row] ^ self._hashes[column]) <= self._distance)
                rows.append(row[near])
                columns.append(column[near])
        return _joined(rows), _joined(columns)

    def _look(self, queries: Hashes) -> tuple[Rows, Rows]:
        rows, columns = [], []
        # In parts too where a single query has more hashes than a block.
        for start in range(0, len(self._hashes), _BLOCK):
            part = self._hashes[start : start + _BLOCK]
            # Of the flat array: in two dimensions the search for the few takes longer than the distances.
            places = np.flatnonzero(np.bitwise_count(queries[:, None] ^ part[None, :]) <= self._distance)
            row, column = np.divmod(places, len(part))
            rows.append(row)
            columns.append(column + start)
        return _joined(rows), _joined(columns)


class _Table:
    """The hashes in the order of one band, and where each value of the band begins."""

    def __init__(self, hashes: Hashes, first: int, bits: int, probes: NDArray[np.uint32]) -> None:
        self._shift, self._mask, self.probes = np.uint64(first), np.uint64((1 << bits) - 1), probes
        keys = self._keys(hashes)
        self._order = np.argsort(keys, kind="stable").astype(np.int32)
        self._starts = np.zeros((1 << bits) + 1, dtype=np.int32)
        np.cumsum(np.bincount(keys, minlength=1 << bits), out=self._starts[1:])
        self._used = self._starts[1:] > self._starts[:-1]

    def alike(self, queries: Hashes) -> Iterator[tuple[Rows, Rows]]:
        """(row of the query, row of the hash) of every pair whose band differs by one of the probes, in parts."""
        keys = (self._keys(queries)[:, None] ^ self.probes).ravel()
        places = np.flatnonzero(self._used.take(keys))
        keys = keys[places]
        starts = self._starts[keys].astype(np.int64)
        counts = self._starts[keys + 1] - starts
        before = np.cumsum(counts) - counts
        # Where many hashes are alike, a block has more pairs than memory should hold.
        cuts = np.searchsorted(before, np.arange(_MOST, counts.sum(), _MOST)) if len(counts) else []
        for part in np.split(np.arange(len(places)), cuts):
            if len(part):
                count = counts[part]
                at = np.repeat(starts[part] - before[part] + before[part[0]], count) + np.arange(count.sum())
                yield np.repeat(places[part] // len(self.probes), count), self._order[at].astype(np.int64)

    def _keys(self, hashes: Hashes) -> NDArray[np.uint32]:
        return ((hashes >> self._shift) & self._mask).astype(np.uint32)


def _probes(bits: int, distance: int, hashes: int) -> NDArray[np.uint32] | None:
    """All numbers of so many bits with at most `distance` bits set; None if looking at all hashes is cheaper."""
    found: list[int] = []
    for one in _few_bits(bits, distance):
        found.append(one)
        if len(found) * _PROBE * len(_BANDS) > hashes:
            return None
    return np.array(found, dtype=np.uint32)


def _few_bits(bits: int, distance: int) -> Iterator[int]:
    for count in range(distance + 1):
        for chosen in combinations(range(bits), count):
            yield sum(1 << bit for bit in chosen)


def _joined(parts: list[Rows]) -> Rows:
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)
