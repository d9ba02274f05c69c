"""The sensor that asks for a run when the Batch API has answers. Whether to ask is a pure function."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import dagster as dg

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.jobs import collect_descriptions
from imagerag_assets.automation.sensors import MAXIMUM_ATTEMPTS, TICK_SECONDS, RunState, state_of_run
from imagerag_assets.errors import ImageragError
from imagerag_assets.stages.description_batches import come_back


@dataclass(frozen=True)
class Asked:
    """The batches that a run was last asked for, and how often in a row."""

    batches: tuple[str, ...] = ()
    attempt: int = 0

    @classmethod
    def parse(cls, text: str | None) -> "Asked":
        if not text:
            return cls()
        told = json.loads(text)
        return cls(tuple(told["batches"]), told["attempt"])

    def dump(self) -> str:
        return json.dumps(asdict(self))

    @property
    def run_key(self) -> str:
        """Dagster remembers a run key for ever, whatever became of its run: a new attempt needs a new key."""
        return f"batches-{hashlib.sha256(json.dumps(self.batches).encode()).hexdigest()[:16]}-{self.attempt}"


def decide(before: Asked, back: Sequence[str], last_run: RunState) -> tuple[Asked, str]:
    """(what to remember, why no run is asked for: empty when one is). Batches that came back with others are new."""
    if not back:
        return before, "No batch of descriptions has come back."
    if last_run == "under way":
        return before, "Batches have come back; the last run that was asked for is still under way."
    batches = tuple(sorted(back))
    if batches != before.batches:
        return Asked(batches, 1), ""
    if before.attempt >= MAXIMUM_ATTEMPTS:
        return before, f"{MAXIMUM_ATTEMPTS} runs could not collect these batches: see why they failed."
    return Asked(batches, before.attempt + 1), ""


@dg.sensor(
    job=collect_descriptions,
    minimum_interval_seconds=60,
    description=(
        "While descriptions are out at the Batch API, looks once a minute and asks for a run when some have come back. "
        "Asks nobody anything when none are out."
    ),
)
def batch_results(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
    before = Asked.parse(context.cursor)
    try:
        back = come_back(project.open(), TICK_SECONDS)
    except ImageragError as error:
        return dg.SkipReason(str(error))
    asked, reason = decide(before, back, state_of_run(context.instance, before.run_key))
    if reason:
        return dg.SensorResult(skip_reason=reason, cursor=asked.dump())
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=asked.run_key)], cursor=asked.dump())
