"""Which scenes the corpus has, and scenes drawn by lot for training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from imagerag_assets.sample.manufacturing.vocabulary import (
    BACKGROUNDS,
    COLLECTION,
    DEFECTS,
    MATERIALS,
    WIDE_PARTS,
    Generator,
    pick,
)
from imagerag_assets.sample.scene import Facts, Scene

CORPUS = """
gear steel missing_tooth mat single | label | REJECTED | LOT 7731-B
gear brass missing_tooth wood single
gear steel missing_tooth concrete row
gear white_plastic missing_tooth belt row
gear steel missing_tooth tray tray
gear steel none tray tray
gear brass missing_tooth tray tray
gear brass none mat single | label | ACCEPTED | LOT 7731-B
gear brass none grid pile
gear brass none light single | label | REJECTED | LOT 4418-A
gear white_plastic none mat single | label | ACCEPTED | LOT 5102-C
gear white_plastic none wood pile
gear white_plastic none tray single
gear white_plastic none belt row
gear rusty_iron none grid single | label | REJECTED | LOT 2290-A
gear black_aluminium none concrete single | nameplate | TYPE Z18 | SN 40871
bolt rusty_iron none wood single
bolt rusty_iron none concrete pile
bolt rusty_iron none grid row
bolt steel rust_spot mat single | label | REJECTED | M12x1.75 | LOT 3306-D
bolt steel none mat single | calliper | 11.97 mm
bolt steel none grid row | label | M12x1.75 | DIN 933 | 8.8
bolt brass none mat row | label | M8x1.25 | DIN 933
bolt rusty_iron none tray single | label | SCRAP | M16x2.0
bearing steel none wood pile
nut steel none concrete pile
nut brass none wood pile
nut steel none tray pile
nut rusty_iron none grid pile
nut steel rust_spot tray tray
nut steel none tray tray
nut brass none tray single | calliper | 24.98 mm
nut steel crack mat single | label:fr | CONTRÔLE QUALITÉ | REFUSÉ | Lot 6127-F
nut brass none grid pile
washer steel none light row
washer copper none light single
washer red_aluminium none light row
washer steel crack light single
washer blue_aluminium none light pile
washer copper none grid row | label:fr | PIÈCE CONFORME | Lot 5520-C
bearing steel none wood single | label | ACCEPTED | LOT 2290-A
bearing steel rust_spot wood single
bearing steel none wood row
bearing rusty_iron none wood pile
bearing steel crack tray tray
bearing steel none tray tray
bearing steel none mat single | nameplate | 6204-2RS | SN 40817
bearing steel burn_mark tray single | label | REJECTED | LOT 2290-A
bearing steel none belt row
flange steel crack mat single
flange steel crack concrete single | label:fr | CONTRÔLE QUALITÉ | REFUSÉ | Lot 8842-K
flange brass crack wood single
flange red_aluminium crack tray single
flange blue_aluminium crack grid single
flange blue_aluminium none mat single | nameplate | PN 16 DN 50 | SN 40922
flange blue_aluminium none belt row
flange rusty_iron none grid single
flange steel none wood single | label:fr | PIÈCE CONFORME | Lot 8842-K
spring steel none mat single
spring copper none mat row
spring steel rust_spot mat single | label | HOLD FOR REVIEW | LOT 9015-E
spring rusty_iron none mat pile
spring steel none light row
spring steel none mat pile
elbow copper none wood single
elbow copper dent concrete single
elbow copper none tray pile
elbow copper none mat row | label:fr | À RETOUCHER | Lot 1175-H
elbow copper crack grid single
elbow brass none mat single | label:fr | À RETOUCHER | Lot 1175-H
shaft rusty_iron none grid single
board green_board burn_mark mat single
board green_board burn_mark light single
board green_board burn_mark tray single
board green_board burn_mark wood single | label | REWORK | WO 55821
board green_board burn_mark mat large
board green_board none mat large
board green_board missing_component mat single
board blue_board missing_component wood single
board blue_board missing_component tray single | label | REWORK | WO 55907
board red_board missing_component light single
board blue_board missing_component grid large
board red_board none grid single | label | HOLD FOR REVIEW | WO 56114
plate steel dent wood single
plate blue_aluminium dent mat single
plate copper dent concrete single
plate brass dent tray single
plate red_aluminium dent light single
plate red_aluminium none wood single | stamped | TX-4190
plate steel none mat single | stamped | TX-4190
plate steel none concrete single | stamped | RK-2087
shaft steel scratch mat single
shaft steel scratch wood single
shaft steel scratch grid single
shaft brass scratch light single
shaft steel scratch belt row
shaft steel none mat single | calliper | 24.98 mm
impeller blue_aluminium broken_blade mat single
impeller steel broken_blade wood single
impeller red_aluminium broken_blade tray single
impeller white_plastic broken_blade concrete single
impeller black_aluminium broken_blade belt single
impeller blue_aluminium none light single
impeller red_aluminium none belt row
"""
"""part material defect background arrangement, then what carries text and its lines."""


def make_scene(name: str, seed: int, looks: Sequence[str], carrier: str, text: tuple[str, ...]) -> Scene:
    """Build a scene of part, material, defect, background, arrangement ("large": a crowded board)."""
    part, material, defect, background, arrangement = looks
    facts: Facts = {
        "part": part, "material": material, "defect": defect, "background": background,
        "arrangement": "single" if arrangement == "large" else arrangement,
        "large": arrangement in ("large", "tray"),
        "carrier": carrier.removesuffix(":fr"), "words": " ".join(text),
    }  # fmt: skip
    language: Literal["en", "fr", ""] = "" if not text else "fr" if carrier.endswith(":fr") else "en"
    return Scene(COLLECTION, name, facts, seed, text, language)


def corpus_scenes() -> tuple[Scene, ...]:
    """Return the collection's scenes, always the same."""
    scenes = []
    for number, line in enumerate(CORPUS.strip().splitlines(), start=1):
        looks, *rest = (field.strip() for field in line.split("|"))
        carrier = rest[0] if rest else ""
        scenes.append(make_scene(f"m-{number:04d}", 700_000 + 37 * number, looks.split(), carrier, tuple(rest[1:])))
    return tuple(scenes)


