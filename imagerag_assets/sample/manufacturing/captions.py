"""Captions of scenes and of defects seen from near, worded by lot."""

from __future__ import annotations

from imagerag_assets.sample.manufacturing.vocabulary import Generator, pick
from imagerag_assets.sample.scene import Facts, Region, Scene

PART_WORDS: dict[str, tuple[tuple[str, str], ...]] = {
    "gear": (
        ("gear", "gears"), ("cog", "cogs"), ("gear wheel", "gear wheels"), ("cogwheel", "cogwheels"),
        ("toothed wheel", "toothed wheels"),
    ),
    "bolt": (
        ("hex bolt", "hex bolts"), ("bolt", "bolts"), ("hexagon head screw", "hexagon head screws"),
        ("threaded bolt", "threaded bolts"),
    ),
    "nut": (("hex nut", "hex nuts"), ("nut", "nuts"), ("hexagonal nut", "hexagonal nuts")),
    "washer": (("washer", "washers"), ("flat washer", "flat washers"), ("ring washer", "ring washers")),
    "bearing": (("ball bearing", "ball bearings"), ("bearing", "bearings")),
    "flange": (
        ("flange", "flanges"), ("pipe flange", "pipe flanges"),
        ("round flange with bolt holes", "round flanges with bolt holes"),
    ),
    "spring": (
        ("coil spring", "coil springs"), ("spring", "springs"), ("compression spring", "compression springs"),
    ),
    "elbow": (
        ("pipe elbow", "pipe elbows"), ("pipe bend", "pipe bends"), ("elbow fitting", "elbow fittings"),
        ("curved pipe fitting", "curved pipe fittings"),
    ),
    "board": (
        ("circuit board", "circuit boards"), ("printed circuit board", "printed circuit boards"),
        ("PCB", "PCBs"), ("electronics board", "electronics boards"),
    ),
    "plate": (
        ("plate with holes", "plates with holes"), ("perforated plate", "perforated plates"),
        ("drilled metal sheet", "drilled metal sheets"),
    ),
    "shaft": (
        ("shaft", "shafts"), ("stepped shaft", "stepped shafts"), ("axle", "axles"), ("spindle", "spindles"),
    ),
    "impeller": (("impeller", "impellers"), ("fan wheel", "fan wheels"), ("bladed rotor", "bladed rotors")),
}  # fmt: skip

MATERIAL_WORDS: dict[str, tuple[str, ...]] = {
    "steel": ("steel", "silver coloured", "grey metal", "shiny steel"),
    "brass": ("brass", "golden", "yellow metal", "brass coloured"),
    "copper": ("copper", "reddish copper", "copper coloured"),
    "rusty_iron": ("rusty", "rusty iron", "corroded", "rust-covered"),
    "blue_aluminium": ("blue", "blue anodised", "blue anodised aluminium", "blue metal"),
    "red_aluminium": ("red", "red anodised", "red anodised aluminium", "red metal"),
    "black_aluminium": ("black", "black anodised", "black anodised aluminium", "black metal"),
    "white_plastic": ("white plastic", "white", "white nylon"),
    "yellow_plastic": ("yellow plastic", "yellow"),
    "green_board": ("green",),
    "blue_board": ("blue",),
    "red_board": ("red",),
    "black_board": ("black",),
}

DEFECT_WORDS: dict[str, tuple[str, ...]] = {
    "missing_tooth": ("a missing tooth", "a broken tooth", "a tooth broken off", "damaged teeth"),
    "broken_blade": ("a broken blade", "a snapped blade", "a missing blade", "a damaged blade"),
    "crack": ("a crack", "a dark crack", "a fracture", "a visible crack"),
    "scratch": ("a scratch", "scratches", "deep scratches", "scratch marks"),
    "rust_spot": ("a rust spot", "rust", "a patch of rust", "a corroded spot"),
    "dent": ("a dent", "a deep dent", "an impact mark", "a dented spot"),
    "burn_mark": ("a burn mark", "a burnt spot", "a scorched area", "heat damage"),
    "missing_component": (
        "a missing chip",
        "a missing component",
        "empty pads",
        "an unpopulated chip position",
    ),
    "none": ("no defect", "no visible damage"),
}

BACKGROUND_WORDS: dict[str, tuple[str, ...]] = {
    "mat": ("on a green inspection mat", "on a green cutting mat", "on a green gridded mat"),
    "belt": ("on a conveyor belt", "on a black conveyor", "moving along a conveyor belt"),
    "wood": ("on a wooden workbench", "on a wooden table", "on wood", "on a wooden bench"),
    "light": ("on a light table", "on a bright backlit table", "backlit on a white light box"),
    "grid": ("on hand-drawn grid paper", "on paper with a hand-drawn grid", "on a sketched blue grid"),
    "tray": ("in a grey tray", "in a grey plastic tray", "in a parts tray"),
    "concrete": ("on a concrete floor", "on grey concrete", "on the workshop floor"),
}

