"""What describing the pending images will cost, before a run: from measured averages, or from the provider's rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imagerag_assets.database.connection import Connection
    from imagerag_assets.database.stages import Item, Stage
    from imagerag_assets.project import Project

_ENOUGH_MEASURED = 10
"""Images at the current fingerprint from which on their average is a better guess than the rules."""
_TYPICAL_TOKENS_OUT = 300
"""Of a description of four parts, as prompt.md asks for it."""


@dataclass(frozen=True)
class Pending:
    """The images of one collection that a run would describe. `usd` is None for a model without a known price."""

    collection: str
    images: int
    tokens_in: int
    tokens_out: int
    usd: Decimal | None


@dataclass(frozen=True)
class Estimate:
    """What is pending, and where the figures come from."""

    model: str
    basis: str
    pending: tuple[Pending, ...]

    @property
    def usd(self) -> Decimal | None:
        costs = [one.usd for one in self.pending]
        return None if None in costs else sum((cost for cost in costs if cost is not None), Decimal())


def estimate(project: Project) -> Estimate:
    """Count what is pending and price it. Images that wait for OCR count; files that were never listed cannot.

    Calls nothing and loads no model. Raises `ModelError` only where the model's identity cannot be told.
    """
    from imagerag_assets.database.stages import pending_items
    from imagerag_assets.stages import vlm_descriptions

    stage = vlm_descriptions.stage(project, with_unread=True)
    with project.database.connect() as connection:
        basis, price = _price_of_one(project, connection, stage)
        found: dict[str, list[tuple[int, int, Decimal | None]]] = defaultdict(list)
        for item in pending_items(connection, stage, project.settings.retries):
            found[item.collection].append(price(item))
    rows = tuple(_sum(collection, found[collection]) for collection in sorted(found))
    describer = project.settings.models.describer
    return Estimate(describer.model or describer.kind, basis, rows)


def _price_of_one(
    project: Project, connection: Connection, stage: Stage
) -> tuple[str, Callable[[Item], tuple[int, int, Decimal | None]]]:
    """(where the figures come from, the function that gives tokens in, tokens out and USD of an item)."""
    from imagerag_assets.database.connection import one_row
    from imagerag_assets.models.describers.endpoint import expected_tokens_in
    from imagerag_assets.models.describers.picture import fit
    from imagerag_assets.models.describers.presets import PRESETS
    from imagerag_assets.models.describers.prompt import data_message
    from imagerag_assets.models.prices import cost_usd
    from imagerag_assets.stages import vlm_descriptions

    describer = project.settings.models.describer
    if describer.kind != "endpoint":
        return "it runs on this machine", lambda _item: (0, 0, Decimal())
    images, sent, received, cost = one_row(
        connection.execute(
            "select count(*), avg(tokens_in), avg(tokens_out), case when bool_and(cost_usd is not null) then "
            "avg(cost_usd) end from vlm_descriptions where fingerprint = %s and model = %s and tokens_in > 0",
            (stage.fingerprint, describer.model),
        )
    )
    provider, model = PRESETS[describer.preset].price_provider, describer.model or ""
    if images >= _ENOUGH_MEASURED:
        (other,) = one_row(
            connection.execute(
                "select exists (select from model_calls where stage = %s and model = %s and (batch is null) = %s)",
                (vlm_descriptions.NAME, model, describer.batch),
            )
        )
        if other:
            # Some of them were paid at the other price: that of a call, or half of it.
            cost = cost_usd(provider, model, int(sent), int(received), batch=describer.batch)
        return f"the average of {images:,} images", lambda _item: (int(sent), int(received), cost)

    def by_rule(item: Item) -> tuple[int, int, Decimal | None]:
        subject = vlm_descriptions.subject_of(project, item)
        size = fit((item.width, item.height), describer.sent_side)
        tokens = expected_tokens_in(describer, len(data_message(subject.context, subject.ocr)), size)
        expected = min(_TYPICAL_TOKENS_OUT, describer.max_output_tokens)
        return tokens, expected, cost_usd(provider, model, tokens, expected, batch=describer.batch)

    return "the provider's rule for the size of images: too few are measured yet", by_rule


def _sum(collection: str, items: list[tuple[int, int, Decimal | None]]) -> Pending:
    costs = [cost for _, _, cost in items]
    usd = None if None in costs else sum((cost for cost in costs if cost is not None), Decimal())
    return Pending(collection, len(items), sum(item[0] for item in items), sum(item[1] for item in items), usd)


def as_json(told: Estimate) -> dict[str, Any]:
    """The estimate for a program; USD are floats, null where unknown."""
    return {
        "model": told.model,
        "basis": told.basis,
        "usd": None if told.usd is None else float(told.usd),
        "collections": [
            {
                "collection": one.collection, "images": one.images, "tokens_in": one.tokens_in,
                "tokens_out": one.tokens_out, "usd": None if one.usd is None else float(one.usd),
            }
            for one in told.pending
        ],
    }  # fmt: skip
