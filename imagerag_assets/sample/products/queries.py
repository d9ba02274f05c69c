"""The benchmark queries of the collection."""

from __future__ import annotations

from collections.abc import Callable

from imagerag_assets.sample.products.scenes import single_scene
from imagerag_assets.sample.products.vocabulary import FURNITURE
from imagerag_assets.sample.scene import Facts, SampleQuery


def _all_of(**wanted: str | int) -> Callable[[Facts], bool]:
    return lambda facts: all(facts[key] == value for key, value in wanted.items())


def _says(*parts: str, **wanted: str | int) -> Callable[[Facts], bool]:
    return lambda facts: all(part in str(facts["words"]) for part in parts) and _all_of(**wanted)(facts)


def _holds(item: str) -> Callable[[Facts], bool]:
    return lambda facts: item in str(facts["items"]).split("|")


def _seating(facts: Facts) -> bool:
    return facts["object"] in FURNITURE


def _example(number: int, row: str, relevant: Callable[[Facts], bool]) -> SampleQuery:
    scene = single_scene(f"example-{number}", row, 2**31 + 700 + number)
    return SampleQuery("", "by_example", relevant, example=scene)


QUERIES: tuple[SampleQuery, ...] = (
    SampleQuery("red cups with wood underneath", "by_look",
                _all_of(object="mug", colour="red", setting="wood")),
    SampleQuery("stripy pillows", "by_look", _all_of(object="cushion", pattern="striped")),
    SampleQuery("see-through blue vase", "by_look", _all_of(object="vase", colour="blue", material="glass")),
    SampleQuery("white pot for tea, marble worktop", "by_look",
                _all_of(object="teapot", colour="white", setting="marble")),
    SampleQuery("rucksack in black leather", "by_look",
                _all_of(object="backpack", colour="black", material="leather")),
    SampleQuery("two running shoes left on the lawn", "by_look",
                _all_of(object="sneaker", number=2, setting="grass")),
    SampleQuery("yellow chair brick background", "by_look",
                _all_of(object="chair", colour="yellow", setting="brick")),
    SampleQuery("green couch for the living room", "by_look", _all_of(object="sofa", colour="green")),
    SampleQuery("watch brown leather band", "by_look",
                _all_of(object="watch", colour="brown", material="leather")),
    SampleQuery("tableware with polka dots", "by_look",
                lambda facts: facts["object"] in ("mug", "teapot", "vase") and facts["pattern"] == "dotted"),
    SampleQuery("seating photographed by a brick wall", "by_look",
                lambda facts: _seating(facts) and facts["setting"] == "brick"),
    SampleQuery("ladies' bag, red leather", "by_look",
                _all_of(object="tote", colour="red", material="leather")),
    SampleQuery("two green glass bottles side by side", "by_look",
                _all_of(object="bottle", colour="green", material="glass", number=2)),
    SampleQuery("reading light, foot made of wood", "by_look", _all_of(object="lamp", material="wood")),
    SampleQuery("lemons lying next to the product", "by_look", _all_of(prop="lemons")),
    SampleQuery("houseplant beside a sofa or chair", "by_look",
                lambda facts: _seating(facts) and facts["prop"] == "plant"),
    SampleQuery("product shot with a pile of books", "by_look", _all_of(prop="books")),
    SampleQuery("white trainers, plain studio background", "by_look",
                _all_of(object="sneaker", colour="white", setting="studio")),
    SampleQuery("maison lumière", "by_text", _says("Maison Lumière"), "fr"),
    SampleQuery("article number 48213", "by_text", _says("48213")),
    SampleQuery("soldes -30 %", "by_text", _says("SOLDES -30 %"), "fr"),
    SampleQuery("fabriqué en bretagne", "by_text", _says("Fabriqué en Bretagne"), "fr"),
    SampleQuery("dernières pièces", "by_text", _says("Dernières pièces"), "fr"),
    SampleQuery("modèle calanque atelier bréhat", "by_text", _says("Atelier Bréhat", "Calanque"), "fr"),
    SampleQuery("label reading 'sold out'", "by_text", _says("Sold out")),
    SampleQuery("what costs £24.90?", "by_text", _says("£24.90")),
    SampleQuery("the words two-year warranty", "by_text", _says("Two-year warranty")),
    SampleQuery("livraison offerte dès 60 euros", "by_text", _says("Livraison offerte"), "fr"),
    SampleQuery("fjord supply", "by_text", _says("Fjord Supply")),
    SampleQuery("white trainers by kestrel & co", "both",
                _says("Kestrel & Co", object="sneaker", colour="white")),
    SampleQuery("red cup that says casa verde", "both", _says("Casa Verde", object="mug", colour="red")),
    SampleQuery("nordhavn rucksack, the black one", "both",
                _says("Nordhavn", object="backpack", colour="black")),
    SampleQuery("blue glass vase with a soldes banner", "both",
                _says("SOLDES", object="vase", colour="blue")),
    SampleQuery("green sofa with garantie 2 ans", "both",
                _says("Garantie 2 ans", object="sofa", colour="green")),
    SampleQuery("red leather bag maison lumière", "both",
                _says("Maison Lumière", object="tote", colour="red")),
    SampleQuery("shelves where a yellow teapot stands among other goods", "detail", _holds("yellow teapot")),
    SampleQuery("shop display, somewhere a purple backpack", "detail", _holds("purple backpack")),
    SampleQuery("small red watch on crowded shelves", "detail", _holds("red watch")),
    SampleQuery("turquoise bottle on a full shelf", "detail", _holds("turquoise bottle")),
    _example(1, "mug red ceramic plain wood 1 -", _all_of(object="mug", colour="red", setting="wood")),
    _example(2, "vase blue glass plain studio 1 -", _all_of(object="vase", colour="blue", material="glass")),
    _example(3, "sneaker blue leather plain grass 2 -", _all_of(object="sneaker", number=2, setting="grass")),
    _example(4, "sofa green fabric plain wood 1 -", _all_of(object="sofa", colour="green")),
)  # fmt: skip
