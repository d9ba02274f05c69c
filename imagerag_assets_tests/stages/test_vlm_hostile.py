"""vlm_descriptions against servers that are broken in odd ways: no run hangs, crashes or writes what it should not."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from imagerag_assets.database.connection import one_row
from imagerag_assets.database.stages import Selection, StageReport
from imagerag_assets.errors import ModelError
from imagerag_assets.models.describers.pace import Pace, retry_after
from imagerag_assets.project import Project
from imagerag_assets.stages import vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.models.fault_server import GOOD, FaultServer, Response, answer, fails
from imagerag_assets_tests.stages.described import (
    KEY,
    MakeProject,
    endpoint,
    failures,
    outcomes,
    read_by_hand,
    write_colours,
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("imagerag_assets.models.describers.endpoint._FIRST_WAIT_SECONDS", 0.01)
    with FaultServer().running() as running:
        yield running


def ready(make_project: MakeProject, folder: Path, server: FaultServer, **describer: Any) -> Project:
    project = make_project({"shop": folder}, models=endpoint(server.url, **{"concurrency": 1, **describer}))
    read_by_hand(project)
    return project


def run(project: Project) -> StageReport:
    return vlm_descriptions.run(project, RunOptions())


ODD = (
    "",
    "-5",
    "soon",
    "Wed, 99 Foo 2026",
    "1e3",
    "0x10",
    "nan",
    "inf",
    "²",
    "Wed, 21 Oct 2015 07:28:00 -0000",
    ";" * 99,
)


@pytest.mark.parametrize("text", ODD)
def test_a_retry_after_that_makes_no_sense_is_no_wait(text: str) -> None:
    assert not retry_after({"retry-after": text, "retry-after-ms": text})


@pytest.mark.parametrize("reset", ["1760000000", "9999d", "1e9", "²s", "-1s", "9" * 400])
@pytest.mark.parametrize("left", ["0", "²", "-1", ""])
def test_a_rate_limit_header_that_makes_no_sense_never_stops_the_run(left: str, reset: str) -> None:
    """A reset in seconds since 1970 once meant a pause of fifty years."""

    async def next_start() -> float:
        pace = Pace(1, None)
        pace.succeeded({"x-ratelimit-remaining-requests": left, "x-ratelimit-reset-requests": reset}, 1)
        return pace._next_start - asyncio.get_running_loop().time()

    assert asyncio.run(next_start()) <= 300


def usage(**more: Any) -> Response:
    body = json.loads(json.dumps(answer().body))
    body["usage"] = more
    return Response(body=body)


def test_tokens_that_make_no_sense_are_unknown(make_project: MakeProject, server: FaultServer, tmp_path: Path) -> None:
    server.script(
        usage(prompt_tokens=10**30, completion_tokens=5),
        usage(prompt_tokens=True, completion_tokens="9"),
        usage(prompt_tokens=-4, completion_tokens=1.5),
        usage(prompt_tokens=[], prompt_tokens_details=3),
    )
    project = ready(make_project, write_colours(tmp_path / "shop", 4), server)
    assert run(project).new == 4
    with project.database.connect() as connection:
        rows = connection.execute("select tokens_in, cost_usd from model_calls").fetchall()
    assert rows == [(None, None)] * 4


def test_more_cached_tokens_than_tokens_are_all_of_them(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    server.script(usage(prompt_tokens=1000, completion_tokens=0, prompt_tokens_details={"cached_tokens": 5000}))
    project = ready(make_project, write_colours(tmp_path / "shop", 1), server)
    # gpt-4o's cached tokens cost 1.25 USD per million.
    assert run(project).cost_usd == pytest.approx(0.00125)


def test_tokens_of_thought_are_paid_where_only_the_total_tells_them(
    make_project: MakeProject, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gemini's OpenAI-compatible endpoint counts them in total_tokens alone, and bills them as received."""
    monkeypatch.setenv("GEMINI_API_KEY", KEY)
    server.script(usage(prompt_tokens=1000, completion_tokens=100, total_tokens=1600))
    project = ready(
        make_project, write_colours(tmp_path / "shop", 1), server, preset="gemini", model="gemini-2.5-flash"
    )
    # 0.30 and 2.50 USD per million.
    assert run(project).cost_usd == pytest.approx((1000 * 0.3 + 600 * 2.5) / 1e6)


OF_ANOTHER_FORM = (
    "[" * 100_000 + "]" * 100_000,
    '"text"',
    "[]",
    json.dumps({"choices": [None]}),
    json.dumps({"choices": [{"message": "hello"}]}),
    json.dumps({"choices": [{"message": {"content": [[["x"]], {"text": {"value": 3}}]}}]}),
    json.dumps({"choices": [{"message": {"content": "half a character: \ud800"}}]}),
)


