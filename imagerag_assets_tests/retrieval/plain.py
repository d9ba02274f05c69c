"""Search as its definitions say, image by image in Python: no index, no candidates, no sample, no bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np

from imagerag_assets.methods import Method
from imagerag_assets.settings import Fusion
from imagerag_assets_tests.retrieval.corpus import Picture, Vector, random_vector

Scores = dict[str, float]
"""By uri."""


@dataclass(frozen=True)
class Calibration:
    """What the searched collections measured of their legs (`leg_calibrations`), each weighed by its size."""

    clip_scale: float
    clip_knows: float
    description_scale: float


@dataclass(frozen=True)
class Asked:
    """A query's vectors and terms, and what it is asked of: `inside` its collections, of which `passing` is left."""

    clip: Vector
    description: Vector
    terms: list[str]
    inside: Sequence[Picture]
    passing: Sequence[Picture]


def ranking(asked: Asked, method: Method, rules: Fusion, calibration: Calibration) -> Scores:
    """The final score of the image that shows for every group of duplicates."""
    clip = {one.uri: best_tile(one, asked.clip, rules.tile_weight)[0] for one in asked.passing}
    description = {one.uri: float(random_vector(one.description) @ asked.description) for one in asked.passing}
    passing = {one.uri for one in asked.passing}
    text = {uri: score for uri, score in okapi(asked.inside, asked.terms).items() if uri in passing}
    if method == "hybrid":
        every = {uri: text.get(uri, 0.0) for uri in passing} if text else {}
        evidence = (
            _evidence(clip, calibration.clip_scale, calibration.clip_knows),
            _evidence(description, calibration.description_scale, rules.description_knows),
            _evidence(every, rules.text_scale, rules.text_knows),
        )
        return _of_groups(asked, {uri: sum(leg.get(uri, 0.0) for leg in evidence) for uri in passing})
    if method == "rrf":
        shown = _of_groups(asked, clip)
        near, told = (_ranks({uri: leg[uri] for uri in shown}) for leg in (clip, description))
        return {uri: 0.7 / (60 + near[uri]) + 0.3 / (60 + told[uri]) for uri in shown}
    return _of_groups(asked, {"clip": clip, "description": description, "text": text}[method])


def best_tile(one: Picture, query: Vector, weight: float = 1.0) -> tuple[float, int]:
    """(score, number) of the nearest tile: its cosine, `weight` times that where it is not the whole image."""
    scores = [float(vector @ query) * (weight if number else 1) for number, vector in enumerate(one.tile_vectors())]
    return max(scores), int(np.argmax(scores))


def okapi(pictures: Sequence[Picture], query: list[str]) -> Scores:
    """BM25 from the textbook: k1 = 1.2, b = 0.75, Lucene's idf; a word of the description counts half."""
    plain = str.maketrans("èé", "ee")
    texts = {one.uri: [field.translate(plain).split() for field in (one.ocr, one.description)] for one in pictures}
    frequency: dict[str, Counter[str]] = {}
    length: dict[str, int] = {}
    for uri, (read, described) in texts.items():
        frequency[uri] = Counter()
        for word in read:
            frequency[uri][word] += 2
        for word in described:
            frequency[uri][word] += 1
        length[uri] = len(read) + round(len(described) / 2)
    mean = sum(length.values()) / len(length)
    scores = {}
    for uri, counts in frequency.items():
        total = 0.0
        for word in query:
            documents = sum(1 for other in frequency.values() if other[word])
            idf = log(1 + (len(pictures) - documents + 0.5) / (documents + 0.5))
            tf = counts[word] / 2
            total += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length[uri] / mean))
        if any(counts[word] for word in query):
            scores[uri] = total
    return scores


def _evidence(scores: Mapping[str, float], scale: float, knows: float) -> Scores:
    """docs/fusion.md: ln(1 − π + π · exp(τ · s) / mean exp(τ · s)), the mean over all images that pass."""
    best = max(scores.values(), default=0.0)
    weights = {uri: exp(scale * (score - best)) for uri, score in scores.items()}
    mean = sum(weights.values()) / max(len(weights), 1)
    return {uri: log(1 - knows + knows * weight / mean) for uri, weight in weights.items()}


def _of_groups(asked: Asked, scores: Scores) -> Scores:
    """Of every group of duplicates the image that scores best; of equals the first by collection and path."""
    shown: dict[str, str] = {}
    place: Callable[[Picture], tuple[float, str, str]] = lambda one: (-scores[one.uri], one.collection, one.uri)  # noqa: E731
    for one in sorted((one for one in asked.passing if one.uri in scores), key=place):
        shown.setdefault(one.canonical or one.uri, one.uri)
    return {uri: scores[uri] for uri in shown.values()}


def _ranks(scores: Scores) -> dict[str, int]:
    """1 for the best; equal scores share a rank."""
    return {uri: 1 + sum(other > score for other in scores.values()) for uri, score in scores.items()}
