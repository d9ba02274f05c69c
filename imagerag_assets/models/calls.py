"""One call of a language or vision model, as a row of model_calls. Who calls, and what is asked, is not known here."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from imagerag_assets.database.connection import Connection

Outcome = Literal[
    "ok", "repaired",  # an answer of the right form, at once or after one request to put it right
    "invalid", "empty", "cut_off", "refused",  # an answer, but no usable one
    "rate_limited", "server_error", "timeout", "broken",  # tried again
    "bad_request", "unauthorized", "no_credit", "unknown_model", "unreachable", "certificate", "not_the_protocol",
]  # fmt: skip


@dataclass(frozen=True)
class Tokens:
    """What a server counted; None where it does not tell. `cached` ones are among the `sent`."""

    sent: int | None = None
    received: int | None = None
    cached: int | None = None


@dataclass(frozen=True)
class Call:
    """What one request cost and came to."""

    preset: str
    model: str
    attempt: int
    """Of its item, from 1."""
    outcome: Outcome
    tokens: Tokens
    cost_usd: Decimal | None
    """None where the model has no known price, or the answer got lost."""
    latency_ms: float | None
    """None for an answer of a batch."""
    batch: uuid.UUID | None = None
    """The batch that it came with, at the batch's price."""


def save_call(connection: Connection, call: Call, *, stage: str, item: str, collection: str, run_id: str) -> None:
    """Write the call's row, in the transaction of what it gave."""
    connection.execute(
        "insert into model_calls (stage, item, collection, run_id, preset, model, attempt, outcome, tokens_in, "
        "tokens_out, tokens_cached, cost_usd, latency_ms, batch) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            stage, item, collection, run_id, call.preset, call.model, call.attempt, call.outcome,
            call.tokens.sent, call.tokens.received, call.tokens.cached, call.cost_usd, call.latency_ms, call.batch,
        ),
    )  # fmt: skip
