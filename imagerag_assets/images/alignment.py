"""A second look at two thumbnails: lay one over the other and compare what both show.

Hashes and vectors name candidates cheaply and loosely; this decides between them. Two steps: as they stand (turned or
mirrored as the hashes say), and, where that is not enough, moved over each other by local features, which undoes a
crop, a border, a rotation by a few degrees. Which pairs are looked at, and what follows, is `duplicates`'.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imagerag_assets.images.hashing import ORIENTATIONS, turned

ALIGNMENT_VERSION = 1
_SIDE = 256
_FEATURES = 500
# Lowe's ratio test (2004, section 7.1): a match counts when it has no close rival.
_RATIO = 0.8
_INLIERS = 8
# Thinner pictures have no room for the patches that features are described by, and OpenCV fails on them.
_THIN = 48
_REPROJECTION_PIXELS = 3.0
_OVERLAP = 0.6
"""Least share of either picture that the other must show as well."""
_TILT_DEGREES = 20.0
"""A picture that leans more than this counts as turned."""
_SAME_SHAPE = 1.05
# Below the first scale, in pixels of the thumbnail, differences are compression; above the second they are light.
_BLUR = 2.0
_DETAIL = 33
# A standard deviation below this, in 8-bit steps, is noise: there is no structure to correlate.
_FLAT = 1.5

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Features(NamedTuple):
    """Places (n × 2, pixels) and ORB descriptors (n × 32 bytes)."""

    places: NDArray[np.float32]
    descriptors: Pixels


class Likeness(NamedTuple):
    """How alike two pictures are where they overlap.

    `similarity` is normalised cross-correlation of brightness (1: the same, whatever exposure and contrast), of the
    whole or of the details alone, whichever is less: look-alikes agree in the large and differ in the small.
    `colour` is the mean difference of the chroma in 8-bit steps.
    """

    similarity: float
    colour: float


UNLIKE = Likeness(0.0, 255.0)


@dataclass(frozen=True)
class Freedom:
    """What may have been done to a copy."""

    turns: bool
    mirrors: bool


class Picture:
    """A thumbnail ready to be compared. What takes time is done once, and only when it is asked for."""

    def __init__(self, thumbnail: bytes) -> None:
        import cv2

        with Image.open(io.BytesIO(thumbnail)) as image:
            rgb = np.asarray(image.convert("RGB"))
        height, width = rgb.shape[:2]
        self.aspect = width / height
        scale = _SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        self._pixels = np.asarray(
            cv2.cvtColor(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2YCrCb), dtype=np.uint8
        )
        self.blurred: Pixels = np.asarray(cv2.GaussianBlur(self._pixels, (0, 0), _BLUR), dtype=np.uint8)
        """YCrCb, the long side 256 pixels."""

    @cached_property
    def features(self) -> Features:
        return _features(self._pixels[:, :, 0])

    @cached_property
    def mirrored_features(self) -> Features:
        """Those of the picture mirrored left to right: a descriptor does not survive mirroring."""
        return _features(self._pixels[:, ::-1, 0])


def likeness(one: Picture, other: Picture, orientation: int, freedom: Freedom, enough: float) -> Likeness:
    """Lay `other` over `one` in the best way found; `orientation` (of `one`, in `ORIENTATIONS`) is tried first.

    The first way that reaches a similarity of `enough` is taken. Does not depend on chance: RANSAC's seed is fixed.
    """
    best = _as_they_stand(one, other, orientation)
    for mirrored in (False, True) if freedom.mirrors else (False,):
        if best.similarity >= enough:
            break
        best = max(best, _aligned(one, other, mirrored, freedom))
    return best


def _as_they_stand(one: Picture, other: Picture, orientation: int) -> Likeness:
    import cv2

    aspect = 1 / one.aspect if ORIENTATIONS[orientation].transposed else one.aspect
    if not 1 / _SAME_SHAPE <= aspect / other.aspect <= _SAME_SHAPE:
        return UNLIKE
    pixels = np.ascontiguousarray(turned(one.blurred, orientation))
    height, width = pixels.shape[:2]
    same_size = np.asarray(cv2.resize(other.blurred, (width, height)), dtype=np.uint8)
    return _compare(pixels, same_size, np.ones((height, width), dtype=bool))


def _aligned(one: Picture, other: Picture, mirrored: bool, freedom: Freedom) -> Likeness:
    import cv2

    pixels = np.ascontiguousarray(other.blurred[:, ::-1]) if mirrored else other.blurred
    move = _similarity_transform(other.mirrored_features if mirrored else other.features, one.features)
    if move is None:
        return UNLIKE
    angle = float(np.degrees(np.arctan2(move[1, 0], move[0, 0])))
    if not freedom.turns and abs(angle) > _TILT_DEGREES:
        return UNLIKE
    height, width = one.blurred.shape[:2]
    moved = np.asarray(cv2.warpAffine(pixels, move, (width, height)), dtype=np.uint8)
    inside = cv2.warpAffine(np.full(pixels.shape[:2], 255, np.uint8), move, (width, height))
    # The blur mixes what is on either side of an edge, a frame's too.
    reach = np.ones((9, 9), np.uint8)
    shared = np.asarray(cv2.erode(inside, reach, borderType=cv2.BORDER_CONSTANT, borderValue=(0,)) == 255)
    area = abs(float(np.linalg.det(move[:, :2]))) * pixels.shape[0] * pixels.shape[1]
    if shared.sum() < _OVERLAP * max(area, height * width):
        return UNLIKE
    return _compare(one.blurred, moved, shared)


def _features(grey: Pixels) -> Features:
    import cv2

    none = Features(np.zeros((0, 2), np.float32), np.zeros((0, 32), np.uint8))
    if min(grey.shape) < _THIN:
        return none
    detector = cv2.ORB.create(nfeatures=_FEATURES, edgeThreshold=12, patchSize=24, fastThreshold=5)
    places, descriptors = detector.detectAndCompute(np.ascontiguousarray(grey), np.ones(grey.shape, np.uint8))
    if not places:
        return none
    return Features(np.array([place.pt for place in places], np.float32), np.asarray(descriptors, np.uint8))


def _similarity_transform(source: Features, target: Features) -> NDArray[np.float64] | None:
    """2 × 3 matrix of the rotation, scale and shift that lays `source` over `target`; None when there is none."""
    import cv2

    if min(len(source.places), len(target.places)) < _INLIERS:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(source.descriptors, target.descriptors, k=2)
    good = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
    if len(good) < _INLIERS:
        return None
    cv2.setRNGSeed(0)
    move, kept = cv2.estimateAffinePartial2D(
        source.places[[match.queryIdx for match in good]],
        target.places[[match.trainIdx for match in good]],
        method=cv2.RANSAC,
        ransacReprojThreshold=_REPROJECTION_PIXELS,
        maxIters=500,
    )
    if move is None or int(kept.sum()) < _INLIERS:
        return None
    return np.asarray(move, dtype=np.float64)


def _compare(one: Pixels, other: Pixels, shared: Mask) -> Likeness:
    """Likeness of two YCrCb pictures of one size, within the mask."""
    some, others = one.astype(np.float32), other.astype(np.float32)
    colour = float(np.abs(some[shared][:, 1:] - others[shared][:, 1:]).mean())
    whole = _correlation(some[:, :, 0][shared], others[:, :, 0][shared])
    details = _correlation(_details(some[:, :, 0], shared), _details(others[:, :, 0], shared))
    return Likeness(min(whole, details), colour)


def _details(bright: NDArray[np.float32], shared: Mask) -> NDArray[np.float32]:
    """What is left of the brightness inside the mask when its local mean is taken away."""
    import cv2

    mask = shared.astype(np.float32)
    window = (_DETAIL, _DETAIL)
    mean = cv2.blur(bright * mask, window) / np.maximum(cv2.blur(mask, window), 1e-6)
    return np.asarray((bright - mean)[shared], dtype=np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Pearson's. Two without structure are the same; one with and one without are not."""
    spread, other_spread = float(one.std()), float(other.std())
    if max(spread, other_spread) < _FLAT:
        return 1.0
    if min(spread, other_spread) < _FLAT:
        return 0.0
    return float(((one - one.mean()) * (other - other.mean())).mean()) / (spread * other_spread)
