"""What can be in the pictures and what they are called: facts drawn at random, the words on boards, captions.

Which scenes the corpus has is decided in `corpus`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from imagerag_assets.sample.real_estate.furniture import TEXTILES
from imagerag_assets.sample.real_estate.interiors import WALLS
from imagerag_assets.sample.real_estate.plans import LABEL_PREFIX, SYMBOL_FACTS
from imagerag_assets.sample.scene import Facts, Region, Scene

_T = TypeVar("_T")

COLLECTION = "real_estate"
FactDict = dict[str, str | int | bool]

AGENCIES: dict[str, tuple[str, ...]] = {
    "fr": (
        "Agence du Vieux Port", "Maison Laurent Immobilier", "Côté Soleil Immobilier", "Cabinet Périgord",
        "L'Étoile Immobilière", "Agence des Remparts", "Clés & Jardins",
    ),
    "en": (
        "Hartley & Stone", "Bluebell Estates", "Northgate Homes", "Pembroke Lettings", "Oakfield Property",
        "Fairview Realty",
    ),
}  # fmt: skip
OFFERS: dict[str, tuple[str, ...]] = {
    "fr": ("À VENDRE", "VENDU", "À LOUER", "SOUS OFFRE"),
    "en": ("FOR SALE", "SOLD", "TO LET", "UNDER OFFER"),
}
STREETS: dict[str, tuple[str, ...]] = {
    "fr": (
        "RUE DES TILLEULS",
        "ALLÉE DES CERISIERS",
        "CHEMIN DU LAVOIR",
        "IMPASSE SAINT-RÉMY",
        "RUE DE L'ÉGLISE",
    ),
    "en": ("MILL LANE", "CHURCH STREET", "ORCHARD CLOSE", "QUEENS ROAD", "HARBOUR WALK"),
}
TITLES: dict[str, tuple[str, ...]] = {
    "fr": ("Résidence des Acacias", "Villa Belvédère", "Maison Duval", "Domaine des Pins", "Le Clos Fleuri"),
    "en": ("Maple House", "Rosewood Lodge", "Kingsley Court", "The Old Dairy", "Harbour View"),
}
ARCHITECTS: dict[str, tuple[str, ...]] = {
    "fr": ("Atelier Moreau", "Cabinet Lefèvre Architectes", "Studio Garance"),
    "en": ("Whitfield Architects", "Studio Ashdown", "Clarke & Wren"),
}
LABELS: dict[str, tuple[str, ...]] = {
    "fr": ("Buanderie", "Local technique", "Chaufferie", "Cellier", "Cave"),
    "en": ("Cellar", "Pantry", "Utility room", "Plant room", "Darkroom"),
}
FEATURES = ("pool", "garage", "balcony", "chimney", "trees", "path", "solar")
_POSSIBLE: dict[str, tuple[str, ...]] = {
    "detached house": ("pool", "garage", "balcony", "chimney", "trees", "path", "solar"),
    "cottage": ("chimney", "trees", "path", "solar", "garage"),
    "villa": ("pool", "balcony", "trees", "path"),
    "apartment block": ("balcony", "trees"),
    "townhouses": ("chimney", "balcony", "solar"),
}


def pick(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    return options[int(rng.integers(len(options)))]


def sign_facts(rng: np.random.Generator, sign: str, language: str) -> FactDict:
    """What a board, plate or watermark says, all in one language; only the lines of its kind are shown."""
    letters = "".join(chr(65 + int(i)) for i in rng.integers(0, 26, 2))
    digits = rng.integers(0, 100, 4)
    phone = "0{} {:02d} {:02d} {:02d} {:02d}".format(int(rng.integers(1, 8)), *(int(d) for d in digits))
    if language == "en":
        phone = f"0{int(rng.integers(1100, 1999))} {int(rng.integers(100000, 999999))}"
    return {
        "sign": sign,
        "language": language,
        "agency": pick(rng, AGENCIES[language]),
        "offer": pick(rng, OFFERS[language]),
        "phone": phone,
        "reference": f"{'Réf.' if language == 'fr' else 'Ref.'} {letters}-{int(rng.integers(1000, 9999))}",
        "number": str(int(rng.integers(1, 199))),
        "street": pick(rng, STREETS[language]),
    }


def random_exterior(rng: np.random.Generator) -> FactDict:
    """Facts of a building from outside that go together: no pool before a block of flats."""
    building = pick(rng, tuple(_POSSIBLE))
    light = pick(rng, ("sunny", "sunny", "overcast", "dusk", "snow"))
    walls = ("brick", "stone", "white render", "yellow render", "timber")
    wall = pick(rng, walls[:4] if building in ("apartment block", "townhouses") else walls)
    roof = pick(rng, ("red", "grey", "brown", "black"))
    if building == "cottage" and rng.random() < 0.45:
        roof = "thatched"
    facts: FactDict = {"kind": "exterior", "building": building, "wall": wall, "light": light, "roof": roof}
    facts |= {name: name in _POSSIBLE[building] and bool(rng.random() < 0.45) for name in FEATURES}
    sign = pick(rng, ("none", "none", "none", "board", "number", "street", "watermark"))
    return consistent(facts | sign_facts(rng, sign, pick(rng, ("en", "fr"))))


def consistent(facts: FactDict) -> FactDict:
    """The same facts without those that would hide each other in the picture."""
    if facts["building"] in ("villa", "apartment block"):
        facts["roof"] = "flat"
    elif facts["light"] == "snow":
        facts["roof"] = "snow-covered"
    if facts["light"] == "snow":
        facts |= {"pool": False, "solar": False}
    if facts["roof"] == "thatched":
        facts["solar"] = False
    if facts["pool"]:
        facts |= {"path": False, "garage": False}
    return facts


def random_interior(rng: np.random.Generator) -> FactDict:
    """Facts of a room with its furniture."""
    room = pick(rng, ("kitchen", "living room", "bedroom", "bathroom"))
    floors = {"kitchen": ("wood", "tile"), "bathroom": ("tile", "tile", "wood")}.get(room, ("wood", "carpet", "tile"))
    facts: FactDict = {
        "kind": "interior",
        "room": room,
        "wall_colour": pick(rng, tuple(WALLS)),
        "floor": pick(rng, floors),
        "large_window": bool(rng.random() < 0.5),
        "plants": bool(rng.random() < 0.4),
    }
    if room == "kitchen":
        facts |= {
            "island": bool(rng.random() < 0.5),
            "cabinets": pick(rng, ("white", "blue", "green", "wooden")),
        }
    elif room == "living room":
        facts |= {name: bool(rng.random() < 0.4) for name in ("fireplace", "piano", "bookshelf")}
        facts |= {"sofa": bool(rng.random() < 0.75), "sofa_colour": pick(rng, tuple(TEXTILES))}
    elif room == "bedroom":
        facts |= {
            "bookshelf": bool(rng.random() < 0.3),
            "bed": True,
            "bed_colour": pick(rng, tuple(TEXTILES)),
        }
    else:
        facts |= {"bathtub": bool(rng.random() < 0.6)}
    sign = pick(rng, ("none", "none", "none", "watermark"))
    return roomy(facts | sign_facts(rng, sign, pick(rng, ("en", "fr"))))


def roomy(facts: FactDict) -> FactDict:
    """A wall that holds a fireplace or shelves has no place for a large window."""
    if facts["room"] == "living room" and (facts["fireplace"] or facts["bookshelf"]):
        facts["large_window"] = False
    return facts


def random_plan(rng: np.random.Generator) -> FactDict:
    """Facts of a plan with one to four of the symbols."""
    names = list(SYMBOL_FACTS)
    day, month, year = int(rng.integers(1, 29)), int(rng.integers(1, 13)), int(rng.integers(2016, 2025))
    chosen = {names[int(i)] for i in rng.choice(len(names), int(rng.integers(1, 5)), replace=False)}
    language = pick(rng, ("en", "fr"))
    facts: FactDict = {name: name in chosen for name in names}
    return facts | {
        "kind": "plan",
        "style": pick(rng, ("drawing", "blueprint")),
        "language": language,
        "label": pick(rng, LABELS[language]) if rng.random() < 0.4 else "",
        "title": pick(rng, TITLES[language]),
        "architect": pick(rng, ARCHITECTS[language]),
        "number": f"{pick(rng, ('A', 'B', 'P'))}-{int(rng.integers(101, 399))}",
        "scale": pick(rng, ("1:50", "1:100")),
        "date": f"{day:02d}/{month:02d}/{year}",
    }


def scene_of(facts: Facts, name: str, seed: int) -> Scene:
    """The scene of these facts, with the text that its boards, plates or title block carry."""
    text: tuple[str, ...] = ()
    if facts["kind"] == "plan":
        text = tuple(str(facts[key]) for key in ("title", "architect", "number", "scale", "date"))
        text += (str(facts["label"]),) if facts["label"] else ()
    else:
        lines = {
            "board": ("offer", "agency", "phone"),
            "number": ("number",),
            "street": ("street",),
            "watermark": ("agency", "reference"),
        }
        text = tuple(str(facts[key]) for key in lines.get(str(facts["sign"]), ()))
    language = str(facts["language"])
    return Scene(COLLECTION, name, facts, seed, text, ("fr" if language == "fr" else "en") if text else "")


_BUILDINGS = {
    "detached house": ("detached house", "family home", "two-storey house", "house"),
    "cottage": ("cottage", "small country house", "country cottage"),
    "villa": (
        "modern villa",
        "contemporary villa",
        "flat-roofed modern house",
        "modern house of stacked boxes",
    ),
    "apartment block": ("apartment block", "block of flats", "apartment building", "residential building"),
    "townhouses": ("row of townhouses", "terrace of houses", "row of terraced houses", "townhouse row"),
}
_WALLS = {
    "brick": ("brick", "red brick", "red-brick"),
    "stone": ("stone", "grey stone", "stone-built"),
    "white render": ("white", "white rendered", "whitewashed"),
    "yellow render": ("yellow", "ochre", "yellow rendered"),
    "timber": ("timber", "wooden", "timber-clad", "wood-clad"),
}
_LIGHTS = {
    "sunny": ("on a sunny day", "under a blue sky", "in bright sunshine"),
    "overcast": ("under a grey sky", "on a cloudy day", "in overcast weather"),
    "dusk": ("at dusk", "in the evening with lit windows", "at nightfall with glowing windows", "at night"),
    "snow": ("in the snow", "in winter", "on a snowy day", "covered in snow"),
}
_FEATURE_WORDS = {
    "pool": ("a swimming pool", "a blue pool", "a pool in the garden"),
    "garage": ("a garage", "an attached garage", "a garage at its side"),
    "balcony": ("a balcony", "railings on the balcony", "balconies"),
    "chimney": ("a chimney", "a tall chimney", "a chimney on the roof"),
    "trees": ("trees around it", "tall trees", "surrounding trees"),
    "path": ("a garden path", "a paved path to the door", "a stone path"),
    "solar": ("solar panels", "solar panels on the roof", "photovoltaic panels"),
}
_ROOMS = {
    "kitchen": ("kitchen", "fitted kitchen"),
    "living room": ("living room", "lounge", "sitting room"),
    "bedroom": ("bedroom", "sleeping room"),
    "bathroom": ("bathroom", "bath room"),
}
_FLOORS = {
    "wood": ("a wooden floor", "wooden floorboards", "a parquet floor"),
    "tile": ("a tiled floor", "chequered floor tiles"),
    "carpet": ("a carpet", "a carpeted floor", "beige carpet"),
}
_SYMBOL_WORDS = {
    "grand piano": ("a grand piano", "a piano"),
    "spiral staircase": ("a spiral staircase", "winding stairs", "a round staircase"),
    "bathtub": ("a bathtub", "a bath"),
    "sauna": ("a sauna", "a sauna cabin"),
    "fireplace": ("a fireplace", "an open fireplace", "a hearth"),
    "double garage": ("a double garage", "a garage for two cars", "two parked cars"),
    "swimming pool": ("a swimming pool", "an outdoor pool"),
    "lift": ("a lift", "an elevator", "a lift shaft"),
    "indoor plants": ("indoor plants", "potted plants", "house plants"),
    "pinball table": ("a pinball table", "a pinball machine"),
}


def _article(phrase: str) -> str:
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def _some(rng: np.random.Generator, parts: Sequence[str], most: int) -> list[str]:
    order = rng.permutation(len(parts))[:most]
    return [parts[int(i)] for i in order]


def captions(scene: Scene, rng: np.random.Generator) -> list[str]:
    """Five to seven true captions, from short to long."""
    makers = {"exterior": _exterior_captions, "interior": _interior_captions, "plan": _plan_captions}
    made = makers[str(scene.facts["kind"])](scene, rng)
    return list(dict.fromkeys(made))


def _exterior_captions(scene: Scene, rng: np.random.Generator) -> list[str]:
    facts = scene.facts
    building, light = str(facts["building"]), str(facts["light"])

    def thing() -> str:
        return f"{pick(rng, _WALLS[str(facts['wall'])])} {pick(rng, _BUILDINGS[building])}"

    has = [pick(rng, _FEATURE_WORDS[name]) for name in FEATURES if facts[name]]
    roof = str(facts["roof"])
    roofs = {"thatched": "a thatched roof", "flat": "a flat roof", "snow-covered": "snow on the roof"}
    details = [*has, roofs.get(roof, f"a {roof} roof")]
    when = pick(rng, _LIGHTS[light])
    made = [
        thing(),
        f"{thing()} {when}",
        f"photo of {_article(thing())} with {_and(_some(rng, details, 2))}",
        f"the outside of {_article(pick(rng, _BUILDINGS[building]))} {pick(rng, _LIGHTS[light])}",
        f"{_article(thing())} with {_and(_some(rng, details, 3))}, {when}",
    ]
    if has:
        made.append(f"{pick(rng, _BUILDINGS[building])} that has {_and(_some(rng, has, 3))}")
    signs = {
        "board": f"estate agent's board in front of {_article(thing())}",
        "number": f"{thing()} behind a gate post with the number {facts['number']}",
        "street": f'{thing()} with the street name "{facts["street"]}" on a blue sign',
        "watermark": f"estate agent's picture of {_article(thing())}",
    }
    if facts["sign"] in signs:
        made.append(signs[str(facts["sign"])])
    return made


def _furniture(facts: Facts, rng: np.random.Generator) -> list[str]:
    words: list[str] = []
    if facts.get("island"):
        words.append(pick(rng, ("a kitchen island", "a central island with stools", "an island")))
    if facts["room"] == "kitchen":
        words.append(f"{facts['cabinets']} {pick(rng, ('cabinets', 'cupboards', 'units'))}")
        if not facts["island"]:
            words.append(pick(rng, ("a dining table", "a wooden table with chairs")))
    if facts.get("sofa"):
        words.append(f"a {facts['sofa_colour']} {pick(rng, ('sofa', 'couch', 'settee'))}")
    if facts["room"] == "living room":
        words.append(pick(rng, ("a coffee table", "a low table on a rug")))
    if facts.get("bed"):
        words.append(f"a {facts['bed_colour']} {pick(rng, ('bed', 'bedspread', 'double bed'))}")
    if facts["room"] == "bathroom":
        tub = ("a bathtub", "a free-standing bath", "a white bathtub")
        words.append(pick(rng, tub if facts["bathtub"] else ("a shower", "a glass shower cabin", "a walk-in shower")))
    extra = {
        "fireplace": ("a burning fireplace", "an open fire", "a fireplace"),
        "piano": ("a grand piano", "a black piano", "a black grand piano"),
        "bookshelf": ("a bookshelf", "a bookcase full of books", "shelves of books"),
        "plants": ("plants", "green potted plants", "house plants"),
        "large_window": ("a large window", "a big bright window", "a wide window"),
    }
    return words + [pick(rng, options) for name, options in extra.items() if facts.get(name)]


def _interior_captions(scene: Scene, rng: np.random.Generator) -> list[str]:
    facts = scene.facts
    room, walls = str(facts["room"]), str(facts["wall_colour"])
    things = _furniture(facts, rng)
    floor = pick(rng, _FLOORS[str(facts["floor"])])

    def name() -> str:
        return pick(rng, _ROOMS[room])

    return [
        f"{name()} with {pick(rng, things)}",
        f"{walls} {name()}",
        f"photo of a {name()} with {_and(_some(rng, things, 2))}",
        f"interior of a {name()} with {walls} {'tiles' if room == 'bathroom' else 'walls'} and {floor}",
        f"a {name()} with {floor} and {_and(_some(rng, things, 2))}",
        f"a {walls}-walled {name()} furnished with {_and(_some(rng, things, 4))}",
    ]


def _plan_captions(scene: Scene, rng: np.random.Generator) -> list[str]:
    facts = scene.facts
    styles = {
        "blueprint": (
            "blueprint of a house",
            "blue architect's blueprint",
            "white-on-blue floor plan",
            "blueprint",
        ),
        "drawing": ("floor plan", "architect's drawing of a house", "architectural floor plan", "house plan"),
    }

    def plan() -> str:
        return pick(rng, styles[str(facts["style"])])

    symbols = [pick(rng, _SYMBOL_WORDS[label]) for name, label in SYMBOL_FACTS.items() if facts[name]]
    made = [
        plan(),
        f"{plan()} with {pick(rng, symbols)}",
        f"{_article(plan())} showing {_and(_some(rng, symbols, 2))}",
        f"drawing of the layout of a home with {_and(_some(rng, symbols, 3))}",
        f"plan of rooms seen from above, with {_and(_some(rng, symbols, 4))}",
    ]
    if facts["label"]:
        made.append(f'{plan()} with a room marked "{facts["label"]}"')
    return made


def region_captions(region: Region, rng: np.random.Generator) -> list[str]:
    """Captions of a crop of a plan around a symbol or a small label."""
    if region.label.startswith(LABEL_PREFIX):
        word = region.label.removeprefix(LABEL_PREFIX)
        return [
            f'the word "{word}" on a floor plan',
            f"part of a plan with a room marked {word}",
            f"room labelled {word} in an architect's drawing",
        ]
    thing = pick(rng, _SYMBOL_WORDS[region.label])
    other = pick(rng, _SYMBOL_WORDS[region.label])
    return [
        f"{thing} on a floor plan",
        f"symbol of {other} in an architect's drawing",
        f"part of a house plan showing {thing}",
        f"{region.label} drawn on a plan, seen from above",
    ]
