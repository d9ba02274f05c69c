"""Alerts: failed runs and failed checks go to the log, and to a webhook where one is set. What counts as new is pure.

What fails every hour for the same reason is told of once, and again when the reason changes or after it was well.

The webhook's address is a secret with most services, so it comes from the environment alone: IMAGERAG_ALERT_WEBHOOK.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

import dagster as dg

from imagerag_assets.automation.checks import STATE

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
    state: str = ""
    """Which of its reasons a check fails for, where it says so."""
    said: str = ""

    @property
    def failure(self) -> str:
        """What is remembered of it: another one is news."""
        return f"{self.severity} {self.state}".strip()


def new_failures(failing: Mapping[str, str], newest: Iterable[CheckResult]) -> tuple[dict[str, str], list[Alert]]:
    """(how each check fails now, alerts for those that failed otherwise before, or not at all).

    A check that fails every hour is told of once, until it passes; one that has no result now is as it was.
    """
    now = dict(failing)
    alerts = []
    for result in newest:
        if result.passed:
            now.pop(result.check, None)
        elif now.get(result.check) != result.failure:
            now[result.check] = result.failure
            text = f"Imagerag: the check {result.check} failed ({result.severity}). {result.said}".strip()
            alerts.append(Alert(text, "check", result.run_id))
    return now, alerts


def send(alert: Alert, log: logging.Logger, environment: Mapping[str, str] = os.environ) -> bool:
    """Log the alert, and post it as JSON where a webhook is set; says whether it arrived there.

    A webhook that fails is logged without its address, and fails nothing.
    """
    import httpx

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
    description=(
        f"Tells the log, and the webhook of ${WEBHOOK} where one is set, of runs that fail otherwise than the last run "
        "of their job did."
    ),
)
def alert_failed_runs(context: dg.RunFailureSensorContext) -> None:
    reasons = [_reason(event) for event in context.get_step_failure_events()]
    run = context.dagster_run
    if reasons and reasons == _reasons_of_the_run_before(context.instance, run):
        context.log.info(f"The run {run.run_id} of {run.job_name} failed as the one before it did.")
        return
    text = f"Imagerag: the run {run.run_id} of {run.job_name} failed: "
    text += " ".join(reasons or [context.failure_event.message or ""])
    send(Alert(text, "run", run.run_id), context.log)


def _reasons_of_the_run_before(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Why the job's last finished run before this one failed; nothing where it succeeded or there is none."""
    finished = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    before = instance.get_runs(dg.RunsFilter(job_name=run.job_name, statuses=finished), cursor=run.run_id, limit=1)
    if not before or before[0].status is not dg.DagsterRunStatus.FAILURE:
        return []
    events = instance.all_logs(before[0].run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    return [_reason(one.dagster_event) for one in events if one.dagster_event]


@dg.sensor(
    name="alert_failed_checks",
    minimum_interval_seconds=30,
    description=(
        f"Tells the log, and the webhook of ${WEBHOOK} where one is set, of asset checks that begin to fail, "
        "or to fail for another reason."
    ),
)
def alert_failed_checks(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    remembered = json.loads(context.cursor or "{}")
    # Earlier versions remembered a list of names: what fails is then told of once more.
    failing = remembered if isinstance(remembered, dict) else {}
    keys = context.repository_def.asset_graph.asset_check_keys if context.repository_def else ()
    now, alerts = new_failures(failing, _newest_results(context.instance, sorted(keys, key=str)))
    for alert in alerts:
        send(alert, context.log)
    context.update_cursor(json.dumps(now, sort_keys=True))
    return dg.SkipReason(f"{len(alerts)} checks began to fail or fail otherwise, {len(now)} fail.")


def _newest_results(instance: dg.DagsterInstance, keys: Iterable[dg.AssetCheckKey]) -> Iterator[CheckResult]:
    for key in keys:
        record = instance.get_latest_asset_check_evaluation_record(key)
        event = record.event.dagster_event if record and record.event else None
        # The newest record may be the plan of a run that has not checked yet.
        if record is None or event is None or event.event_type is not dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            continue
        result = event.asset_check_evaluation_data
        name = f"{key.asset_key.to_user_string()}: {key.name}"
        state = result.metadata.get(STATE)
        yield CheckResult(
            name, result.passed, result.severity.value, record.run_id, str(state.value) if state else "",
            result.description or "",
        )  # fmt: skip


def _reason(event: dg.DagsterEvent) -> str:
    """The one message that a person can act on, if the step failed with one; else the error's last line."""
    data = event.step_failure_data
    if data.user_failure_data and data.user_failure_data.description:
        return f"{event.step_key}: {data.user_failure_data.description}"
    return f"{event.step_key}: {(data.error.message if data.error else '').strip()}"


ALERTS = [alert_failed_runs, alert_failed_checks]
