"""Which images are the same picture: hashes, vectors and text in, groups with a canonical image out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.settings import Dedup

DEDUP_VERSION = 1
_BLOCK = 512
_FEW_WORDS = 3
_BIT_COUNT = np.array([bin(byte).count("1") for byte in range(256)], dtype=np.uint8)


@dataclass(frozen=True)
class Fingerprints:
    """One row per image, in any order: hashes n × 8 bytes, colours n × 32 bytes, vectors n × d, unit length."""

    contents: Sequence[str]
    pixels: Sequence[int]
    phash: NDArray[np.uint8]
    dhash: NDArray[np.uint8]
    colours: NDArray[np.uint8]
    vectors: NDArray[np.float32]
    words: Sequence[frozenset[str]]
    """The words in each that OCR is sure of. Texture that was read as letters would keep true duplicates apart."""


@dataclass(frozen=True)
class Membership:
    """One image's place: `distance` to the canonical image is in hash bits (perceptual) or 1 − cosine (semantic)."""

    content: str
    canonical: str
    relation: str
    distance: float


def group_duplicates(images: Fingerprints, rules: Dedup) -> list[Membership]:
    """A membership for every image. The result does not depend on the order of the rows.

    Images are visited from the best canonical candidate down (most pixels, then smallest content hash). Each that is
    in no group yet becomes canonical and takes every free image near *itself*: groups never chain past one threshold.
    """
    neighbours = _neighbours(images, rules)
    order = sorted(range(len(images.contents)), key=lambda row: (-images.pixels[row], images.contents[row]))
    found: dict[int, Membership] = {}
    for row in order:
        if row in found:
            continue
        name = images.contents[row]
        found[row] = Membership(name, name, "canonical", 0.0)
        for other, relation, distance in neighbours.get(row, ()):
            if other not in found:
                found[other] = Membership(images.contents[other], name, relation, distance)
    return sorted(found.values(), key=lambda member: member.content)


def _neighbours(images: Fingerprints, rules: Dedup) -> dict[int, list[tuple[int, str, float]]]:
    """Every near pair, both ways round. All pairs are looked at, a block of rows at a time: the result is exact."""
    near: dict[int, list[tuple[int, str, float]]] = {}
    for start in range(0, len(images.contents), _BLOCK):
        rows = slice(start, start + _BLOCK)
        phash = _hamming(images.phash[rows], images.phash)
        dhash = _hamming(images.dhash[rows], images.dhash)
        cosine = images.vectors[rows] @ images.vectors.T
        near_edges = dhash <= rules.dhash_distance
        perceptual = near_edges & (phash <= rules.phash_distance)
        semantic = near_edges & (phash <= rules.far_phash_distance) & (cosine >= rules.cosine)
        for offset, other in zip(*np.nonzero(perceptual | semantic), strict=True):
            row = start + int(offset)
            if row == other or not _may_be_same(images, row, int(other), rules):
                continue
            if perceptual[offset, other]:
                near.setdefault(row, []).append((int(other), "perceptual", float(phash[offset, other])))
            else:
                near.setdefault(row, []).append((int(other), "semantic", float(1 - cosine[offset, other])))
    return near


def _hamming(some: NDArray[np.uint8], all_: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """Differing bits, shape (rows of some, rows of all)."""
    return np.asarray(_BIT_COUNT[some[:, None, :] ^ all_[None, :, :]].sum(axis=2, dtype=np.uint16))


def _may_be_same(images: Fingerprints, row: int, other: int, rules: Dedup) -> bool:
    """Whether colours and words, which the hashes do not see, allow two images to be the same."""
    difference = np.abs(images.colours[row].astype(np.int16) - images.colours[other]).mean()
    return bool(difference <= rules.colour_distance) and _same_words(
        images.words[row], images.words[other], rules.word_overlap
    )


def _same_words(one: frozenset[str], other: frozenset[str], overlap: float) -> bool:
    """Whether the texts allow the images to be the same. With little text on either side they always do."""
    if min(len(one), len(other)) < _FEW_WORDS:
        return True
    return len(one & other) / min(len(one), len(other)) >= overlap
