"""The corpus of the collection, and random scenes of the same kind; `photos` draws them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from imagerag_assets.sample.products.vocabulary import (
    COLOUR_NAMES,
    MATERIALS,
    PATTERNED,
    PROPS,
    SETTINGS,
    SHELVED,
)
from imagerag_assets.sample.scene import Facts, Scene

COLLECTION = "products"

BRANDS_EN = ("Nordhavn", "Casa Verde", "Kestrel & Co", "Oak Harbour", "Fjord Supply", "Halden")
BRANDS_FR = (
    "Maison Lumière",
    "Atelier Bréhat",
    "Belle Étoile",
    "Petit Galet",
    "Tramontane",
    "Rivière & Fils",
)
MODELS = (
    "Calanque",
    "Oslo",
    "Brume",
    "Juniper",
    "Mistral",
    "Solène",
    "Linden",
    "Écume",
    "Garrigue",
    "Tamarin",
)
NOTES_EN = (
    "Final sale", "Two-year warranty", "Sold out", "Back in stock", "Staff pick", "Handmade in Portugal",
    "Limited edition", "Free delivery over $50",
)  # fmt: skip
NOTES_FR = (
    "Fabriqué en Bretagne", "Édition limitée", "Dernières pièces", "Garantie 2 ans", "Épuisé", "Coup de cœur",
    "Livraison offerte dès 60 €", "Prêt à offrir",
)  # fmt: skip
BANNERS_EN = ("SUMMER SALE", "NEW ARRIVAL", "LAST CHANCE -50%")
BANNERS_FR = ("SOLDES -30 %", "NOUVEAUTÉ", "OFFRE DU JOUR")
_PRINTABLE = ("mug", "vase", "bottle", "teapot", "tote", "backpack", "cushion")

# object colour material pattern setting number prop | label | lines separated by ;
_CORPUS = """
mug red ceramic plain wood 1 - | print | Casa Verde
mug red ceramic plain wood 1 - | card | Oak Harbour;Model Linden;ART. 20774;£12.50
mug red ceramic plain wood 2 -
mug red ceramic plain wood 1 books
mug red metal plain wood 1 - | print | Petit Galet
mug red ceramic plain marble 1 - | card | Casa Verde;Model Juniper;ART. 31968;£9.90;Handmade in Portugal
mug blue ceramic plain wood 1 - | print | Casa Verde
mug green ceramic striped wood 1 -
mug white ceramic dotted studio 1 -
mug orange ceramic dotted marble 2 -
mug black metal plain grass 1 - | print | Fjord Supply
mug yellow ceramic plain studio 1 - | banner | NOUVEAUTÉ
cushion blue fabric striped studio 1 -
cushion red fabric striped wood 1 - | card | Belle Étoile;Modèle Mistral;Réf. 66120;19,90 €;Fabriqué en Bretagne
cushion yellow fabric striped grass 1 -
cushion grey fabric striped studio 2 -
cushion purple fabric striped brick 1 -
cushion green fabric plain studio 1 - | print | Tramontane
cushion orange fabric plain wood 1 - | banner | SOLDES -30 %
cushion pink fabric dotted wood 1 -
vase blue glass plain wood 1 - | banner | SOLDES -30 %
vase blue glass plain marble 1 -
vase blue glass plain studio 1 - | card | Maison Lumière;Modèle Écume;ART. 48213;39,90 €
vase blue glass plain grass 1 -
vase blue glass plain studio 2 -
vase turquoise ceramic plain wood 1 books | banner | OFFRE DU JOUR
vase white ceramic striped studio 1 - | print | Atelier Bréhat
vase pink ceramic dotted marble 1 -
vase green glass plain brick 1 - | card | Rivière & Fils;Modèle Garrigue;Réf. 11845;54,00 €;Dernières pièces
teapot white ceramic plain marble 1 lemons
teapot white ceramic plain marble 1 -
teapot white ceramic plain marble 1 - | card | Atelier Bréhat;Modèle Calanque;Réf. 70356;46,00 €;Fabriqué en Bretagne
teapot white ceramic plain marble 2 -
teapot blue ceramic dotted wood 1 -
teapot green ceramic dotted studio 1 - | print | Petit Galet
teapot grey metal plain wood 1 lemons
teapot yellow ceramic plain grass 1 - | card | Belle Étoile;Modèle Solène;Réf. 90417;42,50 €;Épuisé
backpack black leather plain wood 1 - | print | Nordhavn
backpack black leather plain studio 1 - | print | Kestrel & Co
backpack black leather plain brick 1 -
backpack black leather plain grass 1 - | card | Halden;Model Oslo;ART. 52290;$89.00;Back in stock
backpack black leather plain studio 2 -
backpack red fabric plain grass 1 - | print | Nordhavn
backpack orange fabric striped wood 1 - | banner | LAST CHANCE -50%
backpack turquoise fabric plain brick 1 - | card | Nordhavn;Model Brume;ART. 63381;$74.00;Two-year warranty
sneaker blue fabric plain grass 2 -
sneaker red leather plain grass 2 -
sneaker black fabric plain grass 2 - | banner | SUMMER SALE
sneaker orange fabric striped grass 2 -
sneaker white leather plain grass 2 - | card | Fjord Supply;Model Tamarin;ART. 77031;$65.00
sneaker white leather plain studio 1 - | card | Kestrel & Co;Model Oslo;ART. 15502;£24.90
sneaker white fabric plain studio 1 - | banner | NEW ARRIVAL
sneaker white fabric plain studio 1 - | card | Halden;Model Juniper;ART. 15873;£31.00;Sold out
sneaker white leather plain studio 2 -
sneaker green leather plain brick 1 - | card | Kestrel & Co;Model Linden;ART. 40099;£58.00;Final sale
chair yellow wood plain brick 1 -
chair yellow metal plain brick 1 plant
chair yellow wood plain brick 2 -
chair yellow wood plain brick 1 - | card | Oak Harbour;Model Tamarin;ART. 83125;$120.00;Free delivery over $50
chair brown wood plain studio 1 -
chair blue wood plain wood 1 plant
chair white metal plain grass 1 - | card | Rivière & Fils;Modèle Brume;Réf. 25540;89,00 €;Livraison offerte dès 60 €
sofa green fabric plain wood 1 plant
sofa green leather plain studio 1 - | card | Rivière & Fils;Modèle Mistral;Réf. 25871;790,00 €;Garantie 2 ans
sofa green fabric plain brick 1 -
sofa green fabric striped wood 1 -
sofa green fabric plain studio 1 - | banner | SOLDES -30 %
sofa grey fabric plain wood 1 plant | banner | LAST CHANCE -50%
sofa brown leather plain brick 1 - | card | Tramontane;Modèle Garrigue;Réf. 33018;1 150,00 €;Garantie 2 ans
watch brown leather plain wood 1 -
watch brown leather plain studio 1 - | card | Halden;Model Linden;ART. 58844;$210.00;Two-year warranty
watch brown leather plain marble 1 -
watch brown leather plain wood 1 books
watch black metal plain marble 1 - | card | Maison Lumière;Modèle Solène;Réf. 48123;185,00 €;Édition limitée
tote red leather plain studio 1 -
tote red leather plain wood 1 - | print | Tramontane
tote red leather plain brick 1 -
tote red leather plain marble 1 - | card | Maison Lumière;Modèle Mistral;Réf. 48231;149,00 €;Dernières pièces
tote turquoise fabric striped grass 1 - | print | Oak Harbour
lamp orange wood plain studio 1 books
lamp yellow wood plain wood 1 books
lamp white wood plain wood 1 -
lamp blue wood striped studio 1 - | card | Atelier Bréhat;Modèle Brume;Réf. 70811;69,00 €;Prêt à offrir
lamp red metal plain brick 1 books
bottle green glass plain marble 2 -
bottle green glass plain wood 2 -
bottle green glass plain grass 2 -
bottle green glass plain studio 2 -
bottle green glass plain marble 1 lemons | print | Rivière & Fils
bottle turquoise metal plain grass 1 - | print | Fjord Supply
bottle yellow glass plain marble 1 lemons
"""

# one paragraph a shelf, one line a board
_CORPUS_SHELVES = """
purple mug|purple vase|yellow teapot|green cushion|black watch
white lamp|pink tote|grey bottle|orange backpack|blue mug
green vase|black teapot|white cushion|grey watch|red lamp

