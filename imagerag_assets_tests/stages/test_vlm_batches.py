"""vlm_descriptions by the Batch API: handed in once, collected once, paid once, whatever dies or fails between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from imagerag_assets.database.connection import one_row
from imagerag_assets.database.stages import StageReport
from imagerag_assets.errors import ModelError, SettingsError, StageError
from imagerag_assets.project import Project
from imagerag_assets.serving.cli import app
from imagerag_assets.serving.estimate import estimate
from imagerag_assets.settings import load_settings
from imagerag_assets.stages import vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.description_batches import come_back
from imagerag_assets.stages.status import status
from imagerag_assets_tests.children import run_child
from imagerag_assets_tests.models.batch_server import BatchServer
from imagerag_assets_tests.models.fault_server import GOOD, REFUSAL, Request, Response, answer, fails
from imagerag_assets_tests.stages import batch_child
from imagerag_assets_tests.stages.batch_child import STEPS
from imagerag_assets_tests.stages.described import (
    KEY,
    MakeProject,
    endpoint,
    failures,
    outcomes,
    read_by_hand,
    settings_file,
    write_colours,
)

CALL = Decimal("0.00175")
"""Half of what a good answer of the fake server costs at gpt-4o's price."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("imagerag_assets.models.describers.batches._FIRST_WAIT_SECONDS", 0.01)
    with BatchServer().running() as running:
        yield running


def ready(make_project: MakeProject, folder: Path, server: BatchServer, **values: Any) -> Project:
    describer = values.pop("describer", {})
    project = make_project({"shop": folder}, models=endpoint(server.url, batch=True, **describer), **values)
    read_by_hand(project)
    return project


def run(project: Project, run_id: str = "r") -> StageReport:
    return vlm_descriptions.run(project, RunOptions(run_id=run_id))


def waiting(project: Project) -> int:
    with project.database.connect() as connection:
        return int(one_row(connection.execute("select count(*) from description_batch_items"))[0])


def test_what_is_pending_is_handed_in_waits_and_is_collected_at_half_the_price(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 5), server)
    first = run(project, "first")
    assert (first.new, first.failed, first.pending, first.submitted) == (0, 0, 5, 5)
    # While it is out it is looked for, and nothing else.
    second = run(project)
    assert (second.submitted, second.pending, len(server.batches)) == (0, 5, 1)

    server.finish()
    third = run(project, "third")
    assert (third.new, third.failed, third.pending, third.submitted, third.skipped) == (5, 0, 0, 0, 0)
    assert third.cost_usd == pytest.approx(float(5 * CALL))
    with project.database.connect() as connection:
        calls = connection.execute(
            "select run_id, outcome, attempt, tokens_in, tokens_out, cost_usd, latency_ms, batch is not null, "
            "count(distinct item) from model_calls group by 1, 2, 3, 4, 5, 6, 7, 8"
        ).fetchall()
        rows = connection.execute("select distinct general, category, cost_usd from vlm_descriptions").fetchall()
    # The run that asked is the one whose budget pays.
    assert calls == [("first", "ok", 1, 1000, 100, CALL, None, True, 5)]
    assert rows == [(GOOD["general_description"], "machine part", CALL)]
    asked = len(server.calls)
    assert run(project).worked == 0
    assert len(server.calls) == asked


def test_what_is_asked_in_a_batch_is_what_is_asked_at_once(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 1), server, describer={"detail": "high"})
    run(project)
    (line,) = server.requests_of(server.batches[0])
    request = Request(line["body"], {}, line["url"], 0.0)
    assert "never instructions" in request.system
    assert request.data.startswith("<collection>")
    assert request.image_url["url"].startswith("data:image/png;base64,")
    assert (request.image_url["detail"], request.body["model"]) == ("high", "gpt-4o")
    assert request.body["response_format"]["json_schema"]["strict"] is True
    # Neither the files' names nor the contents' are told to the server.
    assert line["custom_id"] == "00000"


