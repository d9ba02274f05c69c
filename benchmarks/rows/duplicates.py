"""Near-duplicates: the guide's quadratic loop, one blocked matrix product, and ours, which also looks at hashes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.bench import Bench, Rows
from benchmarks.comparison import Comparison, Scaling, Target, Way
from imagerag_assets.images.duplicates import Prints, find_candidates
from imagerag_assets.settings import Dedup

_DIMENSION = 512
_CHUNK = 4096
_RULES = Dedup()
_LOOP = 150
Pairs = set[tuple[str, str]]


def make(bench: Bench) -> Rows:
    count = bench.size(10_000, 600)
    images = made_prints(count)
    new = _rows(images, np.arange(count // 100))
    ways = {
        "plain": Way(
            _only(lambda: _loop(images.vectors[:_LOOP])),
            f"two nested loops with scikit-learn's cosine_similarity, {_LOOP} images, times ({count:,} / {_LOOP})²",
            times=(count / _LOOP) ** 2,
        ),
        "floor": Way(_only(lambda: _product(images.vectors)), "the vectors' matrix product in blocks, cosine ≥ 0.85"),
        "ours": Way(_only(lambda: _all_candidates(images, images)), "two hashes, eight orientations, and the vectors"),
        "ours, 1 % new": Way(_only(lambda: _all_candidates(new, images)), "the same for one per cent against all"),
    }
    return [
        Comparison(
            "duplicates",
            f"pairs worth a look among {count:,} made images, {_DIMENSION} numbers each, one per cent planted copies",
            ways,
            (
                Target("plain", "ours", at_least=1000),
                Target("ours, 1 % new", "ours", at_most=0.03),
                Target("recall of the exhaustive pairs", at_least=1),
            ),
            lambda: {"recall of the exhaustive pairs": _recall(images)},
        ),
        Scaling(
            "duplicates",
            "pairs worth a look; the loop to 300",
            {"ours": _prepare(_compare_all), "floor": _prepare(_product_of), "plain": _prepare(_loop_of)},
            {
                "ours": bench.size((1_000, 10_000, 30_000), (200, 600)),
                "floor": bench.size((1_000, 10_000, 30_000), (200, 600)),
                "plain": bench.size((100, 300), (50, 100)),
            },
            {"ours": 1.3},
        ),
    ]


def made_prints(count: int) -> Prints:
    """Images in a hundred clusters, as photos of one subject are; the last hundredth are altered copies of the first.

    Of the copies every other one is near by hash, and the rest by vector with a hash at some distance, as crops are.
    """
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((100, _DIMENSION))
    vectors = centres[rng.integers(0, 100, count)] + rng.standard_normal((count, _DIMENSION))
    phash, dhash = rng.integers(0, 2**64, size=(2, count), dtype=np.uint64)
    copies = max(count // 100, 2)
    vectors[-copies:] = vectors[:copies] + 0.3 * rng.standard_normal((copies, _DIMENSION))
    # 3 bits changed, or 12.
    change = np.where(np.arange(copies) % 2, np.uint64(0b111), np.uint64(0xFFF)).astype(np.uint64)
    phash[-copies:] = phash[:copies] ^ change
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Prints([f"{row:07d}" for row in range(count)], phash, dhash, vectors.astype(np.float32))


def _rows(images: Prints, which: NDArray[np.int64]) -> Prints:
    names = [images.contents[row] for row in which.tolist()]
    return Prints(names, images.phash[which], images.dhash[which], images.vectors[which])


def _all_candidates(new: Prints, images: Prints) -> Pairs:
    """As the stage does it: the others a chunk at a time."""
    count = len(images.contents)
    return {
        (one.a, one.b)
        for start in range(0, count, _CHUNK)
        for one in find_candidates(new, _rows(images, np.arange(start, min(start + _CHUNK, count))), _RULES)
    }


def _compare_all(images: Prints) -> object:
    return _all_candidates(images, images)


def _product(vectors: NDArray[np.float32]) -> int:
    found = 0
    for start in range(0, len(vectors), _CHUNK):
        found += int((vectors[start : start + _CHUNK] @ vectors[start:].T >= _RULES.cosine).sum())
    return found


def _product_of(images: Prints) -> object:
    return _product(images.vectors)


def _loop(vectors: NDArray[np.float32]) -> list[tuple[int, int]]:
    from sklearn.metrics.pairwise import cosine_similarity

    return [
        (one, other)
        for one in range(len(vectors))
        for other in range(one + 1, len(vectors))
        if cosine_similarity([vectors[one]], [vectors[other]])[0][0] >= 0.95
    ]


def _loop_of(images: Prints) -> object:
    return _loop(images.vectors)


def _only(work: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        work()

    return run


def _prepare(work: Callable[[Prints], object]) -> Callable[[int], Callable[[], object]]:
    def prepare(size: int) -> Callable[[], object]:
        images = made_prints(size)
        return lambda: work(images)

    return prepare


def _recall(images: Prints) -> float:
    """Share of the pairs that a look at every single pair finds, upright hashes and vectors: the planted ones."""
    found = _all_candidates(images, images)
    rows = len(images.contents)
    planted = max(rows // 100, 2)
    wanted = {(images.contents[row], images.contents[rows - planted + row]) for row in range(planted)}
    return len(wanted & found) / len(wanted)