white mug|grey lamp|pink vase|red bottle|yellow teapot
green backpack|grey watch|grey dotted cushion|white sneaker|black mug
orange vase|green tote|red dotted tote|blue lamp|pink cushion

purple backpack|green mug|white vase|orange lamp|red cushion
blue bottle|grey teapot|black tote|pink mug|grey watch
yellow vase|red sneaker|white lamp|green bottle|blue cushion

blue lamp|red teapot|white striped mug|green vase|black sneaker
purple backpack|yellow tote|pink cushion|grey watch|orange mug
white bottle|brown tote|red vase|green lamp|blue teapot

red watch|blue cushion|green bottle|white teapot|orange vase
pink lamp|grey backpack|grey mug|yellow sneaker|blue tote
purple tote|white vase|green mug|yellow lamp|black bottle

black bottle|green mug|yellow lamp|white cushion|green tote
blue teapot|orange mug|red watch|grey vase|pink backpack
brown sneaker|red cushion|purple vase|white teapot|orange lamp

turquoise bottle|red lamp|blue mug|white sneaker|green dotted cushion
black teapot|orange tote|grey vase|pink watch|purple mug
yellow cushion|white backpack|purple vase|green lamp|brown tote

yellow vase|white tote|grey cushion|blue backpack|red sneaker
turquoise bottle|green lamp|orange teapot|black mug|pink vase
white watch|purple tote|blue lamp|yellow mug|green cushion
"""


def single_scene(name: str, row: str, seed: int) -> Scene:
    looks, label, lines = ([*(part.strip() for part in row.split("|")), "none", ""])[:3]
    thing, colour, material, pattern, setting, number, prop = looks.split()
    text = tuple(lines.split(";")) if lines else ()
    facts: Facts = {
        "layout": "single", "object": thing, "colour": colour, "material": material, "pattern": pattern,
        "setting": setting, "number": int(number), "prop": prop.strip("-"), "label": label,
        "words": " / ".join(text), "items": "",
    }  # fmt: skip
    return Scene(COLLECTION, name, facts, seed, text, _language(text))


def _language(text: tuple[str, ...]) -> Literal["en", "fr", ""]:
    """Language of a card by its last line, and of a brand or banner by itself."""
    if not text:
        return ""
    return "fr" if text[-1] in (*BRANDS_FR, *BANNERS_FR, *NOTES_FR) or "€" in text[-1] else "en"


def _shelf_scene(name: str, items: str, seed: int) -> Scene:
    facts: Facts = {
        "layout": "shelf", "object": "", "colour": "", "material": "", "pattern": "", "setting": "shelf",
        "number": 0, "prop": "", "label": "none", "words": "", "items": items,
    }  # fmt: skip
    return Scene(COLLECTION, name, facts, seed)


def corpus_scenes() -> tuple[Scene, ...]:
    """Return the collection's scenes, in an order that tells nothing about them."""
    rows: list[tuple[Callable[[str, str, int], Scene], str]]
    rows = [(single_scene, row) for row in _CORPUS.strip().splitlines()]
    rows += [(_shelf_scene, goods.replace("\n", "|")) for goods in _CORPUS_SHELVES.strip().split("\n\n")]
    places = np.random.default_rng(11).permutation(len(rows))
    named = zip(places, rows, strict=True)
    scenes = [make(f"p-{place:04d}", row, 63_000 + k) for k, (place, (make, row)) in enumerate(named)]
    return tuple(sorted(scenes, key=lambda scene: scene.name))


