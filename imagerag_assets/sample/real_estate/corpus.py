"""The scenes of the sample collection: how many of which kind, so that every query has its answers."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from imagerag_assets.sample.real_estate import words
from imagerag_assets.sample.real_estate.plans import SYMBOL_FACTS
from imagerag_assets.sample.real_estate.words import FEATURES, FactDict
from imagerag_assets.sample.scene import Scene

_VIEUX_PORT: FactDict = {
    "sign": "board",
    "language": "fr",
    "agency": "Agence du Vieux Port",
    "offer": "À VENDRE",
}
_HARTLEY: FactDict = {"sign": "board", "language": "en", "agency": "Hartley & Stone", "offer": "FOR SALE"}
_UNDER_OFFER: FactDict = {
    "sign": "board",
    "language": "en",
    "agency": "Northgate Homes",
    "offer": "UNDER OFFER",
}
_SOLD_FR: FactDict = {"sign": "board", "language": "fr", "agency": "Cabinet Périgord", "offer": "VENDU"}
_NUMBER_27: FactDict = {"sign": "number", "number": "27"}
_TILLEULS: FactDict = {"sign": "street", "language": "fr", "street": "RUE DES TILLEULS"}
_MILL_LANE: FactDict = {"sign": "street", "language": "en", "street": "MILL LANE"}
_LAURENT: FactDict = {"sign": "watermark", "language": "fr", "agency": "Maison Laurent Immobilier"}
_BLUEBELL: FactDict = {"sign": "watermark", "language": "en", "agency": "Bluebell Estates"}
_PHONE = "06 48 22 19 73"

# A row: building, wall, roof, light, features, and the signs of its copies (one scene for each, {} for none).
_EXTERIORS: tuple[tuple[str, str, str, str, str, tuple[FactDict, ...]], ...] = (
    ("detached house", "brick", "grey", "sunny", "garage chimney path", (_HARTLEY, {}, {})),
    ("detached house", "brick", "red", "overcast", "garage", (_VIEUX_PORT, _TILLEULS)),
    ("detached house", "white render", "red", "dusk", "", (_HARTLEY, {})),
    ("detached house", "white render", "red", "dusk", "balcony", (_LAURENT | {"reference": "Réf. ML-2841"},)),
    ("cottage", "stone", "thatched", "sunny", "path chimney", (_UNDER_OFFER, {})),
    ("cottage", "white render", "thatched", "overcast", "path", (_SOLD_FR, {})),
    ("cottage", "stone", "snow-covered", "snow", "chimney", (_NUMBER_27, {}, {})),
    ("cottage", "timber", "snow-covered", "snow", "trees", (_MILL_LANE, {})),
    ("villa", "white render", "flat", "sunny", "pool", (_VIEUX_PORT, {}, {})),
    ("villa", "white render", "flat", "sunny", "pool trees", (_BLUEBELL,)),
    ("villa", "stone", "flat", "sunny", "pool", ({},)),
    ("villa", "white render", "flat", "dusk", "balcony", (_SOLD_FR | {"phone": _PHONE}, {})),
    ("villa", "timber", "flat", "dusk", "", ({},)),
    ("apartment block", "white render", "flat", "sunny", "balcony", (_BLUEBELL, {}, {})),
    ("apartment block", "brick", "flat", "overcast", "balcony", (_UNDER_OFFER,)),
    ("apartment block", "yellow render", "flat", "overcast", "", (_TILLEULS, {})),
    ("townhouses", "brick", "grey", "sunny", "chimney", (_MILL_LANE, {}, {})),
    ("townhouses", "brick", "grey", "overcast", "", (_HARTLEY,)),
    ("townhouses", "yellow render", "red", "sunny", "", (_VIEUX_PORT,)),
    ("detached house", "timber", "black", "sunny", "trees", (_NUMBER_27, {})),
    ("cottage", "timber", "brown", "overcast", "trees path", ({},)),
    ("detached house", "white render", "grey", "sunny", "solar", (_UNDER_OFFER, {})),
    ("detached house", "yellow render", "red", "overcast", "solar", (_BLUEBELL, {})),
)

# A row: room, wall colour, floor, everything else, and how the copies are signed.
_INTERIORS: tuple[tuple[str, str, str, FactDict, tuple[FactDict, ...]], ...] = (
    ("kitchen", "white", "wood", {"island": True, "cabinets": "blue"}, (_LAURENT, {})),
    ("kitchen", "grey", "wood", {"island": True, "cabinets": "white", "plants": True}, (_LAURENT,)),
    ("kitchen", "beige", "wood", {"island": True, "cabinets": "green", "large_window": True}, ({}, {})),
    ("kitchen", "yellow", "tile", {"cabinets": "wooden", "plants": True}, (_BLUEBELL, {})),
    ("kitchen", "green", "tile", {"cabinets": "white"}, ({},)),
    (
        "living room",
        "beige",
        "carpet",
        {"fireplace": True, "sofa": True, "sofa_colour": "red"},
        (_LAURENT, {}),
    ),
    (
        "living room",
        "white",
        "wood",
        {"fireplace": True, "bookshelf": True, "sofa": True, "sofa_colour": "brown"},
        ({}, {}),
    ),
    ("living room", "green", "wood", {"fireplace": True, "sofa": True, "sofa_colour": "grey"}, (_BLUEBELL,)),
    (
        "living room",
        "grey",
        "wood",
        {"piano": True, "large_window": True, "sofa": True, "sofa_colour": "blue"},
        ({}, {}),
    ),
    ("living room", "white", "wood", {"piano": True, "plants": True}, ({}, {})),
    (
        "living room",
        "white",
        "wood",
        {"sofa": True, "sofa_colour": "green", "large_window": True, "plants": True},
        ({}, {}),
    ),
    (
        "living room",
        "beige",
        "carpet",
        {"sofa": True, "sofa_colour": "green", "large_window": True},
        ({}, {}),
    ),
    ("bedroom", "blue", "carpet", {"bed_colour": "white"}, (_LAURENT, {})),
    ("bedroom", "blue", "wood", {"bed_colour": "yellow", "large_window": True}, ({}, {})),
    ("bedroom", "pink", "wood", {"bed_colour": "purple", "bookshelf": True}, ({},)),
    ("bedroom", "white", "carpet", {"bed_colour": "red", "bookshelf": True}, ({}, {})),
    ("bathroom", "white", "tile", {"bathtub": True, "large_window": True, "plants": True}, ({}, {})),
    ("bathroom", "blue", "tile", {"bathtub": True, "large_window": True}, (_BLUEBELL, {})),
    ("bathroom", "green", "tile", {}, ({}, {})),
    ("bathroom", "pink", "tile", {}, ({},)),
)

# A row: style, language, symbols, small label, title, number of the drawing.
_PLANS: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("drawing", "en", "piano spiral_staircase", "", "Maple House", "A-102"),
    ("blueprint", "fr", "fireplace bathtub", "Buanderie", "Résidence des Acacias", "B-118"),
    ("drawing", "fr", "double_garage lift plants", "Local technique", "Résidence des Acacias", "A-121"),
    ("blueprint", "en", "pinball sauna", "Cellar", "Kingsley Court", "P-133"),
    ("drawing", "en", "pool piano bathtub", "", "Rosewood Lodge", "A-140"),
    ("drawing", "fr", "spiral_staircase sauna", "Buanderie", "Maison Duval", "A-207"),
    ("blueprint", "en", "double_garage fireplace", "", "The Old Dairy", "B-214"),
    ("drawing", "fr", "lift bathtub", "Local technique", "Domaine des Pins", "P-225"),
    ("blueprint", "fr", "pool plants", "", "Villa Belvédère", "A-230"),
    ("drawing", "en", "pinball fireplace", "Cellar", "Harbour View", "B-251"),
    ("blueprint", "en", "lift spiral_staircase plants", "", "Kingsley Court", "P-264"),
    ("drawing", "fr", "sauna double_garage", "Chaufferie", "Le Clos Fleuri", "A-309"),
    ("blueprint", "en", "piano plants bathtub", "", "Maple House", "B-317"),
    ("drawing", "en", "pool spiral_staircase", "Pantry", "Rosewood Lodge", "P-344"),
)


def _all_facts() -> list[FactDict]:
    rng = np.random.default_rng(4711)
    made: list[FactDict] = []
    for building, wall, roof, light, features, signs in _EXTERIORS:
        for sign in signs:
            fixed: FactDict = {
                "building": building,
                "wall": wall,
                "roof": roof,
                "light": light,
                "sign": "none",
            }
            fixed |= {name: name in features.split() for name in FEATURES}
            made.append(words.random_exterior(rng) | fixed | _signed(rng, sign))
    for room, colour, floor, furniture, signs in _INTERIORS:
        for sign in signs:
            made.append(_interior(rng, room, colour, floor, furniture) | _signed(rng, sign))
    for style, language, symbols, label, title, number in _PLANS:
        plan = words.random_plan(rng)
        plan |= {name: name in symbols.split() for name in SYMBOL_FACTS}
        plan["architect"] = words.pick(rng, words.ARCHITECTS[language])
        made.append(plan | {"style": style, "language": language, "label": label, "title": title, "number": number})
    return made


def _signed(rng: np.random.Generator, sign: FactDict) -> FactDict:
    """The sign's facts with those that it leaves open, in its language."""
    return words.sign_facts(rng, str(sign.get("sign", "none")), str(sign.get("language", "en"))) | sign


