"""What a picture of machine parts can show: parts, their materials and defects, backgrounds.

How they are called in captions is said in `captions`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from imagerag_assets.sample.drawing import Colour

COLLECTION = "manufacturing"
Generator = np.random.Generator

MATERIALS: dict[str, tuple[str, ...]] = {
    "gear": ("steel", "brass", "white_plastic", "yellow_plastic", "rusty_iron", "black_aluminium"),
    "bolt": ("steel", "brass", "rusty_iron"),
    "nut": ("steel", "brass", "rusty_iron"),
    "washer": ("steel", "brass", "copper", "red_aluminium", "blue_aluminium"),
    "bearing": ("steel", "rusty_iron"),
    "flange": ("steel", "brass", "rusty_iron", "blue_aluminium", "red_aluminium", "black_aluminium"),
    "spring": ("steel", "copper", "rusty_iron"),
    "elbow": ("steel", "brass", "copper", "rusty_iron"),
    "board": ("green_board", "blue_board", "red_board", "black_board"),
    "plate": ("steel", "copper", "brass", "blue_aluminium", "red_aluminium", "black_aluminium"),
    "shaft": ("steel", "brass", "rusty_iron"),
    "impeller": ("steel", "brass", "blue_aluminium", "red_aluminium", "black_aluminium", "white_plastic"),
}

DEFECTS: dict[str, tuple[str, ...]] = {
    "gear": ("missing_tooth", "missing_tooth", "crack", "scratch", "rust_spot"),
    "bolt": ("rust_spot", "scratch"),
    "nut": ("rust_spot", "crack"),
    "washer": ("rust_spot", "crack"),
    "bearing": ("rust_spot", "crack", "burn_mark"),
    "flange": ("crack", "rust_spot", "scratch", "dent"),
    "spring": ("rust_spot",),
    "elbow": ("dent", "crack", "rust_spot"),
    "board": ("burn_mark", "burn_mark", "missing_component", "missing_component", "crack", "scratch"),
    "plate": ("dent", "scratch", "rust_spot", "burn_mark"),
    "shaft": ("scratch", "rust_spot", "dent"),
    "impeller": ("broken_blade", "broken_blade", "crack", "scratch"),
}

BACKGROUNDS = ("mat", "belt", "wood", "light", "grid", "tray", "concrete")

ALBEDO: dict[str, Colour] = {
    "steel": (0.70, 0.72, 0.75),
    "brass": (0.90, 0.68, 0.24),
    "copper": (0.86, 0.44, 0.25),
    "rusty_iron": (0.44, 0.23, 0.13),
    "blue_aluminium": (0.07, 0.24, 0.74),
    "red_aluminium": (0.76, 0.06, 0.08),
    "black_aluminium": (0.085, 0.085, 0.095),
    "white_plastic": (0.90, 0.90, 0.88),
    "yellow_plastic": (0.93, 0.76, 0.12),
    "green_board": (0.05, 0.36, 0.16),
    "blue_board": (0.05, 0.20, 0.56),
    "red_board": (0.62, 0.07, 0.09),
    "black_board": (0.06, 0.06, 0.07),
}

SLIM_PARTS = ("bolt", "shaft", "spring")
WIDE_PARTS = ("plate", "board")


def pick(rng: Generator, words: Sequence[str]) -> str:
    return words[int(rng.integers(0, len(words)))]