CARRIER_WORDS: dict[str, tuple[str, ...]] = {
    "label": ("a paper label", "a printed inspection tag", "a sticker"),
    "nameplate": ("an engraved metal nameplate", "a serial plate"),
    "calliper": ("a digital calliper", "a calliper with a display"),
    "stamped": ("stamped letters", "an engraved number"),
}

BROKEN_ADJECTIVES: dict[str, tuple[str, ...]] = {
    "missing_tooth": ("broken", "damaged", "chipped"),
    "broken_blade": ("broken", "damaged"),
    "crack": ("cracked", "fractured"),
    "scratch": ("scratched", "scuffed"),
    "rust_spot": ("rust-stained", "partly rusted"),
    "dent": ("dented", "damaged"),
    "burn_mark": ("burnt", "scorched"),
    "missing_component": ("incomplete", "partly populated"),
}


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _noun(facts: Facts, rng: Generator, adjective: str = "", coloured: bool = True) -> str:
    """Name the subject with its article: "a row of brass gears"."""
    one, many = PART_WORDS[str(facts["part"])][int(rng.integers(0, len(PART_WORDS[str(facts["part"])])))]
    colour = pick(rng, MATERIAL_WORDS[str(facts["material"])]) if coloured else ""
    arrangement = facts["arrangement"]
    if arrangement == "single":
        return _with_article(" ".join(word for word in (adjective, colour, one) if word))
    group = {
        "row": ("a row of", "several", "a line of"),
        "pile": ("a pile of", "a heap of", "many"),
        "tray": ("a tray full of", "a full tray of", "a tray with rows of"),
    }[str(arrangement)]
    return " ".join(word for word in (pick(rng, group), colour, many) if word)


def _flawed(facts: Facts, rng: Generator) -> str:
    """How the defect is added to a noun: " with a crack", ", one of them with a crack"."""
    flaw = pick(rng, DEFECT_WORDS[str(facts["defect"])])
    if facts["arrangement"] == "single":
        return f" with {flaw}"
    return pick(rng, (f", one of them with {flaw}", f", one has {flaw}", f" and one with {flaw}"))


def _place_words(facts: Facts, rng: Generator) -> str:
    if facts["arrangement"] == "tray":
        return pick(rng, ("seen from above", "sorted in compartments", "in a grey plastic tray"))
    return pick(rng, BACKGROUND_WORDS[str(facts["background"])])


def captions(scene: Scene, rng: Generator) -> list[str]:
    """Caption a scene truly, from short to long."""
    facts = scene.facts
    flawed, place = facts["defect"] != "none", _place_words(facts, rng)
    style = pick(rng, ("photo of", "close-up of", "workshop photo of", "inspection picture of", "top view of"))
    texts = [_noun(facts, rng), f"{_noun(facts, rng)} {place}", f"{style} {_noun(facts, rng)}"]
    if flawed:
        flaw = pick(rng, DEFECT_WORDS[str(facts["defect"])])
        part = pick(rng, [one for one, _ in PART_WORDS[str(facts["part"])]])
        texts += [
            f"{_noun(facts, rng)}{_flawed(facts, rng)}",
            f"{flaw} on {_with_article(part)}",
            f"{style} {_noun(facts, rng, coloured=rng.random() < 0.5)} {place}{_flawed(facts, rng)}",
        ]
        if facts["arrangement"] == "single":
            adjective = pick(rng, BROKEN_ADJECTIVES[str(facts["defect"])])
            texts.append(_noun(facts, rng, adjective, coloured=rng.random() < 0.5))
    else:
        texts.append(f"{_noun(facts, rng, coloured=False)} {_place_words(facts, rng)}")
        if facts["material"] != "rusty_iron":
            texts.append(f"{_noun(facts, rng)} with {pick(rng, DEFECT_WORDS['none'])}")
    if scene.text:
        carrier = pick(rng, CARRIER_WORDS[str(facts["carrier"])])
        words = f" with the words {scene.text[0].lower()}" if rng.random() < 0.4 else ""
        link = "with" if facts["carrier"] == "stamped" else "next to"
        texts.append(f"{_noun(facts, rng)} {link} {carrier}{words}")
    sentence = f"{_noun(facts, rng)} can be seen {place}"
    texts.append(f"{sentence[0].upper()}{sentence[1:]}{_flawed(facts, rng) if flawed else ''}.")
    return texts[:8]


def region_captions(region: Region, rng: Generator) -> list[str]:
    """Captions of a crop around a defect; the region's label is "defect part material"."""
    defect, part, material = region.label.split()
    facts: Facts = {"part": part, "material": material, "arrangement": "single", "defect": defect}
    flaw = pick(rng, DEFECT_WORDS[defect])
    return [
        f"{_noun(facts, rng)} with {flaw}",
        f"close-up of {flaw} on {_noun(facts, rng, coloured=False)}",
        _noun(facts, rng, pick(rng, BROKEN_ADJECTIVES[defect])),
        f"{flaw} seen from near on {_noun(facts, rng)}",
    ]
