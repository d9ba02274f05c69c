"""How far a description can be trusted: what its signals say against the collection's own mismatched pairs.

A signal scores how well a description goes with an image. What a score is worth is not known beforehand, but every
collection holds pairs that surely do not belong together: its images with each other's descriptions. A description's
`beaten` is the share of such pairs, of the same image or the same description, that go together better than they do.
For a description of another image it is uniform on 0–1, whatever the model and the collection; for a right one it is
near 0. So over the collection it is a mixture,

    ε · 1 + (1 − ε) · Beta(beaten; a, b),  a ≤ 1 ≤ b,

the beta-uniform mixture of Pounds & Morris (2003, Bioinformatics 19, 1236) with a second parameter, in Efron's
two-groups model (2008, Statistical Science 23, 1). Its maximum likelihood tells what a right description looks like
here, without labels. Signals are combined as naive Bayes does: the prior odds times each signal's likelihood ratio,

    r / (κ + (1 − κ) · r),  r = δ + (1 − δ) · Beta(beaten; a, b)

where κ is the share of wrong descriptions that look as if they were of another image (the rest look right to this
signal, so it vouches for no more than 1 / (1 − κ)), and δ that of right ones that look so because the model does not
understand the image (so it condemns by no more than δ / κ, and another signal can be heard). On photographs OCR takes
texture for letters and misses words: of the text, what ε exceeds the expected share of wrong descriptions by is laid to
OCR, as δ. A signal that is absent is left out.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.retrieval.tokens import terms

TRUST_VERSION = 1
"""Raise it when the same descriptions and images would get another confidence."""
DESCRIBED_DIGEST = "md5(concat_ws('|', v.general, v.key_elements::text, v.visible_text, v.category, v.tags::text))"
"""SQL that changes when a description says something else; `v` is its row. A confidence is of one description."""
Verdict = Literal["supported", "doubtful", "contradicted"]
Matrix = NDArray[np.float64]

PRIOR_WRONG = 0.1
"""Share of wrong descriptions before anything is measured."""
IMAGE_KAPPA = 0.5
"""The other half of the wrong ones is wrong in some detail, and still goes with its image."""
TEXT_KAPPA = 0.5
"""Describers are told what OCR read: half of those that are wrong about the image are taken to repeat it."""
NOT_UNDERSTOOD = 0.02
"""δ: images that a model takes for something else, whatever is rightly said of them."""
JUDGE_RATIOS: Mapping[Verdict, float] = {"supported": 10.0, "doubtful": 1.0, "contradicted": 1 / 40}
"""Assumed, not measured: of a judge that calls .80 of the right descriptions supported and .02 contradicted, and .08
and .80 of the wrong ones. So its contradiction flags what both other signals vouch for, which cannot see details."""

MINIMUM_PAIRS = 8
"""Descriptions of a collection from which on a signal can be calibrated."""
_A = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
_B = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
"""Up to where a right description may be beaten by no more than a few per cent. Sharper fits flagged right ones."""
_EPSILON = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6)
_FEATURES = 4096
_LEAST_LETTERS = 3


@dataclass(frozen=True)
class Shape:
    """What a right description's `beaten` looks like: Beta(a, b). Beta(1, 1) is a signal that knows nothing here."""

    a: float = 1.0
    b: float = 1.0
    missed: float = NOT_UNDERSTOOD
    """δ, the share of right ones that look like any mismatched pair."""

    def ratio(self, beaten: float, kappa: float) -> float:
        """The likelihood ratio of right to wrong."""
        density = float(np.exp(_log_density(np.array([beaten]), self.a, self.b))[0])
        right = self.missed + (1 - self.missed) * density
        return right / (kappa + (1 - kappa) * right)


