"""What can be truly said of a product photo, in many wordings."""

from __future__ import annotations

import numpy as np

from imagerag_assets.sample.products.scenes import item_parts
from imagerag_assets.sample.products.vocabulary import FURNITURE
from imagerag_assets.sample.scene import Facts, Region, Scene

# singular, plural
_NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "mug": (("mug", "mugs"), ("cup", "cups"), ("coffee mug", "coffee mugs")),
    "vase": (("vase", "vases"), ("flower vase", "flower vases")),
    "lamp": (("table lamp", "table lamps"), ("lamp", "lamps"), ("bedside lamp", "bedside lamps")),
    "bottle": (("bottle", "bottles"), ("flask", "flasks")),
    "teapot": (("teapot", "teapots"), ("tea pot", "tea pots")),
    "tote": (("tote bag", "tote bags"), ("handbag", "handbags"), ("shopping bag", "shopping bags")),
    "sneaker": (("sneaker", "sneakers"), ("trainer", "trainers"), ("sports shoe", "sports shoes")),
    "chair": (("chair", "chairs"), ("dining chair", "dining chairs"), ("seat", "seats")),
    "sofa": (("sofa", "sofas"), ("couch", "couches"), ("settee", "settees")),
    "watch": (("wristwatch", "wristwatches"), ("watch", "watches")),
    "backpack": (("backpack", "backpacks"), ("rucksack", "rucksacks"), ("school bag", "school bags")),
    "cushion": (("cushion", "cushions"), ("pillow", "pillows"), ("throw pillow", "throw pillows")),
}
_COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "crimson", "scarlet"), "blue": ("blue", "blue", "cobalt blue", "dark blue"),
    "green": ("green", "green", "bottle green"), "yellow": ("yellow", "yellow", "sunny yellow"),
    "black": ("black", "black", "jet black"), "white": ("white", "white", "off-white"),
    "pink": ("pink", "pink", "rose"), "brown": ("brown", "brown", "chestnut", "tan"),
    "grey": ("grey", "gray", "silver grey"), "turquoise": ("turquoise", "teal"),
    "orange": ("orange", "bright orange"), "purple": ("purple", "violet"),
}  # fmt: skip
_PATTERN_WORDS: dict[str, tuple[str, ...]] = {
    "plain": ("",), "striped": ("striped", "stripy"), "dotted": ("dotted", "polka-dot", "spotted"),
}  # fmt: skip
_MATERIAL_WORDS: dict[str, tuple[str, ...]] = {
    "ceramic": ("ceramic", "porcelain", "glazed"), "glass": ("glass", "transparent glass"),
    "metal": ("metal", "shiny metal", "steel"), "leather": ("leather",), "wood": ("wooden",),
    "fabric": ("fabric", "cloth", "canvas"),
}  # fmt: skip
_SETTING_WORDS: dict[str, tuple[str, ...]] = {
    "studio": ("on a plain backdrop", "in a photo studio", "against a plain background"),
    "wood": ("on a wooden table", "on a table made of wood", "on wooden boards"),
    "marble": ("on a marble counter", "on white marble", "on a marble kitchen top"),
    "grass": ("on grass", "outdoors on a lawn", "in the garden"),
    "brick": ("in front of a brick wall", "against red bricks", "by a brick wall"),
}
_FLOOR_WORDS: dict[str, tuple[str, ...]] = {
    "wood": ("on a wooden floor", "on wooden boards"),
    "marble": ("on a marble floor", "on white marble"),
}
_SETTING_KEYWORDS = {
    "studio": "plain background", "wood": "wooden surface", "marble": "white marble", "grass": "lawn",
    "brick": "brick wall",
}  # fmt: skip
_PROP_WORDS: dict[str, tuple[str, ...]] = {
    "lemons": ("next to lemons", "with two lemons beside it", "near yellow lemons"),
    "plant": ("next to a potted plant", "with a house plant beside it", "near a green plant in a pot"),
    "books": ("next to a stack of books", "with a pile of books beside it", "near some books"),
}


