"""The benchmark queries of the collection, each with the predicate on facts that decides what is relevant."""

from __future__ import annotations

from collections.abc import Callable

from imagerag_assets.sample.real_estate.corpus import example_scene
from imagerag_assets.sample.scene import Facts, SampleQuery

_Predicate = Callable[[Facts], bool]


def _all(**wanted: str | bool) -> _Predicate:
    """Relevant when every named fact has the given value."""

    def relevant(facts: Facts) -> bool:
        return all(facts.get(name) == value for name, value in wanted.items())

    return relevant


_VILLA_POOL = _all(building="villa", pool=True)
_SNOWY_COTTAGE = _all(building="cottage", light="snow")
_ISLAND = _all(room="kitchen", island=True, floor="wood")
_BATH = _all(room="bathroom", bathtub=True, large_window=True)
_FIRE = _all(kind="interior", fireplace=True)

QUERIES: tuple[SampleQuery, ...] = (
    SampleQuery("contemporary home, flat roof, somewhere to swim outside", "by_look", _VILLA_POOL),
    SampleQuery(
        "redbrick detached, must have its own garage",
        "by_look",
        _all(building="detached house", wall="brick", garage=True),
    ),
    SampleQuery("little country cottage buried in snow", "by_look", _SNOWY_COTTAGE),
    SampleQuery("property shot after sunset, lights on inside", "by_look", _all(kind="exterior", light="dusk")),
    SampleQuery("thatch roof", "by_look", _all(kind="exterior", roof="thatched")),
    SampleQuery("flats where each floor gets a balcony", "by_look", _all(building="apartment block", balcony=True)),
    SampleQuery("which houses already have solar on the roof?", "by_look", _all(kind="exterior", solar=True)),
    SampleQuery("terraced street houses in red brick", "by_look", _all(building="townhouses", wall="brick")),
    SampleQuery("wooden facade, surrounded by woodland", "by_look", _all(kind="exterior", wall="timber", trees=True)),
    SampleQuery("cook's island in the middle, timber flooring", "by_look", _ISLAND),
    SampleQuery("blue painted room to sleep in", "by_look", _all(room="bedroom", wall_colour="blue")),
    SampleQuery("cosy sitting room, logs burning", "by_look", _FIRE),
    SampleQuery("room with a baby grand", "by_look", _all(kind="interior", piano=True)),
    SampleQuery("freestanding tub next to huge window", "by_look", _BATH),
    SampleQuery("home library, lots of books on shelves", "by_look", _all(kind="interior", bookshelf=True)),
    SampleQuery("green couch", "by_look", _all(kind="interior", sofa=True, sofa_colour="green")),
    SampleQuery("old style blue technical print of a house layout", "by_look", _all(kind="plan", style="blueprint")),
    SampleQuery("white house, red tiles, evening", "by_look", _all(wall="white render", roof="red", light="dusk")),
    SampleQuery("agence du vieux port", "by_text", _all(sign="board", agency="Agence du Vieux Port"), "fr"),
    SampleQuery("06 48 22 19 73", "by_text", _all(sign="board", phone="06 48 22 19 73"), "fr"),
    SampleQuery("annonce réf ML-2841", "by_text", _all(sign="watermark", reference="Réf. ML-2841"), "fr"),
    SampleQuery("rue des tilleuls", "by_text", _all(sign="street", street="RUE DES TILLEULS"), "fr"),
    SampleQuery("mill lane", "by_text", _all(sign="street", street="MILL LANE")),
    SampleQuery("hartley and stone boards", "by_text", _all(sign="board", agency="Hartley & Stone")),
    SampleQuery("under offer", "by_text", _all(sign="board", offer="UNDER OFFER")),
    SampleQuery("déjà vendu, cabinet périgord", "by_text", _all(sign="board", agency="Cabinet Périgord"), "fr"),
    SampleQuery("kingsley court drawings", "by_text", _all(kind="plan", title="Kingsley Court")),
    SampleQuery(
        "villa avec piscine, agence du vieux port",
        "both",
        _all(building="villa", sign="board", agency="Agence du Vieux Port"),
        "fr",
    ),
    SampleQuery(
        "hartley & stone, the brick detached one",
        "both",
        _all(building="detached house", wall="brick", sign="board", agency="Hartley & Stone"),
    ),
    SampleQuery("no. 27, everything white with snow", "both", _all(light="snow", sign="number", number="27")),
    SampleQuery(
        "résidence des acacias in blueprint blue",
        "both",
        _all(style="blueprint", title="Résidence des Acacias"),
    ),
    SampleQuery(
        "maison laurent kitchens",
        "both",
        _all(room="kitchen", sign="watermark", agency="Maison Laurent Immobilier"),
    ),
    SampleQuery(
        "under offer board by thatched cottage",
        "both",
        _all(roof="thatched", sign="board", offer="UNDER OFFER"),
    ),
    SampleQuery("un piano à queue sur le plan", "detail", _all(kind="plan", piano=True), "fr"),
    SampleQuery("layout including a spiral stair", "detail", _all(kind="plan", spiral_staircase=True)),
    SampleQuery("which plan fits a sauna?", "detail", _all(kind="plan", sauna=True)),
    SampleQuery("plans with parking for 2 cars indoors", "detail", _all(kind="plan", double_garage=True)),
    SampleQuery("anything with pinball on the plans", "detail", _all(kind="plan", pinball=True)),
    SampleQuery(
        "plan avec ascenseur et local technique",
        "detail",
        _all(kind="plan", lift=True, label="Local technique"),
        "fr",
    ),
    SampleQuery("où est la buanderie ?", "detail", _all(kind="plan", label="Buanderie"), "fr"),
    SampleQuery(
        "",
        "by_example",
        _VILLA_POOL,
        example=example_scene(1, building="villa", wall="white render", roof="flat", light="sunny", pool=True),
    ),
    SampleQuery(
        "",
        "by_example",
        _SNOWY_COTTAGE,
        example=example_scene(2, building="cottage", wall="stone", roof="snow-covered", light="snow", chimney=True),
    ),
    SampleQuery(
        "",
        "by_example",
        _ISLAND,
        example=example_scene(3, room="kitchen", wall_colour="white", floor="wood", cabinets="blue", island=True),
    ),
    SampleQuery(
        "",
        "by_example",
        _BATH,
        example=example_scene(4, room="bathroom", wall_colour="blue", floor="tile", bathtub=True, large_window=True),
    ),
)