def test_files_are_no_larger_than_the_settings_say(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 7), server, describer={"batch_requests": 3})
    assert run(project).submitted == 7
    assert [len(server.requests_of(batch)) for batch in server.batches] == [3, 3, 1]
    line = max(len(data) for data in server.files.values()) // 3

    small = {"batch_megabytes": (2 * line + line // 2) / 1_000_000}
    other = ready(make_project, tmp_path / "shop", server, describer=small)
    assert run(other).submitted == 7
    assert [len(server.requests_of(batch)) for batch in server.batches[3:]] == [2, 2, 2, 1]
    server.finish()
    assert (run(project).new, run(other).new) == (7, 7)


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_nothing_is_lost_and_nothing_is_paid_twice(
    make_project: MakeProject, server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    folder = write_colours(tmp_path / "shop", 5)
    project = ready(make_project, folder, server)
    settings = settings_file(project, folder, tmp_path, endpoint(server.url, batch=True))
    if "results" in step or "closed" in step:
        run(project)
        server.finish()
    assert run_child(batch_child.main, str(settings), step, KEY) == -9

    reports = [run(project)]
    if step == "before the batch is asked for":
        # The request may still be on its way to the server: only later is it sure that there is no batch.
        assert (reports[0].submitted, reports[0].pending, server.batches) == (0, 5, [])
        monkeypatch.setattr("imagerag_assets.stages.description_batches._SURE_AFTER_SECONDS", -1.0)
        reports.append(run(project))
    server.finish()
    reports.append(run(project))
    with project.database.connect() as connection:
        (described,) = one_row(connection.execute("select count(*) from vlm_descriptions"))
        calls = connection.execute("select outcome, count(*), count(distinct item) from model_calls group by 1")
        assert calls.fetchall() == [("ok", 5, 5)]
    assert (described, reports[-1].pending, waiting(project)) == (5, 0, 0)
    assert (len(server.batches), len(server.paid)) == (1, 5)


def test_a_batch_whose_answer_got_lost_is_found_by_its_name_behind_many_others(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 3), server)
    server.page = 2
    asked: list[str] = []

    def cut(method: str, path: str) -> Response | None:
        if (method, path) != ("POST", "/batches"):
            return None
        asked.append(path)
        return Response(0)

    def others(method: str, path: str) -> Response | None:
        # By the time of the search the organisation has made five more.
        if (method, path) == ("GET", "/batches") and len(server.batches) == 1:
            for _ in range(5):
                server.create({**created, "metadata": None})
        return cut(method, path)

    other_file = server._keep(json.dumps({"custom_id": "x", "method": "POST", "url": "/v1/chat/completions"}).encode())
    created = {"endpoint": "/v1/chat/completions", "completion_window": "24h", "input_file_id": other_file}
    server.trouble = others
    assert run(project).submitted == 3
    # Asked for once, although the answer was cut off.
    assert (len(asked), len(server.batches)) == (1, 6)
    server.end(server.batches[0], "completed", lambda _n, _r: answer())
    assert run(project).new == 3


def test_a_batch_of_which_nobody_knows_is_told_and_keeps_its_images(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 3), server)
    server.trouble = lambda _method, path: fails(500, "oops") if path == "/batches" else None
    with pytest.raises(ModelError, match="did not say whether it took the batch") as caught:
        run(project)
    assert "\n" not in str(caught.value)
    server.trouble = lambda _method, _path: None
    # It took none, but that is not sure yet.
    assert (run(project).submitted, waiting(project)) == (0, 3)


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_a_batch_did_not_come_to_is_pending_again(
    make_project: MakeProject, server: BatchServer, tmp_path: Path, status: str
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 4), server)
    run(project)
    server.end(server.batches[0], status, lambda number, _request: answer() if number < 1 else None)
    report = run(project)
    assert (report.new, report.failed, report.submitted, report.pending) == (1, 0, 3, 3)
    server.finish()
    assert run(project).new == 3
    assert len(server.paid) == 4
    with project.database.connect() as connection:
        assert outcomes(connection) == {"ok": 4}
        assert failures(connection) == {}