def test_a_response_of_another_form_is_asked_for_again(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    bodies = iter(OF_ANOTHER_FORM)
    # One in two.
    server.plan = lambda number, _request: Response(body=next(bodies)) if number % 2 == 0 else answer()
    project = ready(make_project, write_colours(tmp_path / "shop", len(OF_ANOTHER_FORM)), server)
    assert run(project).new == len(OF_ANOTHER_FORM)
    assert len(server.requests) == 2 * len(OF_ANOTHER_FORM)


NASTY = "no\x00thing \ud800 \x1b[31mred\u202e"


def test_what_a_server_says_is_written_without_control_characters(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    refusal = answer(None, message={"refusal": NASTY})
    server.script(fails(400, NASTY), refusal, Response(400, [{"error": {"message": NASTY}}]))
    project = ready(make_project, write_colours(tmp_path / "shop", 4), server)
    # Three in a row would be the server's fault, a refusal is the image's.
    report = run(project)
    assert (report.new, report.failed) == (1, 3)
    with project.database.connect() as connection:
        told = failures(connection).values()
    for line in told:
        assert "nothing" in line
        assert all(char.isprintable() for char in line)
        assert "{" not in line


def test_an_answer_after_thoughts_in_braces_is_found(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    server.script(answer('<think>First {} and then {"category": "?"}.</think>\n' + json.dumps(GOOD)))
    project = ready(make_project, write_colours(tmp_path / "shop", 1), server)
    assert run(project).new == 1
    assert len(server.requests) == 1


def test_a_redirect_is_told_and_takes_no_image_elsewhere(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    with FaultServer().running() as other:
        server.plan = lambda _number, _request: Response(307, {}, {"location": f"{other.url}/chat/completions"})
        project = ready(make_project, write_colours(tmp_path / "shop", 2), server)
        with pytest.raises(ModelError, match=rf"redirects to {other.url}.*base_url"):
            run(project)
        assert other.requests == []
    assert len(server.requests) == 1


def test_an_answer_that_comes_byte_by_byte_ends_in_time(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    server.plan = lambda number, _request: answer(drip_seconds=0.05) if number == 0 else answer()
    project = ready(make_project, write_colours(tmp_path / "shop", 1), server, timeout_seconds=0.5)
    before = time.monotonic()
    assert run(project).new == 1
    assert time.monotonic() - before < 15
    with project.database.connect() as connection:
        assert outcomes(connection) == {"timeout": 1, "ok": 1}


def test_a_short_key_is_no_word_to_be_blotted_out(
    make_project: MakeProject, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Servers on this machine are given keys such as EMPTY or test."""
    monkeypatch.setenv("LOCAL_KEY", "part")
    project = ready(make_project, write_colours(tmp_path / "shop", 1), server, preset="vllm", key_env="LOCAL_KEY")
    run(project)
    with project.database.connect() as connection:
        assert one_row(connection.execute("select general from vlm_descriptions")) == (GOOD["general_description"],)


@pytest.mark.parametrize(
    ("trouble", "part"),
    [
        (fails(429, "Your account is not active.", "billing_not_active"), "no credit"),
        (fails(400, "invalid model ID"), "does not know the model"),
        (
            Response(400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}]),
            "key",
        ),
        (Response(body={"error": {"message": "Insufficient credits", "code": 402}}), "no credit"),
        (answer(content_type="text/plain"), ""),
    ],
    ids=["account not active", "invalid model", "Google's wrong key", "error with status 200", "JSON as text"],
)
def test_providers_ways_to_say_things_are_understood(
    make_project: MakeProject, server: FaultServer, tmp_path: Path, trouble: Response, part: str
) -> None:
    server.plan = lambda _number, _request: trouble
    project = ready(make_project, write_colours(tmp_path / "shop", 2), server)
    if not part:
        assert run(project).new == 2
        return
    with pytest.raises(ModelError, match=part):
        run(project)
    assert len(server.requests) == 1


def test_googles_wait_is_honoured_although_it_is_in_the_body(
    make_project: MakeProject, server: FaultServer, tmp_path: Path
) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.2s"}]
    server.script(Response(429, [{"error": {"code": 429, "message": "Quota exceeded.", "details": details}}]))
    project = ready(make_project, write_colours(tmp_path / "shop", 1), server)
    assert run(project).new == 1
    first, second = (request.at for request in server.requests)
    assert second - first >= 1.1


def test_two_runs_at_once_keep_to_one_budget(make_project: MakeProject, server: FaultServer, tmp_path: Path) -> None:
    call = Decimal("0.0035")
    server.plan = lambda _number, _request: answer(after_seconds=0.2)
    folders = {"shop": write_colours(tmp_path / "shop", 30), "yard": write_colours(tmp_path / "yard", 60)}
    for number in range(30):
        (folders["yard"] / f"{number:04d}.png").unlink()
    models, budget = endpoint(server.url, concurrency=4), {"day_usd": float(30 * call + call / 2)}
    first = make_project(folders, models=models, budget=budget)
    read_by_hand(first)
    second = make_project(folders, url=first.settings.database.url, models=models, budget=budget)
    with ThreadPoolExecutor(2) as threads:
        runs = [
            threads.submit(vlm_descriptions.run, project, RunOptions(Selection((name,)), run_id=name))
            for project, name in ((first, "shop"), (second, "yard"))
        ]
    assert all(one.result().new and one.result().stopped for one in runs)
    with first.database.connect() as connection:
        (spent,) = one_row(connection.execute("select sum(cost_usd) from model_calls"))
    # Neither sees what the other has in flight, nor what it spent in the last quarter of a second.
    assert 28 * call <= spent <= 44 * call, spent / call