def _code(rng: Generator) -> str:
    letters = "ABCDEFGHKLMNPRT"
    return f"{int(rng.integers(1000, 9999))}-{letters[int(rng.integers(0, len(letters)))]}"


def _random_text(part: str, rng: Generator) -> tuple[str, tuple[str, ...]]:
    """Choose what carries text in a training scene, and the lines."""
    carriers = (
        "label",
        "label",
        "label:fr",
        "nameplate",
        "calliper",
        *(("stamped",) * 2 if part == "plate" else ()),
    )
    carrier = pick(rng, carriers)
    if carrier == "label":
        verdict = pick(rng, ("REJECTED", "ACCEPTED", "REWORK", "HOLD FOR REVIEW", "SCRAP", "INSPECTED", "DIN 933"))
        return carrier, (verdict, f"LOT {_code(rng)}")
    if carrier == "label:fr":
        verdict = pick(rng, ("PIÈCE CONFORME", "REFUSÉ", "À RETOUCHER", "CONTRÔLE QUALITÉ", "REBUT"))
        return carrier, (verdict, f"Lot {_code(rng)}")
    if carrier == "nameplate":
        return carrier, (f"TYPE {_code(rng)}", f"SN {int(rng.integers(41000, 99999))}")
    if carrier == "calliper":
        return carrier, (f"{float(rng.uniform(3, 140)):.2f} mm",)
    return carrier, (f"{pick(rng, ('TX', 'RK', 'BV', 'QL'))}-{int(rng.integers(5000, 9999))}",)


def _shows(defect: str, material: str) -> bool:
    """Whether a defect can be seen on a material: rust grows on steel only, and black hides what is dark."""
    if defect == "rust_spot":
        return material == "steel"
    if material.startswith("black"):
        return defect not in ("crack", "burn_mark")
    return not (defect == "scratch" and material in ("white_plastic", "rusty_iron"))


def random_scene(rng: Generator) -> Scene:
    """Draw by lot a scene for training, of the corpus's distribution; its seed is 2**32 or above."""
    seed = int(rng.integers(2**32, 2**48))
    part = pick(rng, tuple(MATERIALS))
    material = pick(rng, MATERIALS[part])
    possible = [defect for defect in DEFECTS[part] if _shows(defect, material)]
    defect = pick(rng, possible) if possible and rng.random() < 0.55 else "none"
    background = pick(rng, BACKGROUNDS)
    arrangement = pick(rng, ("single", "single", "single", "row", "pile" if part not in WIDE_PARTS else "row"))
    if rng.random() < 0.07:
        arrangement = "large" if part == "board" else "single" if part == "plate" else "tray"
        background = "tray" if arrangement == "tray" else background
    if arrangement == "row" and background == "tray":
        background = "belt"
    carrier = ""
    text: tuple[str, ...] = ()
    if rng.random() < 0.33 and arrangement in ("single", "row"):
        carrier, text = _random_text(part, rng)
        arrangement = "single" if carrier == "stamped" else arrangement
    return make_scene(f"m-{seed:x}", seed, (part, material, defect, background, arrangement), carrier, text)