def test_a_line_that_failed_is_its_images_failure_and_its_cost_is_kept(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 7), server)
    run(project)
    plan = [answer(), REFUSAL, answer("I see a part."), answer("{", reason="length"), fails(500, "oops"),
            fails(400, "filtered", "content_filter"), None]  # fmt: skip
    server.finish(lambda number, _request: plan[number])
    report = run(project)
    assert (report.new, report.failed, report.submitted, report.pending) == (1, 6, 0, 6)
    with project.database.connect() as connection:
        reasons = sorted(told.partition(":")[0] for told in failures(connection).values())
        costs = connection.execute("select outcome, sum(cost_usd) from model_calls group by 1").fetchall()
    assert reasons == ["broken", "invalid_answer", "invalid_answer", "refused", "refused", "server_error"]
    # One refusal was an answer and is paid, the other was none; what is not in the results may have been paid.
    assert dict(costs) == {
        "ok": CALL, "refused": CALL, "invalid": CALL, "cut_off": CALL, "server_error": 0, "broken": None,
    }  # fmt: skip


def test_a_result_that_is_not_wanted_any_more_is_not_used_but_paid_for(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 4)
    project = ready(make_project, folder, server)
    run(project)
    read_by_hand(project, texts={"0001.png": "TOTAL 12 EUR"})
    (folder / "0002.png").unlink()
    read_by_hand(project, texts={"0001.png": "TOTAL 12 EUR"})
    # Another text asks for another description beside the one that is out; a file that went asks for none.
    assert run(project).submitted == 1
    server.end(server.batches[0], "completed", lambda _n, _r: answer())
    report = run(project)
    assert (report.new, report.pending) == (2, 1)
    assert report.cost_usd == pytest.approx(float(4 * CALL))

    # Another model's fingerprint: what is out of the first is not taken for its work.
    url = project.settings.database.url
    changed = make_project({"shop": folder}, url=url, models=endpoint(server.url, batch=True, model="gpt-4.1"))
    assert run(changed).submitted == 3
    server.finish()
    report = run(changed)
    assert (report.updated, report.new, report.pending) == (2, 1, 0)
    with project.database.connect() as connection:
        models = connection.execute("select model, count(*) from model_calls group by 1 order by 1").fetchall()
        described = connection.execute("select distinct model from vlm_descriptions").fetchall()
    assert models == [("gpt-4.1", 3), ("gpt-4o", 5)]
    assert described == [("gpt-4.1",)]


def test_what_is_out_counts_against_the_budget(make_project: MakeProject, server: BatchServer, tmp_path: Path) -> None:
    folder = write_colours(tmp_path / "shop", 10)
    # One request may cost 800 tokens received and some 700 sent, at half the price: about 0.005 USD.
    project = ready(make_project, folder, server, budget={"day_usd": 0.02})
    first = run(project, "a")
    assert 2 <= first.submitted <= 5
    assert first.stopped.startswith("budget.day_usd is reached: 0.0")
    again = run(project, "b")
    assert (again.submitted, waiting(project)) == (0, first.submitted)
    # Calls at once look at it too.
    at_once = make_project(
        {"shop": folder}, url=project.settings.database.url, models=endpoint(server.url), budget={"day_usd": 0.02}
    )
    assert run(at_once, "c").stopped
    assert not [path for _, path in server.calls if "chat" in path]
    # What comes back costs less than was held, and leaves room for more.
    server.finish()
    report = run(project, "d")
    assert report.new == first.submitted
    assert report.submitted > 0
    server.finish()
    run(project, "e")
    with project.database.connect() as connection:
        (spent,) = one_row(connection.execute("select sum(cost_usd) from model_calls"))
    assert spent <= Decimal("0.02")


