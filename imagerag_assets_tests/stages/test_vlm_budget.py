"""Budgets: a run, a day and a collection spend no more than they may, and say so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from imagerag_assets.database.connection import Database, one_row
from imagerag_assets.errors import BudgetExhaustedError, ModelError
from imagerag_assets.models.budget import Ledger
from imagerag_assets.project import Project
from imagerag_assets.settings import Budget
from imagerag_assets.stages import vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.models.fault_server import FaultServer, answer
from imagerag_assets_tests.stages.described import KEY, MakeProject, endpoint, failures, read_by_hand, write_colours

CALL = Decimal("0.0035")
"""What a good answer of the fault server costs at gpt-4o's price."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FaultServer().running() as running:
        running.plan = lambda _number, _request: answer(after_seconds=0.03)
        yield running


def spent(project: Project) -> Decimal:
    with project.database.connect() as connection:
        return Decimal(one_row(connection.execute("select coalesce(sum(cost_usd), 0) from model_calls"))[0])


def stops(project: Project) -> list[str]:
    with project.database.connect() as connection:
        return [row[0] for row in connection.execute("select reason from budget_stops").fetchall()]


def test_a_run_stops_within_one_call_of_its_budget_at_concurrency_16(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    limit = 40 * CALL + CALL / 2
    folder = write_colours(tmp_path / "shop", 80)
    project = make_project(
        {"shop": folder}, models=endpoint(server.url, concurrency=16), budget={"run_usd": float(limit)}
    )
    read_by_hand(project)
    report = vlm_descriptions.run(project, RunOptions(run_id="first"))
    assert server.most_in_flight > 8
    assert spent(project) == 40 * CALL
    assert (report.new, report.failed, report.pending) == (40, 0, 40)
    assert report.stopped.startswith("budget.run_usd is reached: 0.1400 of 0.14175 USD are spent")
    assert stops(project) == [report.stopped]
    with project.database.connect() as connection:
        assert failures(connection) == {}

    # The next run has a budget of its own.
    report = vlm_descriptions.run(project, RunOptions(run_id="second"))
    assert (report.new, report.pending) == (40, 0)
    assert report.stopped == ""
    assert stops(project) == []


def test_what_batches_paid_is_no_measure_of_what_a_call_costs(database: Database) -> None:
    ledger = Ledger(Budget(run_usd=float(10 * CALL)), "vlm_descriptions", "gpt-4o", "now")
    with database.connect() as connection:
        connection.execute(
            "insert into model_calls (stage, item, collection, run_id, preset, model, attempt, outcome, cost_usd, "
            "batch) values ('vlm_descriptions', 'a', 'shop', 'before', 'openai', 'gpt-4o', 1, 'ok', %s, "
            "gen_random_uuid())",
            (CALL / 2,),
        )
        ledger.look(connection)

    async def call() -> Decimal:
        try:
            async with ledger.reserve("shop", bound=CALL) as reservation:
                await asyncio.sleep(0.01)
                reservation.cost = CALL
        except BudgetExhaustedError:
            return Decimal()
        return CALL

    async def calls() -> list[Decimal]:
        return await asyncio.gather(*(call() for _ in range(16)))

    assert sum(asyncio.run(calls())) == 10 * CALL


def test_an_answer_that_got_lost_yesterday_is_not_paid_today(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(Budget(day_usd=float(CALL)), "ask", "gpt-4o", "")

    async def call() -> None:
        async with ledger.reserve("shop", bound=CALL):
            pass

    with database.connect() as connection:
        ledger.look(connection)
        asyncio.run(call())
        ledger.look(connection)
        with pytest.raises(BudgetExhaustedError):
            asyncio.run(call())
        assert ledger._today is not None
        monkeypatch.setattr(ledger, "_today", ledger._today - timedelta(days=1))
        ledger.look(connection)
        asyncio.run(call())


def test_calls_of_different_price_do_not_overspend(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    prices = random.Random(3)
    server.plan = lambda _number, _request: answer(tokens=(1000, prices.randint(20, 200)), after_seconds=0.02)
    folder = write_colours(tmp_path / "shop", 80)
    project = make_project({"shop": folder}, models=endpoint(server.url, concurrency=16), budget={"run_usd": 0.15})
    read_by_hand(project)
    assert vlm_descriptions.run(project, RunOptions()).stopped
    dearest = Decimal("0.0045")
    assert Decimal("0.15") - dearest < spent(project) <= Decimal("0.15") + dearest


def test_a_day_is_over_all_runs(make_project: MakeProject, server: FaultServer, tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "shop", 12)
    project = make_project({"shop": folder}, models=endpoint(server.url), budget={"day_usd": float(5 * CALL)})
    read_by_hand(project)
    with project.database.connect() as connection:
        # Yesterday's spending is another day's; today's, of another stage, is not.
        connection.execute(
            "insert into model_calls (at, stage, item, collection, run_id, preset, model, attempt, outcome, cost_usd, "
            "latency_ms) select now() - make_interval(hours => n), 'vlm_descriptions', 'a', 'shop', 'r', 'openai', "
            "'gpt-4o', 1, 'ok', %(cost)s, 1 from generate_series(24, 44) n union all "
            "select now(), 'answers', 'b', '', 'q', 'openai', 'gpt-4o', 1, 'ok', %(cost)s * 2, 1",
            {"cost": CALL},
        )
    first = vlm_descriptions.run(project, RunOptions())
    assert first.new == 3
    assert first.stopped.startswith("budget.day_usd is reached")
    second = vlm_descriptions.run(project, RunOptions())
    assert (second.new, second.pending) == (0, 9)
    assert len(server.requests) == 3


def test_a_collections_budget_stops_that_collection_alone(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    folders = {"day": write_colours(tmp_path / "day", 10), "shop": write_colours(tmp_path / "shop", 14)}
    for number in range(10):
        (folders["shop"] / f"{number:04d}.png").unlink()
    budget = {"collections_usd": {"day": float(4 * CALL)}, "day_usd": 1.0}
    project = make_project(folders, models=endpoint(server.url), budget=budget)
    read_by_hand(project)
    report = vlm_descriptions.run(project, RunOptions())
    assert (report.new, report.pending) == (8, 6)
    assert report.stopped.startswith("budget.collections_usd.day is reached")
    with project.database.connect() as connection:
        calls = connection.execute("select collection, count(*) from model_calls group by 1 order by 1").fetchall()
    assert calls == [("day", 4), ("shop", 4)]


def test_a_budget_without_a_price_is_refused_before_any_call(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 1)
    for model in ({"model": "gpt-that-nobody-sells"}, {"preset": "vllm"}):
        project = make_project({"shop": folder}, models=endpoint(server.url, **model), budget={"day_usd": 1})
        read_by_hand(project)
        with pytest.raises(ModelError, match=r"budget: the price of .* is not known"):
            vlm_descriptions.run(project, RunOptions())
    assert server.requests == []


def test_the_first_call_of_all_must_fit_at_its_upper_bound(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    """Nothing is measured yet: the image-size rule and max_output_tokens say what it may cost."""
    folder = write_colours(tmp_path / "shop", 3)
    project = make_project({"shop": folder}, models=endpoint(server.url), budget={"run_usd": 0.005})
    read_by_hand(project)
    report = vlm_descriptions.run(project, RunOptions())
    assert (report.new, report.pending) == (0, 3)
    assert server.requests == []


def test_answers_that_got_lost_count_as_what_they_may_have_cost(
    make_project: MakeProject, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerag_assets.models.describers.endpoint._FIRST_WAIT_SECONDS", 0.01)
    folder = write_colours(tmp_path / "shop", 10)
    project = make_project(
        {"shop": folder}, models=endpoint(server.url, concurrency=1), budget={"run_usd": float(4 * CALL)}
    )
    read_by_hand(project)
    server.plan = lambda number, _request: answer(cut=number == 2)
    report = vlm_descriptions.run(project, RunOptions())
    assert report.new == 3
    assert report.stopped
    with project.database.connect() as connection:
        lost = connection.execute("select cost_usd from model_calls where outcome = 'broken'").fetchall()
    assert lost == [(None,)]
