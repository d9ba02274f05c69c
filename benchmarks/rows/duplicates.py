"""Near-duplicates: the guide's quadratic loop, one blocked matrix product, and ours, which also looks at hashes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from imagerag_assets.images import candidates
from imagerag_assets.images.candidates import Prints
from imagerag_assets.images.hashing import ORIENTATIONS, turned_phashes
from imagerag_assets.images.sketches import make_basis, sketch
from imagerag_assets.settings import Dedup

_DIMENSION, _LATENT, _CLUSTERS = 512, 48, 500
_CHUNK = 4096
# As the stage has them.
_BATCH, _SAMPLE = 8192, 8192
_RULES = Dedup()
_LOOP = 150
_SAMPLED = 1000
_RECALL = "recall of the exhaustive pairs"
Pairs = set[tuple[str, str]]


@dataclass(frozen=True)
class Made:
    """n images: vectors, n × 512 of length 1, and their hashes."""

    vectors: NDArray[np.float32]
    phash: NDArray[np.uint64]
    dhash: NDArray[np.uint64]

    @property
    def names(self) -> list[str]:
        return [f"{row:07d}" for row in range(len(self.vectors))]

    def prints(self, basis: NDArray[np.float32]) -> Prints:
        return Prints(self.names, self.phash, self.dhash, sketch(self.vectors, basis), self.vectors.__getitem__)

    def basis(self) -> NDArray[np.float32]:
        return make_basis(self.vectors[:_SAMPLE])


def make(bench: Bench) -> Rows:
    few, many = bench.size(10_000, 600), bench.size(100_000, 1_200)
    return [
        _against_the_loop(few),
        _of_many(many),
        Scaling(
            "duplicates",
            "pairs worth a look; the loop to 300, the product to 30,000",
            {
                "ours": _prepare(_compare_all),
                "ours, 1 % new": lambda size: _one_per_cent(make_images(size)),
                "floor": _prepare(_product_of),
                "plain": _prepare(_loop_of),
            },
            {
                "ours": bench.size((1_000, 10_000, 100_000, 1_000_000), (200, 600)),
                "ours, 1 % new": bench.size((1_000, 10_000, 100_000, 1_000_000), (200, 600)),
                "floor": bench.size((1_000, 10_000, 30_000), (200, 600)),
                "plain": bench.size((100, 300), (50, 100)),
            },
            {"ours": 1.3},
            "From 100,000 on the three tables of 2²¹ places have more than one hash in a place, and the time grows "
            "faster, to n² in the end.",
        ),
    ]


def _against_the_loop(count: int) -> Comparison:
    images = make_images(count)
    ways = {
        "plain": Way(
            _only(lambda: _loop(images.vectors[:_LOOP])),
            f"two nested loops with scikit-learn's cosine_similarity, {_LOOP} images, times ({count:,} / {_LOOP})²",
            times=(count / _LOOP) ** 2,
        ),
        "floor": Way(_only(lambda: _product(images.vectors)), "the vectors' product in blocks, cosine ≥ 0.85"),
        **_ours(images),
    }
    targets = (Target("plain", "ours", at_least=1000), Target(_RECALL, at_least=1))
    return Comparison("duplicates", _work(count), ways, targets, lambda: {_RECALL: _recall(images)})


def _of_many(count: int) -> Comparison:
    images = make_images(count)
    targets = (
        Target("ours", at_most=10),
        Target("ours, 1 % new", "ours", at_most=0.03),
        Target(_RECALL, at_least=0.99),
    )
    why = (
        "One per cent cannot be much cheaper: the tables of all hashes (50 ms) and one look at all sketches (150 ms) "
        "are the floor, however few are new."
    )
    return Comparison("many duplicates", _work(count), _ours(images), targets, lambda: {_RECALL: _recall(images)}, why)


def _ours(images: Made) -> dict[str, Way]:
    return {
        "ours": Way(_only(lambda: _compare_all(images)), "two hashes, eight orientations, and the vectors"),
        "ours, 1 % new": Way(
            _only(_one_per_cent(images)), "the same for one per cent against all, whose sketches are there"
        ),
    }


def _work(count: int) -> str:
    return f"pairs worth a look among {count:,} made images, {_DIMENSION} numbers each, one per cent planted copies"


def make_images(count: int) -> Made:
    """Images in five hundred clusters, as photos of one subject are, in few latent dimensions seen through many.

    The last hundredth are copies of the first: vectors a little off (cosine 0.86 to 0.99), the pHash turned in one of
    eight ways and up to 12 bits off, as crops and recompressed files are.
    """
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((_CLUSTERS, _LATENT), dtype=np.float32)
    seen = rng.standard_normal((_LATENT, _DIMENSION), dtype=np.float32)
    vectors = np.empty((count, _DIMENSION), dtype=np.float32)
    for start in range(0, count, _CHUNK):
        part = vectors[start : start + _CHUNK]
        latent = centres[rng.integers(0, _CLUSTERS, len(part))]
        latent += 0.7 * rng.standard_normal(latent.shape, dtype=np.float32)
        part[:] = latent @ seen + 0.5 * rng.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    phash, dhash = rng.integers(0, 2**64, size=(2, count), dtype=np.uint64)
    copies = max(count // 100, 8)
    noise = rng.standard_normal((copies, _DIMENSION), dtype=np.float32)
    noise *= np.linspace(0.1, 0.58, copies, dtype=np.float32)[:, None] / np.linalg.norm(noise, axis=1, keepdims=True)
    vectors[-copies:] = vectors[:copies] + noise
    vectors[-copies:] /= np.linalg.norm(vectors[-copies:], axis=1, keepdims=True)
    ways = np.arange(copies) % len(ORIENTATIONS)
    for way in range(len(ORIENTATIONS)):
        phash[-copies:][ways == way] = turned_phashes(phash[:copies][ways == way], way)
    for row in range(copies):
        for bit in rng.choice(64, row % 13, replace=False):
            phash[count - copies + row] ^= np.uint64(1) << np.uint64(bit)
    return Made(vectors, phash, dhash)


def _compare_all(images: Made) -> Pairs:
    return _pairs(images.prints(images.basis()), 0)


def _one_per_cent(images: Made) -> Callable[[], object]:
    """To compare the last hundredth with all, whose sketches are there."""
    prints = images.prints(images.basis())
    known = len(images.vectors) - len(images.vectors) // 100
    return lambda: _pairs(prints, known)


def _pairs(images: Prints, known: int) -> Pairs:
    """As the stage does it."""
    comparison = candidates.Comparison(images, known, _RULES)
    return {(one.a, one.b) for _, found in comparison.batches(_BATCH) for one in found}


def _product(vectors: NDArray[np.float32]) -> int:
    found = 0
    for start in range(0, len(vectors), _CHUNK):
        found += int((vectors[start : start + _CHUNK] @ vectors[start:].T >= _RULES.cosine).sum())
    return found


def _product_of(images: Made) -> object:
    return _product(images.vectors)


def _loop(vectors: NDArray[np.float32]) -> list[tuple[int, int]]:
    from sklearn.metrics.pairwise import cosine_similarity

    return [
        (one, other)
        for one in range(len(vectors))
        for other in range(one + 1, len(vectors))
        if cosine_similarity([vectors[one]], [vectors[other]])[0][0] >= 0.95
    ]


def _loop_of(images: Made) -> object:
    return _loop(images.vectors)


def _only(work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        work()

    return run


def _prepare(work: Callable[[Made], object]) -> Callable[[int], Callable[[], object]]:
    def prepare(size: int) -> Callable[[], object]:
        images = make_images(size)
        return lambda: work(images)

    return prepare


def _recall(images: Made) -> float:
    """Share of the pairs that a look at every single pair finds, of some images drawn by lot with all others."""
    found = _compare_all(images)
    names = images.names
    some = np.random.default_rng(1).permutation(len(names))[:_SAMPLED]
    wanted = set()
    for row in some.tolist():
        turned = [turned_phashes(images.phash[row : row + 1], way) for way in range(len(ORIENTATIONS))]
        phash = np.min([np.bitwise_count(one ^ images.phash) for one in turned], axis=0)
        dhash = np.bitwise_count(images.dhash[row] ^ images.dhash)
        by_hash = (phash <= _RULES.phash_distance) | (dhash <= _RULES.dhash_distance)
        by_vector = (images.vectors @ images.vectors[row] >= _RULES.cosine) & (phash <= _RULES.far_phash_distance)
        for other in np.flatnonzero(by_hash | by_vector).tolist():
            wanted |= {(names[min(row, other)], names[max(row, other)])} if other != row else set()
    return len(wanted & found) / len(wanted)