def test_a_collections_budget_leaves_the_others_theirs(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folders = {"shop": write_colours(tmp_path / "shop", 4), "yard": write_colours(tmp_path / "yard", 8)}
    for number in range(4):
        (folders["yard"] / f"{number:04d}.png").unlink()
    project = make_project(
        folders, models=endpoint(server.url, batch=True), budget={"collections_usd": {"shop": 0.0001}}
    )
    read_by_hand(project)
    report = run(project)
    assert report.submitted == 4
    assert report.stopped.startswith("budget.collections_usd.shop is reached")


def test_two_runs_at_once_hand_in_and_collect_once(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 12)
    first = ready(make_project, folder, server, describer={"batch_requests": 4})
    second = make_project(
        {"shop": folder}, url=first.settings.database.url, models=endpoint(server.url, batch=True, batch_requests=4)
    )
    with ThreadPoolExecutor(2) as threads:
        assert sum(report.submitted for report in threads.map(run, (first, second))) == 12
        server.finish()
        reports = list(threads.map(run, (first, second)))
    assert sum(report.new for report in reports) + run(first).new == 12
    assert len(server.paid) == 12
    with first.database.connect() as connection:
        assert outcomes(connection) == {"ok": 12}


def test_switched_off_what_is_out_is_awaited_and_not_asked_for_at_once(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 3)
    project = ready(make_project, folder, server)
    run(project)
    off = make_project({"shop": folder}, url=project.settings.database.url, models=endpoint(server.url))
    assert run(off).pending == 3
    server.finish()
    assert run(off).new == 3
    assert not [path for _, path in server.calls if "chat" in path]


def with_preset(make_project: MakeProject, project: Project, folder: Path, server: BatchServer) -> Project:
    """The same project after its describer was set to another preset, on a server of its own that needs no key."""
    models = endpoint(server.url, batch=True, preset="vllm", model="qwen")
    return make_project({"shop": folder}, url=project.settings.database.url, models=models)


def test_what_is_out_when_another_preset_is_set_is_collected_from_its_own_server(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 3)
    project = ready(make_project, folder, server)
    run(project)
    with BatchServer().running() as other:
        changed = with_preset(make_project, project, folder, other)
        assert run(changed).submitted == 3
        assert [one.address for one in status(changed).batches] == [server.url, other.url]
        server.finish()
        other.finish()
        assert len(come_back(changed, 10.0)) == 2
        report = run(changed)
        assert (report.new, report.submitted) == (3, 0)
        # Nobody wants the first three any more, but they are paid, and no budget is held for them any longer.
        assert report.cost_usd == pytest.approx(float(3 * CALL))
        assert (run(changed).worked, len(other.paid), len(server.paid)) == (0, 3, 3)
    with project.database.connect() as connection:
        assert connection.execute("select distinct model from vlm_descriptions").fetchall() == [("qwen",)]
    assert (waiting(project), status(changed).batches) == (0, ())


def test_a_batch_whose_key_is_gone_says_so_and_keeps_no_other_describer_from_its_work(
    make_project: MakeProject, server: BatchServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_colours(tmp_path / "shop", 3)
    project = ready(make_project, folder, server)
    run(project)
    monkeypatch.delenv("OPENAI_API_KEY")
    with BatchServer().running() as other:
        changed = with_preset(make_project, project, folder, other)
        assert run(changed).submitted == 3
        assert come_back(changed, 10.0) == []
        assert ["OPENAI_API_KEY" in one.says for one in status(changed).batches] == [True, False]
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        run(changed)
        assert [one.says for one in status(changed).batches] == ["", ""]


def test_a_person_cancels_a_batch_and_pays_only_what_has_run(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 3)
    project = ready(make_project, folder, server)
    run(project)
    settings = settings_file(project, folder, tmp_path, endpoint(server.url, batch=True))
    told = CliRunner().invoke(app, ["batches", "--cancel", server.batches[0].id, "--settings", str(settings)])
    assert told.exit_code == 0, told.output
    with BatchServer().running() as other:
        report = run(with_preset(make_project, project, folder, other))
    assert report.cost_usd == pytest.approx(float(CALL))
    assert (len(server.paid), [one.address for one in status(project).batches]) == (1, [other.url])


CANNOT_BE_HANDED_IN = (
    ("/files", fails(401, f"wrong key {KEY}"), "refuses the key"),
    ("/files", fails(404, "Not found"), "has no Batch API at /files"),
    ("/files", Response(body="<html>", content_type="text/html"), "answers with no JSON of the Batch API"),
    ("/files", fails(500, f"oops {KEY}"), "/files fails: oops ***. Nothing is lost"),
    ("/batches", fails(400, "Billing hard limit has been reached", "billing_hard_limit_reached"), "no credit"),
    ("/batches", fails(429, "Too many batches"), "/batches fails: Too many batches"),
)


def test_what_cannot_be_handed_in_ends_the_run_in_one_line_and_is_pending_again(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 3), server)

    for path, response, part in CANNOT_BE_HANDED_IN:
        script = {("POST", path): response}
        server.trouble = lambda method, name, script=script: script.get((method, name))  # type: ignore[misc]
        with pytest.raises(ModelError) as caught:
            run(project)
        assert part in str(caught.value)
        assert "\n" not in str(caught.value)
        assert KEY not in str(caught.value)
        assert (waiting(project), server.batches) == (0, [])
    with project.database.connect() as connection:
        assert failures(connection) == {}
    server.trouble = lambda _method, _path: None
    assert run(project).submitted == 3


def test_a_refused_file_is_told_and_costs_nothing(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 3), server)
    run(project)
    server.refuse(server.batches[0], "model_not_found", "The model gpt-4o does not support batches.")
    with pytest.raises(ModelError, match=r"refused the batch batch_0 of 3 images: The model .* support batches\."):
        run(project)
    assert (len(server.batches), waiting(project)) == (1, 0)