def _interior(rng: np.random.Generator, room: str, colour: str, floor: str, furniture: FactDict) -> FactDict:
    facts = words.random_interior(rng)
    facts |= {"room": room, "wall_colour": colour, "floor": floor}
    absent = ("island", "sofa", "fireplace", "piano", "bookshelf", "bathtub", "plants", "large_window")
    facts |= dict.fromkeys(absent, False) | {"bed": room == "bedroom"}
    return words.roomy(facts | furniture)


@lru_cache(maxsize=1)
def corpus_scenes() -> tuple[Scene, ...]:
    """All scenes, numbered in an order that tells nothing about them."""
    facts = _all_facts()
    order = np.random.default_rng(4712).permutation(len(facts))
    seeds = np.random.default_rng(4713).choice(2**31, len(facts), replace=False)
    return tuple(
        words.scene_of(facts[int(index)], f"r-{place + 1:04d}", int(seeds[place])) for place, index in enumerate(order)
    )


def example_scene(number: int, **fixed: str | bool) -> Scene:
    """A picture that is not in the corpus, of a building or room with these facts, for a query by example."""
    rng = np.random.default_rng(4720 + number)
    if "building" in fixed:
        facts = words.random_exterior(rng) | dict.fromkeys(FEATURES, False) | fixed
    else:
        base = _interior(rng, str(fixed["room"]), str(fixed["wall_colour"]), str(fixed["floor"]), {})
        facts = {**base, **fixed}
    facts |= words.sign_facts(rng, "none", "en")
    return words.scene_of(facts, f"example-{number}", 2**31 + 7919 * number)
