"""Short forms of unit vectors that rule out most far pairs and never a near one, and cells of what lies together.

A sketch is a vector's image in the subspace in which a sample lies best, and as its last number the length of the rest.
Both are exact: a poor basis or poor cells cost time and lose no pair.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Sketches = NDArray[np.float16]
Rows = NDArray[np.int32]
_NUMBERS = 64
# Half-precision numbers are right to 2⁻¹¹, so the sketches' product to twice that.
SLACK = 1e-3
_ROUNDS = 4
_PER_CELL = 16
# A mean of more guests than this per image: the cells divide nothing, and would only fill the memory.
_MOST_GUESTS = 128
_BLOCK = 4096


def make_basis(sample: Vectors) -> Vectors:
    """The orthonormal directions, dimension × at most 64, in which the sample has most of its length (PCA about 0)."""
    wide = sample.astype(np.float64)
    _, directions = np.linalg.eigh(wide.T @ wide)
    return np.ascontiguousarray(directions[:, ::-1][:, :_NUMBERS], dtype=np.float32)


def sketch(vectors: Vectors, basis: Vectors) -> Sketches:
    """Shape n × (directions + 1), of length 1.

    By Cauchy and Schwarz the product of two is at least that of the vectors.
    """
    inside = vectors @ basis
    rest = np.sqrt(np.maximum(0.0, 1.0 - np.einsum("ij,ij->i", inside, inside)))
    return np.concatenate([inside, rest[:, None]], axis=1).astype(np.float16)


@dataclass(frozen=True)
class Cells:
    """Where images are at home, and where they are guests.

    Of two that are near each other one is at home in a cell where the other is at home or a guest.
    """

    homes: Rows
    """The cell of every image."""
    guests: Rows
    """Images, once for each cell where they are guests."""
    hosts: Rows
    """Those cells."""

    @property
    def count(self) -> int:
        return int(max(self.homes.max(initial=0), self.hosts.max(initial=0))) + 1


def one_cell(count: int) -> Cells:
    nobody = np.empty(0, dtype=np.int32)
    return Cells(np.zeros(count, dtype=np.int32), nobody, nobody)


def count_cells(count: int) -> int:
    """How many cells so many images are sorted into: with √n of them, sorting and comparing grow alike."""
    return max(1, min(count, round(4 * math.sqrt(count))))


def make_cells(sketches: Sketches, cosine: float) -> Cells:
    """Cells in which all pairs of at least that cosine meet.

    An image is at home with the centre of the greatest product. Let u be the direction, of length 1, from the centre of
    b's home to that of a's: then a·u ≥ 0 ≥ b·u, and a·u − b·u ≤ |a − b| ≤ √(2 − 2·cosine). So either a or b is no
    further than half of that from the border to the other's home: there it is a guest.
    """
    centres = _centres(sketches)
    # By home: what a product with another centre may fall behind that with one's own.
    behind = 0.5 * np.sqrt(2 - 2 * (cosine - SLACK)) * _distances(centres) + SLACK
    homes = np.empty(len(sketches), dtype=np.int32)
    guests, hosts, most = [], [], len(sketches) * _MOST_GUESTS
    for start in range(0, len(sketches), _BLOCK):
        products = sketches[start : start + _BLOCK].astype(np.float32) @ centres.T
        everyone, home = np.arange(len(products)), products.argmax(axis=1)
        near = products >= products[everyone, home][:, None] - behind[home]
        near[everyone, home] = False
        guest, host = np.divmod(np.flatnonzero(near), len(centres))
        homes[start : start + _BLOCK] = home
        guests.append((start + guest).astype(np.int32))
        hosts.append(host.astype(np.int32))
        most -= len(guest)
        if most < 0:
            return one_cell(len(sketches))
    return Cells(homes, np.concatenate(guests), np.concatenate(hosts))


def _centres(sketches: Sketches) -> Vectors:
    """By a few rounds of k-means (Lloyd) on some of the images. Always the same for the same sketches."""
    count = count_cells(len(sketches))
    sample = sketches[:: max(1, len(sketches) // (count * _PER_CELL))].astype(np.float32)
    centres = sample[:: len(sample) // count][:count].copy()
    for _ in range(_ROUNDS):
        homes = (sample @ centres.T).argmax(axis=1)
        order = np.argsort(homes, kind="stable")
        used, starts = np.unique(homes[order], return_index=True)
        centres[used] = np.add.reduceat(sample[order], starts, axis=0)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-6)
    return centres


def _distances(centres: Vectors) -> Vectors:
    products = centres @ centres.T
    squares = np.diagonal(products)
    return np.asarray(np.sqrt(np.maximum(0.0, squares[:, None] + squares[None, :] - 2 * products)))
