"""What the shop sells and where it is photographed: the words that facts are made of."""

from __future__ import annotations

MATERIALS: dict[str, tuple[str, ...]] = {
    "mug": ("ceramic", "metal"),
    "vase": ("ceramic", "glass", "metal"),
    "lamp": ("wood", "metal", "ceramic"),
    "bottle": ("glass", "metal"),
    "teapot": ("ceramic", "metal"),
    "tote": ("leather", "fabric"),
    "sneaker": ("fabric", "leather"),
    "chair": ("wood", "metal"),
    "sofa": ("fabric", "leather"),
    "watch": ("leather", "metal"),
    "backpack": ("fabric", "leather"),
    "cushion": ("fabric",),
}
COLOUR_NAMES = (
    "red", "blue", "green", "yellow", "black", "white", "pink", "brown", "grey", "turquoise", "orange",
    "purple",
)  # fmt: skip
SETTINGS = ("studio", "wood", "marble", "grass", "brick")
PROPS = ("lemons", "plant", "books")
FURNITURE = ("chair", "sofa")
PATTERNED = ("mug", "vase", "lamp", "teapot", "tote", "sneaker", "sofa", "backpack", "cushion")
SHELVED = ("mug", "vase", "lamp", "bottle", "teapot", "tote", "watch", "backpack", "cushion", "sneaker")