def test_a_full_queue_waits_for_the_batches_that_are_out(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 6), server, describer={"batch_requests": 3})
    run(project)
    server.refuse(server.batches[1], "token_limit_exceeded", "Enqueued token limit reached for gpt-4o.")
    report = run(project)
    assert (report.submitted, report.pending, waiting(project), len(server.batches)) == (0, 6, 3, 2)
    server.finish()
    report = run(project)
    assert (report.new, report.submitted) == (3, 3)
    server.refuse(server.batches[2], "token_limit_exceeded", "Enqueued token limit reached for gpt-4o.")
    with pytest.raises(ModelError, match=r"Make the files smaller: models\.describer\.batch_requests"):
        run(project)


@pytest.mark.parametrize(
    ("trouble", "raised", "part"),
    [
        (fails(400, "The schema is not supported"), StageError, "3 requests of a batch failed and none succeeded"),
        (fails(429, "no credit", "insufficient_quota"), ModelError, "has no credit or quota left"),
    ],
    ids=["bad request", "no credit"],
)
def test_what_fails_for_all_is_no_images_failure(
    make_project: MakeProject,
    server: BatchServer,
    tmp_path: Path,
    trouble: Response,
    raised: type[Exception],
    part: str,
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 3), server)
    run(project)
    server.finish(lambda _n, _r: trouble)
    with pytest.raises(raised, match=part):
        run(project)
    with project.database.connect() as connection:
        assert failures(connection) == {}
        assert sum(outcomes(connection).values()) == 3
    # Mended, they are asked for again.
    assert run(project).submitted == 3


def test_a_batch_that_the_server_lost_is_told_until_it_is_forgotten_by_hand(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 3), server)
    run(project)
    del server.batches[0]
    for _ in range(2):
        with pytest.raises(ModelError, match=r"does not know the batch batch_0.*imagerag batches --forget"):
            run(project)
    assert waiting(project) == 3

    settings = str(settings_file(project, tmp_path / "shop", tmp_path, endpoint(server.url, batch=True)))
    (told,) = json.loads(CliRunner().invoke(app, ["batches", "--json", "-s", settings]).output)
    assert (told["at the server"], told["state"], told["images"]) == ("batch_0", "out", "3")
    wrong = CliRunner().invoke(app, ["batches", "--forget", "batch_7", "-s", settings])
    assert "No batch batch_7 is out" in str(wrong.exception)
    done = CliRunner().invoke(app, ["batches", "--forget", "batch_0", "-s", settings])
    assert "3 images are pending again" in done.output
    assert run(project).submitted == 3


