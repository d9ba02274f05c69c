"""Alerts: failed runs and failed checks go to the log, and to a webhook where one is set. What counts as new is pure.

The webhook's address is a secret with most services, so it comes from the environment alone: IMAGERAG_ALERT_WEBHOOK.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass

import dagster as dg
import httpx

WEBHOOK = "IMAGERAG_ALERT_WEBHOOK"
_SECONDS = 10.0


@dataclass(frozen=True)
class Alert:
    """One thing that went wrong. `text` says it in a line, under the key that Slack, Mattermost and Teams read."""

    text: str
    kind: str
    run_id: str


@dataclass(frozen=True)
class CheckResult:
    """The newest evaluation of an asset check."""

    check: str
    passed: bool
    severity: str
    run_id: str


def new_failures(failing: Set[str], newest: Iterable[CheckResult]) -> tuple[set[str], list[Alert]]:
    """(checks that fail now, alerts for those that did not fail before).

    A check that fails every hour is told of once, until it passes; one that has no result now is as it was.
    """
    now = set(failing)
    alerts = []
    for result in newest:
        if result.passed:
            now.discard(result.check)
        elif result.check not in now:
            now.add(result.check)
            text = f"Imagerag: the check {result.check} failed ({result.severity})."
            alerts.append(Alert(text, "check", result.run_id))
    return now, alerts


def send(alert: Alert, log: logging.Logger, environment: Mapping[str, str] = os.environ) -> bool:
    """Log the alert, and post it as JSON where a webhook is set; says whether it arrived there.

    A webhook that fails is logged without its address, and fails nothing.
    """
    log.error(alert.text)
    address = environment.get(WEBHOOK)
    if not address:
        return False
    try:
        answer = httpx.post(address, json=asdict(alert), timeout=_SECONDS)
    # The address may be malformed as well as the server unreachable; neither message may quote it.
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        log.error(f"The webhook of {WEBHOOK} cannot be reached: {type(error).__name__}.")
        return False
    if not answer.is_success:
        log.error(f"The webhook of {WEBHOOK} answered {answer.status_code}.")
    return answer.is_success


@dg.run_failure_sensor(
    name="alert_failed_runs",
    minimum_interval_seconds=30,
    description=f"Tells the log, and the webhook of ${WEBHOOK} where one is set, of every run that failed.",
)
def alert_failed_runs(context: dg.RunFailureSensorContext) -> None:
    reasons = [_reason(event) for event in context.get_step_failure_events()] or [context.failure_event.message or ""]
    run = context.dagster_run
    text = f"Imagerag: the run {run.run_id} of {run.job_name} failed: {' '.join(reasons)}"
    send(Alert(text, "run", run.run_id), context.log)


@dg.sensor(
    name="alert_failed_checks",
    minimum_interval_seconds=30,
    description=f"Tells the log, and the webhook of ${WEBHOOK} where one is set, of asset checks that begin to fail.",
)
def alert_failed_checks(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    failing = set(json.loads(context.cursor or "[]"))
    keys = context.repository_def.asset_graph.asset_check_keys if context.repository_def else ()
    now, alerts = new_failures(failing, _newest_results(context.instance, sorted(keys, key=str)))
    for alert in alerts:
        send(alert, context.log)
    context.update_cursor(json.dumps(sorted(now)))
    return dg.SkipReason(f"{len(alerts)} checks began to fail, {len(now)} fail.")


def _newest_results(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> Iterator[CheckResult]:
    for key in keys:
        record = instance.get_latest_asset_check_evaluation_record(key)
        event = record.event.dagster_event if record and record.event else None
        # The newest record may be the plan of a run that has not checked yet.
        if record is None or event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        result = event.asset_check_evaluation_data
        name = f"{key.asset_key.to_user_string()}: {key.name}"
        yield CheckResult(name, result.passed, result.severity.value, record.run_id)


def _reason(event: dg.DagsterEvent) -> str:
    """The one message that a person can act on, if the step failed with one; else the error's last line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    return f"{event.step_key}: {(data.error.message if data.error else '').strip()}"


ALERTS = [alert_failed_runs, alert_failed_checks]