def random_scene(rng: np.random.Generator) -> Scene:
    """Make up a scene for training; nearly one in ten is a shop's shelf."""
    seed = int(rng.integers(2**32, 2**62))
    name = f"random-{seed:016x}"
    if rng.random() < 0.09:
        return _shelf_scene(name, "|".join(_random_item(rng) for _ in range(int(rng.integers(12, 16)))), seed)
    thing = str(rng.choice(list(MATERIALS)))
    pattern = str(rng.choice(["plain", "striped", "dotted"], p=[0.5, 0.25, 0.25])) if thing in PATTERNED else "plain"
    number = 2 if rng.random() < (0.5 if thing == "sneaker" else 0.22) else 1
    label = str(rng.choice(["none", "card", "print", "banner"], p=[0.6, 0.16, 0.14, 0.1]))
    if label == "print" and thing not in _PRINTABLE:
        label = "none"
    prop = str(rng.choice(PROPS)) if number == 1 and label != "card" and rng.random() < 0.3 else "-"
    looks = [thing, str(rng.choice(COLOUR_NAMES)), str(rng.choice(MATERIALS[thing])), pattern,
             str(rng.choice(SETTINGS)), str(number), prop]  # fmt: skip
    return single_scene(name, f"{' '.join(looks)} | {label} | {';'.join(_random_lines(rng, label))}", seed)


def _random_item(rng: np.random.Generator) -> str:
    thing, colour = str(rng.choice(SHELVED)), str(rng.choice(COLOUR_NAMES))
    if thing in PATTERNED and rng.random() < 0.15:
        return f"{colour} {rng.choice(['striped', 'dotted'])} {thing}"
    return f"{colour} {thing}"


def _random_lines(rng: np.random.Generator, label: str) -> tuple[str, ...]:
    brand, model = str(rng.choice(BRANDS_EN + BRANDS_FR)), str(rng.choice(MODELS))
    article, cents = int(rng.integers(10_000, 99_999)), int(rng.integers(490, 24_000)) // 10 * 10
    if label == "print":
        return (brand,)
    if label == "banner":
        return (str(rng.choice(BANNERS_EN + BANNERS_FR)),)
    if label == "none":
        return ()
    if rng.random() < 0.5:
        price = f"{cents // 100},{cents % 100:02d} €"
        return (brand, f"Modèle {model}", f"Réf. {article}", price, str(rng.choice(NOTES_FR)))
    return (brand, f"Model {model}", f"ART. {article}", f"£{cents / 100:.2f}", str(rng.choice(NOTES_EN)))


def item_parts(item: str) -> tuple[str, str, str]:
    """Colour, pattern and object of a shelf's item: "red mug", "red striped mug"."""
    words = item.split()
    return words[0], words[1] if len(words) == 3 else "plain", words[-1]