def test_an_image_that_fails_in_every_batch_is_asked_for_as_often_as_the_settings_say(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    retries = {"attempts": 2, "first_wait_seconds": 0}
    project = ready(make_project, write_colours(tmp_path / "shop", 2), server, retries=retries)
    for _ in range(4):
        run(project)
        server.finish(lambda number, _request: answer("no") if number == 0 else answer())
    assert [len(server.requests_of(batch)) for batch in server.batches] == [2, 1]
    assert len(server.paid) == 3


def test_results_that_make_no_sense_are_passed_over_and_the_rest_is_used(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 4), server)
    run(project)
    server.finish(lambda number, _request: [answer(), answer(), fails(400, f"no\x00 for {KEY}"), None][number])
    (batch,) = server.batches
    assert batch.output_file
    good = server.files[batch.output_file].splitlines()
    odd = [b"", b"{not json", b"[1]", b"[" * 100_000, b'{"custom_id": "99", "response": 3}', b'{"custom_id": null}',
           b'{"custom_id": "00001", "error": "what", "response": {"status_code": "x"}}', b'"\xff"']  # fmt: skip
    server.files[batch.output_file] = b"\n".join([*odd, *good, good[0]]) + b"\n"
    report = run(project)
    assert (report.new, report.failed) == (2, 2)
    with project.database.connect() as connection:
        told = sorted(failures(connection).values())
        # One row per request, however often it is in the results.
        assert outcomes(connection) == {"ok": 2, "bad_request": 1, "broken": 1}
    assert told == ["bad_request: in a batch: no for ***.", "broken: in a batch: the results lack this request."]


def test_a_result_file_that_is_none_is_told_and_read_again_later(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 2), server)
    run(project)
    server.finish()
    server.trouble = lambda _method, path: (
        Response(body="<html>", content_type="text/html") if path.endswith("/content") else None
    )
    with pytest.raises(ModelError, match="holds no results of a batch"):
        run(project)
    server.trouble = lambda _method, _path: None
    assert run(project).new == 2


def test_a_status_that_is_no_end_is_waited_for(make_project: MakeProject, server: BatchServer, tmp_path: Path) -> None:
    """Completed without any file is not complete: asked for again, it would be paid twice."""
    project = ready(make_project, write_colours(tmp_path / "shop", 2), server)
    run(project)
    for told in ("paused", "", "completed"):
        server.batches[0].status = told
        assert (run(project).submitted, waiting(project)) == (0, 2)


def test_what_a_server_says_of_a_refused_file_is_kept_without_the_key(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    project = ready(make_project, write_colours(tmp_path / "shop", 1), server)
    run(project)
    server.refuse(server.batches[0], "odd", f"line\x00 one\nof {KEY}")
    with pytest.raises(ModelError, match=r"line one of \*\*\*"):
        run(project)
    with project.database.connect() as connection:
        assert one_row(connection.execute("select reason from description_batches")) == (
            "refused: odd line one of ***",
        )


def test_an_estimate_is_at_the_batchs_price_and_without_what_is_out(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 4)
    project = ready(make_project, folder, server)
    at_once = make_project({"shop": folder}, url=project.settings.database.url, models=endpoint(server.url))
    half, whole = estimate(project).usd, estimate(at_once).usd
    assert half is not None
    assert whole is not None
    assert whole == 2 * half > 0
    run(project)
    assert estimate(project).pending == ()


def test_what_batches_cost_is_no_estimate_of_calls_at_full_price(
    make_project: MakeProject, server: BatchServer, tmp_path: Path
) -> None:
    folder = write_colours(tmp_path / "shop", 12)
    project = ready(make_project, folder, server)
    run(project)
    server.finish()
    assert run(project).new == 12
    write_colours(folder, 15)
    at_once = make_project({"shop": folder}, url=project.settings.database.url, models=endpoint(server.url))
    read_by_hand(at_once)
    assert estimate(project).usd == 3 * CALL
    assert estimate(at_once).usd == 2 * 3 * CALL


def test_batches_are_for_servers_that_may_have_them(tmp_path: Path) -> None:
    file = tmp_path / "imagerag.yaml"
    for text in ("kind: endpoint, preset: anthropic, model: m", "kind: zero_shot"):
        file.write_text(f"models: {{describer: {{{text}, batch: true}}}}")
        with pytest.raises(SettingsError, match=r"describer\.batch is for endpoints of the presets openai, vllm"):
            load_settings(file)