def captions(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Eight captions of a product's photo, six of a shelf's, from short to long."""
    if scene.facts["layout"] == "shelf":
        return _shelf_captions(str(scene.facts["items"]).split("|"), rng)
    facts = scene.facts
    where = _where(facts, rng)
    prop = str(facts["prop"])
    beside = f" {rng.choice(_PROP_WORDS[prop])}" if prop else ""
    full = _phrase(facts, rng, ("colour", "pattern", "material"))
    verb = "are" if facts["number"] == 2 else "is"
    place = _where(facts, rng)
    return [
        _phrase(facts, rng, ("colour", "pattern")),
        f"{_phrase(facts, rng, ('colour', 'pattern'))} {where}",
        f"photo of {_phrase(facts, rng, ('colour', 'material'))} {_where(facts, rng)}{beside}",
        f"{full[0].upper()}{full[1:]} {verb} standing {place}{beside}.",
        f"{_phrase(facts, rng, ('pattern', 'material'))} {_where(facts, rng)}{beside}",
        f"a product picture showing {full}{beside}{_written(scene, rng)}",
        f"{_phrase(facts, rng, ())} {_where(facts, rng)}{beside}",
        _keywords(facts, rng),
    ]


def _where(facts: Facts, rng: np.random.Generator) -> str:
    setting = str(facts["setting"])
    floor = facts["object"] in FURNITURE and setting in _FLOOR_WORDS
    return str(rng.choice(_FLOOR_WORDS[setting] if floor else _SETTING_WORDS[setting]))


def _phrase(facts: Facts, rng: np.random.Generator, attributes: tuple[str, ...]) -> str:
    """Name the object as in "a red striped mug" or "two green glass bottles", with only these attributes."""
    thing, material = str(facts["object"]), str(facts["material"])
    singular, plural = _NOUNS[thing][int(rng.integers(len(_NOUNS[thing])))]
    words = []
    if "colour" in attributes:
        words.append(str(rng.choice(_COLOUR_WORDS[str(facts["colour"])])))
    if "pattern" in attributes:
        words.append(str(rng.choice(_PATTERN_WORDS[str(facts["pattern"])])))
    tail = ""
    if "material" in attributes:
        material_word = str(rng.choice(_MATERIAL_WORDS[material]))
        if thing == "lamp":
            tail = f" with {_article(material_word)} base"
        elif thing == "watch":
            tail = f" with {_article(material_word)} strap"
        else:
            words.append(material_word)
    pair = facts["number"] == 2
    words.append(plural if pair else singular)
    phrase = " ".join(word for word in words if word)
    return (f"{rng.choice(['two', 'a pair of'])} {phrase}" if pair else _article(phrase)) + tail


def _article(phrase: str) -> str:
    return f"an {phrase}" if phrase[0] in "aeio" else f"a {phrase}"


def _written(scene: Scene, rng: np.random.Generator) -> str:
    label = scene.facts["label"]
    if label == "print":
        return f' with the words "{scene.text[0]}" on it'
    if label == "card":
        return f" {rng.choice(['with a price card', 'next to a printed price label'])}"
    return f" {rng.choice(['under a shop banner', 'with a banner above'])}" if label == "banner" else ""


def _keywords(facts: Facts, rng: np.random.Generator) -> str:
    thing = str(facts["object"])
    noun = _NOUNS[thing][int(rng.integers(len(_NOUNS[thing])))][1 if facts["number"] == 2 else 0]
    words = [noun, str(facts["colour"]), str(rng.choice(_MATERIAL_WORDS[str(facts["material"])]))]
    words += [str(rng.choice(_PATTERN_WORDS[str(facts["pattern"])])), str(facts["prop"])]
    words.append(_SETTING_KEYWORDS[str(facts["setting"])])
    return ", ".join(word for word in words if word)


def _shelf_captions(items: list[str], rng: np.random.Generator) -> list[str]:
    picked = [_item_phrase(items[int(k)], rng) for k in rng.permutation(len(items))[:5]]
    return [
        str(rng.choice(["shelves full of goods in a shop", "a shop shelf with many products"])),
        f"shop shelves with {picked[0]}",
        f"photo of a store display with {picked[1]} and {picked[2]}",
        f"Many products stand on three wooden shelves, among them {picked[3]}.",
        f"a shelf holding {picked[0]}, {picked[3]} and {picked[4]}",
        f"wooden shelves in a store: {picked[2]}, {picked[4]}",
    ]


def _item_phrase(item: str, rng: np.random.Generator) -> str:
    colour, pattern, thing = item_parts(item)
    noun = _NOUNS[thing][int(rng.integers(len(_NOUNS[thing])))][0]
    words = (str(rng.choice(_COLOUR_WORDS[colour])), str(rng.choice(_PATTERN_WORDS[pattern])), noun)
    return _article(" ".join(word for word in words if word))


def region_captions(region: Region, rng: np.random.Generator) -> list[str]:
    """Captions of one item of a shelf."""
    return [
        _item_phrase(region.label, rng),
        f"{_item_phrase(region.label, rng)} on a shelf",
        f"close-up of {_item_phrase(region.label, rng)} in a shop",
        f"photo of {_item_phrase(region.label, rng)} standing on a wooden board",
    ]
