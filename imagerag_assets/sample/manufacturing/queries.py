"""The benchmark queries of the collection."""

from __future__ import annotations

from collections.abc import Callable

from imagerag_assets.sample.manufacturing.scenes import make_scene
from imagerag_assets.sample.scene import Facts, SampleQuery


def _has(**wanted: str) -> Callable[[Facts], bool]:
    """Facts equal to all of `wanted`."""
    return lambda facts: all(facts[key] == value for key, value in wanted.items())


def _reads(words: str, **wanted: str) -> Callable[[Facts], bool]:
    """`words` can be read in the picture, and its facts equal `wanted`."""
    return lambda facts: words.casefold() in str(facts["words"]).casefold() and _has(**wanted)(facts)


def _detail(**wanted: str) -> Callable[[Facts], bool]:
    return lambda facts: bool(facts["large"]) and _has(**wanted)(facts)


def _rusty_bolt(facts: Facts) -> bool:
    return facts["part"] == "bolt" and (facts["material"] == "rusty_iron" or facts["defect"] == "rust_spot")


def _example(number: int, looks: str, relevant: Callable[[Facts], bool]) -> SampleQuery:
    scene = make_scene(f"q-{number:02d}", 2**31 + 1009 * number, looks.split(), "", ())
    return SampleQuery("", "by_example", relevant, example=scene)


QUERIES: tuple[SampleQuery, ...] = (
    SampleQuery("cog with a broken tooth", "by_look", _has(part="gear", defect="missing_tooth")),
    SampleQuery("golden cogwheels made of brass", "by_look", _has(part="gear", material="brass")),
    SampleQuery("which bolts have gone rusty?", "by_look", _rusty_bolt),
    SampleQuery("burnt green pcb", "by_look", _has(material="green_board", defect="burn_mark")),
    SampleQuery("bearings lying on the wood workbench", "by_look", _has(part="bearing", background="wood")),
    SampleQuery("parts lined up on the conveyor", "by_look", _has(background="belt", arrangement="row")),
    SampleQuery("hex nuts heaped up", "by_look", _has(part="nut", arrangement="pile")),
    SampleQuery("spring, green cutting mat", "by_look", _has(part="spring", background="mat")),
    SampleQuery("anything anodised in blue", "by_look", _has(material="blue_aluminium")),
    SampleQuery("copper elbow for plumbing", "by_look", _has(part="elbow", material="copper")),
    SampleQuery("scratched axle or spindle", "by_look", _has(part="shaft", defect="scratch")),
    SampleQuery("flange that has cracked", "by_look", _has(part="flange", defect="crack")),
    SampleQuery("washers lit from below on a light box", "by_look", _has(part="washer", background="light")),
    SampleQuery(
        "pcb where a chip was never fitted", "by_look", _has(part="board", defect="missing_component")
    ),
    SampleQuery("red anodized part", "by_look", _has(material="red_aluminium")),
    SampleQuery("dented sheet metal with drilled holes", "by_look", _has(part="plate", defect="dent")),
    SampleQuery(
        "corroded part photographed on hand drawn squares", "by_look",
        _has(material="rusty_iron", background="grid")
    ),
    SampleQuery("gears in white plastic", "by_look", _has(part="gear", material="white_plastic")),
    SampleQuery("fan rotor, one blade snapped off", "by_look", _has(part="impeller", defect="broken_blade")),
    SampleQuery("lot 7731-B", "by_text", _reads("7731-B")),
    SampleQuery("M12x1.75", "by_text", _reads("M12x1.75")),
    SampleQuery("contrôle qualité refusé", "by_text", _reads("REFUSÉ"), "fr"),
    SampleQuery("étiquette pièce conforme", "by_text", _reads("PIÈCE CONFORME"), "fr"),
    SampleQuery("display shows 24.98 mm", "by_text", _reads("24.98 mm")),
    SampleQuery("serial number SN 40817", "by_text", _reads("SN 40817")),
    SampleQuery("hold for review", "by_text", _reads("HOLD FOR REVIEW")),
    SampleQuery("work order 55821", "by_text", _reads("55821")),
    SampleQuery("part no. TX-4190", "by_text", _reads("TX-4190")),
    SampleQuery("à retoucher, lot 1175-H", "by_text", _reads("1175-H"), "fr"),
    SampleQuery("everything marked DIN 933", "by_text", _reads("DIN 933")),
    SampleQuery("rejected brass gear", "both", _reads("REJECTED", part="gear", material="brass")),
    SampleQuery(
        "bearing from lot 2290-A that was rejected", "both", _reads("REJECTED LOT 2290-A", part="bearing")
    ),
    SampleQuery(
        "plain steel plate stamped TX-4190", "both", _reads("TX-4190", part="plate", material="steel")
    ),
    SampleQuery(
        "raccord coudé en laiton à retoucher", "both",
        _reads("À RETOUCHER", part="elbow", material="brass"), "fr"
    ),
    SampleQuery("blue circuit board tagged rework", "both", _reads("REWORK", material="blue_board")),
    SampleQuery("nut measured at 24.98 mm", "both", _reads("24.98 mm", part="nut")),
    SampleQuery(
        "accepted gear, white nylon", "both", _reads("ACCEPTED", part="gear", material="white_plastic")
    ),
    SampleQuery(
        "tray full of cogs, which one lacks a tooth?", "detail", _detail(part="gear", defect="missing_tooth")
    ),
    SampleQuery(
        "one rusted nut among clean ones in the tray", "detail", _detail(part="nut", defect="rust_spot")
    ),
    SampleQuery(
        "small scorched spot on a densely populated board", "detail",
        _detail(part="board", defect="burn_mark")
    ),
    SampleQuery(
        "fractured ball bearing somewhere in a full tray", "detail", _detail(part="bearing", defect="crack")
    ),
    SampleQuery(
        "crowded board, one small chip not soldered in", "detail",
        _detail(part="board", defect="missing_component")
    ),
    _example(1, "gear brass none mat single", _has(part="gear", material="brass")),
    _example(2, "board green_board burn_mark wood single", _has(material="green_board", defect="burn_mark")),
    _example(3, "spring steel none mat row", _has(part="spring", background="mat")),
    _example(4, "elbow copper none grid single", _has(part="elbow", material="copper")),
)  # fmt: skip
"""Judged by the facts of `corpus_scenes`."""
