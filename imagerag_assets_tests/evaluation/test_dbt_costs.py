"""Costs per model and day in dbt, worked by hand, and fresh without another run of dbt."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.evaluation.metrics import read
from imagerag_assets_tests.evaluation.corpus import run_dbt


def call(connection: Connection, at: str, item: str, outcome: str, cost: str | None, latency: float) -> None:
    connection.execute(
        "insert into model_calls (at, stage, item, collection, run_id, preset, model, attempt, outcome, tokens_in, "
        "tokens_out, cost_usd, latency_ms) "
        "values (%s, 'vlm_descriptions', %s, 'shop', 'r', 'openai', 'gpt-4o', 1, %s, 1000, 100, %s, %s)",
        (at, item, outcome, cost, latency),
    )


def test_costs_are_told_per_model_and_per_day_in_utc(database: Database, tmp_path: Path) -> None:
    with database.connect() as connection:
        call(connection, "2026-03-01 23:30:00+00", "a", "invalid", "0.004", 100)
        call(connection, "2026-03-02 01:30:00+02", "a", "repaired", "0.006", 300)
        call(connection, "2026-03-02 00:30:00+00", "b", "ok", "0.002", 200)
    done = run_dbt(
        database, tmp_path, "build", "--select", "cost_by_model", "cost_by_day", "--exclude-resource-type", "unit_test"
    )
    assert done.returncode == 0, done.stdout
    with database.connect() as connection:
        # Later than dbt's run, and of a price that nobody knows.
        call(connection, "2026-03-02 12:00:00+00", "c", "timeout", None, 400)
        (model,) = read(connection, "select * from imagerag_eval.cost_by_model")
        days = read(connection, "select * from imagerag_eval.cost_by_day order by day")
    assert (model["calls"], model["answers"], model["items"], model["calls_of_unknown_cost"]) == (4, 2, 2, 1)
    assert (model["tokens_in"], model["tokens_out"], model["latency_p50_ms"]) == (4000, 400, 250)
    assert model["cost_usd"] == pytest.approx(0.012)
    assert model["cost_usd_per_item"] == pytest.approx(0.006)
    told = [(str(day["day"]), day["calls"], day["calls_without_an_answer"], round(day["cost_usd"], 6)) for day in days]
    assert told == [("2026-03-01", 2, 1, 0.01), ("2026-03-02", 2, 1, 0.002)]
