"""Costs per model and day in dbt, worked by hand, and fresh without another run of dbt."""

from __future__ import annotations

import pytest

from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.evaluation.metrics import read
from imagerag_assets.evaluation.report.tables import costs_by_collection, costs_by_model
from imagerag_assets_tests.evaluation.corpus import run_dbt


def call(connection: Connection, at: str, item: str, outcome: str, cost: str | None, latency: float) -> None:
    connection.execute(
        "insert into model_calls (at, stage, item, collection, run_id, preset, model, attempt, outcome, tokens_in, "
        "tokens_out, cost_usd, latency_ms) "
        "values (%s, 'vlm_descriptions', %s, 'shop', 'r', 'openai', 'gpt-4o', 1, %s, 1000, 100, %s, %s)",
        (at, item, outcome, cost, latency),
    )


@pytest.fixture(scope="module")
def costs(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Database:
    """The views, built and tested on calls: later ones are in them without another run of dbt."""
    with module_database.connect() as connection:
        call(connection, "2026-03-01 23:30:00+00", "a", "invalid", "0.004", 100)
        call(connection, "2026-03-02 01:30:00+02", "a", "repaired", "0.006", 300)
        call(connection, "2026-03-02 00:30:00+00", "b", "ok", "0.002", 200)
    target = tmp_path_factory.mktemp("dbt")
    done = run_dbt(module_database, target, "build", "--select", "costs", "--exclude-resource-type", "unit_test")
    assert done.returncode == 0, done.stdout
    return module_database


def test_costs_are_told_per_model_and_per_day_in_utc(costs: Database) -> None:
    with costs.connect() as connection:
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


def test_a_price_that_nobody_knows_is_never_nothing(costs: Database) -> None:
    """A hundred images of unknown cost, then one of them at a cent: about ten dollars per 1,000, not ten cents."""
    with costs.connect() as connection:
        connection.execute("truncate model_calls")
        for number in range(100):
            call(connection, "2026-03-01 12:00:00+00", str(number), "ok", None, 100)
        (unknown,) = costs_by_model(connection)
        (collection,) = costs_by_collection(connection)
        assert (unknown["items"], unknown["cost_usd"], unknown["cost_usd_per_item"]) == (100, None, None)
        assert (collection["images_of_known_cost"], collection["cost_usd_per_1000_images"]) == (0, None)
        connection.execute("update model_calls set cost_usd = 0.01 where item = '7'")
        (known,) = costs_by_model(connection)
        (collection,) = costs_by_collection(connection)
    assert (known["items_of_known_cost"], known["cost_usd_per_item"]) == (1, pytest.approx(0.01))
    assert (collection["images"], collection["cost_usd_per_1000_images"]) == (100, pytest.approx(10))