class Mismatched:
    """Descriptions and images of one collection as unit vectors, (n, d) each; row i of both belong together."""

    def __init__(self, said: Matrix, shown: Matrix) -> None:
        self._said, self._shown = said, shown
        scores = said @ shown.T
        self._own = scores.diagonal().copy()
        self._by_said = (scores.sum(axis=1) - self._own) / max(len(said) - 1, 1)
        self._by_shown = (scores.sum(axis=0) - self._own) / max(len(said) - 1, 1)

    def beaten(self, said: Matrix, shown: Matrix, row: int | None = None) -> float:
        """Share of mismatched pairs, of this image or this description, that score better than they do together.

        Scores are centred by their description's and their image's mean: some descriptions go with everything. `row`
        is the pair's own among these. Ties count half, and there is always one pair more than there are, so that the
        share is never 0 or 1.
        """
        others = np.arange(len(self._said)) != (-1 if row is None else row)
        with_images = self._shown[others] @ said
        with_words = self._said[others] @ shown
        own = float(said @ shown) - with_images.mean() - with_words.mean()
        pairs = np.concatenate([
            with_images - with_images.mean() - self._by_shown[others],
            with_words - with_words.mean() - self._by_said[others],
        ])  # fmt: skip
        equal = np.abs(pairs - own) <= 1e-9
        return float(((pairs > own) & ~equal).sum() + equal.sum() / 2 + 0.5) / (len(pairs) + 1)

    def beaten_by_row(self) -> Matrix:
        """`beaten` of every pair of the collection."""
        pairs = zip(self._said, self._shown, strict=True)
        return np.array([self.beaten(said, shown, row) for row, (said, shown) in enumerate(pairs)])


class TextFeatures:
    """Texts as unit vectors that are near where the same words stand in them, in whatever order and however misread.

    Three-letter pieces of words without case and accents, the rare ones of the collection weighing more; one wrong
    letter costs a word three of its pieces.
    """

    def __init__(self, collection: Sequence[str]) -> None:
        found = np.array([_pieces(text) > 0 for text in collection]).reshape(len(collection), _FEATURES)
        self._rarity = np.log(1 + (len(collection) + 0.5) / (found.sum(axis=0) + 0.5))

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Shape (n, features); all zero for a text without letters."""
        counted = np.array([_pieces(text) for text in texts]).reshape(len(texts), _FEATURES)
        weighed = np.log1p(counted) * self._rarity
        return np.asarray(weighed / np.maximum(np.linalg.norm(weighed, axis=1, keepdims=True), 1e-12))


def says_something(text: str) -> bool:
    """Whether a text has a word: one or two letters are mostly texture that was taken for them."""
    return any(len(term) >= _LEAST_LETTERS for term in terms(text))


def fit(beaten: Matrix, *, fallible: bool = False) -> Shape:
    """The shape that makes these shares, of a collection's own pairs, most probable.

    A few wrong ones among them are expected: ε has the prior Beta(2, 20). Nothing is told (a uniform shape) unless it
    is more probable than that by Schwarz's criterion (1978) for two parameters. What a `fallible` signal finds wrong
    beyond the expected share is laid to itself.
    """
    best = (float(np.log(max(len(beaten), 1))), Shape())
    for a in _A:
        for b in _B:
            density = np.exp(_log_density(beaten, a, b))
            for epsilon in _EPSILON:
                prior = np.log(epsilon / 0.05) + 19 * np.log((1 - epsilon) / 0.95)
                likelihood = float(np.log(epsilon + (1 - epsilon) * density).sum() + prior)
                if likelihood > best[0] + 1e-9:
                    excess = (epsilon - PRIOR_WRONG) / (1 - PRIOR_WRONG) if fallible else 0.0
                    best = (likelihood, Shape(a, b, max(NOT_UNDERSTOOD, excess)))
    return best[1]


def confidence(ratios: Sequence[float]) -> float | None:
    """The probability that a description is right, 0–1, from its signals' likelihood ratios. None without any."""
    if not ratios:
        return None
    odds = (1 - PRIOR_WRONG) / PRIOR_WRONG * float(np.prod(ratios))
    return odds / (1 + odds)


def _log_density(beaten: Matrix, a: float, b: float) -> Matrix:
    from scipy.special import betaln

    return np.asarray((a - 1) * np.log(beaten) + (b - 1) * np.log1p(-beaten) - betaln(a, b))


@lru_cache(maxsize=1024)
def _pieces(text: str) -> NDArray[np.float32]:
    """How often each hashed three-letter piece stands in the text's words. Not to be changed: it is kept."""
    counts: Counter[int] = Counter()
    for term in terms(text):
        # A single letter is noise more often than a word.
        if len(term) > 1:
            word = f" {term} ".encode()
            counts.update(zlib.crc32(word[start : start + 3]) % _FEATURES for start in range(len(word) - 2))
    found = np.zeros(_FEATURES, dtype=np.float32)
    found[list(counts)] = list(counts.values())
    return found
