"""Alerts tell of what began to fail, once, and the webhook's address is never told to anyone."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagerag_assets.automation.alerts import (
    WEBHOOK,
    Alert,
    CheckResult,
    alert_failed_checks,
    alert_failed_runs,
    new_failures,
    send,
)
from imagerag_assets.automation.checks import STATE


@dataclass
class Receiver:
    """A webhook on loopback that remembers what it was sent."""

    address: str = ""
    status: int = 200
    posts: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append(json.loads(body))
            self.send_response(received.status)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    received.address = f"http://127.0.0.1:{server.server_port}/secret-token"
    monkeypatch.setenv(WEBHOOK, received.address)
    yield received
    server.shutdown()
    server.server_close()


@dg.asset
def thing() -> None:
    pass


def checked(*, passes: bool, state: str = "") -> dg.Definitions:
    @dg.asset_check(asset=thing, name="is_good")
    def is_good() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(
            passed=passes, severity=dg.AssetCheckSeverity.WARN, metadata={STATE: state} if state else {}
        )

    return dg.Definitions(assets=[thing], asset_checks=[is_good])


def run_checks(instance: dg.DagsterInstance, *, passes: bool, state: str = "") -> None:
    job = checked(passes=passes, state=state).resolve_implicit_global_asset_job_def()
    job.execute_in_process(instance=instance)


def tick(instance: dg.DagsterInstance, cursor: str | None) -> str | None:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, definitions=checked(passes=True))
    alert_failed_checks(context)
    return context.cursor


def test_a_check_that_begins_to_fail_is_told_of_once_and_again_after_it_passed(webhook: Receiver) -> None:
    with dg.instance_for_test() as instance:
        run_checks(instance, passes=False)
        cursor = tick(instance, None)
        assert [post["text"] for post in webhook.posts] == ["Imagerag: the check thing: is_good failed (WARN)."]

        run_checks(instance, passes=False)
        cursor = tick(instance, cursor)
        assert len(webhook.posts) == 1

        run_checks(instance, passes=True)
        cursor = tick(instance, cursor)
        run_checks(instance, passes=False)
        tick(instance, cursor)
        assert len(webhook.posts) == 2


def test_a_check_that_goes_on_failing_for_another_reason_is_told_of_again(webhook: Receiver) -> None:
    with dg.instance_for_test() as instance:
        cursor: str | None = '["thing: is_good"]'
        for state in ("generation 2: hold", "generation 2: hold", "generation 3: hold", "generation 3: measure"):
            run_checks(instance, passes=False, state=state)
            cursor = tick(instance, cursor)
    assert len(webhook.posts) == 3


results = st.dictionaries(st.sampled_from("abc"), st.booleans())


@given(st.lists(results))
def test_only_the_step_from_passed_to_failed_is_told_of(ticks: list[dict[str, bool]]) -> None:
    failing: dict[str, str] = {}
    known = dict.fromkeys("abc", True)
    for tick_results in ticks:
        newest = [CheckResult(check, passed, "WARN", "run") for check, passed in tick_results.items()]
        failing, alerts = new_failures(failing, newest)
        expected = [check for check, passed in tick_results.items() if known[check] and not passed]
        assert [alert.text.split()[3] for alert in alerts] == expected
        known |= tick_results
        assert set(failing) == {check for check, passed in known.items() if not passed}


def run_job(instance: dg.DagsterInstance, said: str) -> dg.ExecuteInProcessResult:
    """A run that fails with that message, or succeeds where there is none; the sensor is told of it."""

    @dg.op
    def refuse() -> None:
        if said:
            raise dg.Failure(said)

    @dg.job
    def ingest() -> None:
        refuse()

    result = ingest.execute_in_process(instance=instance, raise_on_error=False)
    if not result.success:
        context = dg.build_run_status_sensor_context(
            sensor_name="alert_failed_runs",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=next(event for event in result.all_events if event.is_run_failure),
        ).for_run_failure()
        alert_failed_runs(context)
    return result


def test_a_failed_run_is_told_of_with_the_message_that_a_person_can_act_on(webhook: Receiver) -> None:
    with dg.instance_for_test() as instance:
        result = run_job(instance, "The folder /photos does not exist. Create it.")

    (post,) = webhook.posts
    assert post["kind"] == "run"
    assert "refuse: The folder /photos does not exist. Create it." in post["text"]
    assert post["run_id"] == result.run_id


def test_runs_that_fail_every_hour_for_one_reason_are_told_of_once_until_it_changes(webhook: Receiver) -> None:
    with dg.instance_for_test() as instance:
        for said in (
            "Generation 2 is held back.",
            "Generation 2 is held back.",
            "The disk is full.",
            "",
            "The disk is full.",
        ):
            run_job(instance, said)
    told = [post["text"].partition("refuse: ")[2] for post in webhook.posts]
    assert told == ["Generation 2 is held back.", "The disk is full.", "The disk is full."]


def test_without_a_webhook_the_alert_is_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert not send(Alert("The index is empty.", "check", "1"), logging.getLogger("alerts"), {})
    assert "The index is empty." in caplog.text


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/secret-token", "http://[secret-token", "secret-token"])
def test_a_webhook_that_cannot_be_reached_is_logged_without_its_address(
    address: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not send(Alert("x", "check", "1"), logging.getLogger("alerts"), {WEBHOOK: address})
    assert WEBHOOK in caplog.text
    assert "secret-token" not in caplog.text


def test_a_webhook_that_refuses_is_logged(webhook: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    webhook.status = 403
    assert not send(Alert("x", "check", "1"), logging.getLogger("alerts"))
    assert "answered 403" in caplog.text
    assert "secret-token" not in caplog.text
