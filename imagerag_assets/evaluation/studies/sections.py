"""The studies as the report shows them: what was found out last, and of which state of things."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from imagerag_assets.database.connection import Connection
from imagerag_assets.evaluation.report import Section
from imagerag_assets.evaluation.studies import embedders, health, health_page, store, tuning
from imagerag_assets.evaluation.studies.store import Result
from imagerag_assets.settings import Health, Settings


def study_sections(connection: Connection, settings: Settings) -> list[Section]:
    """Sections of the studies that were made; one that never was has none."""
    makers: dict[str, Callable[[Result], Iterator[Section]]] = {
        health.STUDY: partial(_health, rules=settings.health),
        tuning.STUDY: _tuning,
        embedders.STUDY: _embedders,
    }
    kept = {name: store.newest(connection, name) for name in makers}
    return [section for name, study in kept.items() if study for section in makers[name](study.result)]


def _health(result: Result, rules: Health) -> Iterator[Section]:
    findings = {name: find(result, rules) for name, find in health_page.FINDINGS.items()}
    yield Section(
        "Index health",
        f"The vector indexes of generation {result['generation']}, {result['images']:,} images, asked for the "
        "neighbours of their own vectors.",
        ("check", "passed", "what was found"),
        [(name.replace("_", " "), "yes" if one.passed else "no", one.told) for name, one in findings.items()],
        words=3,
    )
    if result["legs"]:
        yield Section(
            "Width of the search",
            "What each index.ef_search finds of the true ten nearest, and how long a scan of the index takes.",
            health_page.SWEEP_HEADER,
            health_page.sweep_rows(result),
        )


def _tuning(result: Result) -> Iterator[Section]:
    note = (
        "Values chosen on train queries and measured on validation queries, before and after. Nothing is applied: a "
        "person puts what is better into the settings."
    )
    yield Section(
        "Proposals for the settings",
        " ".join((note, *result["notes"])),
        tuning.HEADER,
        tuning.proposal_rows(result),
    )


def _embedders(result: Result) -> Iterator[Section]:
    note = "Each by its own vectors and exact search, without the other legs; the first is the configured one."
    failed = [f"{name} was not compared: {why}" for name, why in result["failed"].items()]
    yield Section("Embedders", " ".join((note, *failed)), embedders.EMBEDDERS_HEADER, embedders.embedder_rows(result))
