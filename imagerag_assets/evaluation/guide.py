"""What the published guide to multimodal retrieval states of each method, on images and queries of its own."""

from __future__ import annotations

from typing import NamedTuple

from imagerag_assets.methods import Method


class Figures(NamedTuple):
    """What the guide says of a method, and what it calls it."""

    name: str
    precision_at_5: float
    recall_at_10: float
    milliseconds: float


GUIDE: dict[Method, Figures] = {
    "description": Figures("description only", 0.72, 0.81, 50),
    "clip": Figures("CLIP only", 0.78, 0.85, 30),
    "hybrid": Figures("hybrid", 0.84, 0.91, 80),
}
"""An order of magnitude, and no target."""
