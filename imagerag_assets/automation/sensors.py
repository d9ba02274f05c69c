"""The sensor that notices changed folders. What counts as a change is a pure function of the listings."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

import dagster as dg

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.jobs import index_and_evaluate
from imagerag_assets.errors import ImageragError, SourceError
from imagerag_assets.images.sources import ListedFile
from imagerag_assets.project import Project
from imagerag_assets.settings import SAMPLE_SCHEME

MAXIMUM_ATTEMPTS = 5
"""Runs in a row for one state of the files: what fails five times waits for a person or for the next change."""
MAXIMUM_WAIT = 10
"""Ticks that files may go on changing before a run is asked for all the same: an upload that never rests."""
TICK_SECONDS = 45.0
"""Dagster ends a tick after 60 seconds, and a sensor that only ever times out tells nobody why."""
_FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
_TAG_LENGTH = 200
RunState = Literal["none", "under way", "failed", "succeeded"]


@dataclass(frozen=True)
class Cursor:
    """What the sensor remembers: each collection's listing as it was asked for, and how often in a row it was."""

    listings: Mapping[str, str]
    attempt: int = 1
    request: int = 1
    """Counts every request ever made: files may return to a state that was asked for before."""
    seen: Mapping[str, str] | None = None
    """The listings of the last tick, while they differ from those that were asked for."""
    waited: int = 0
    """Ticks since they do."""

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        return cls(**json.loads(text)) if text else cls({}, 0, 0)

    def dump(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def run_key(self) -> str:
        """Dagster remembers a run key for ever, whatever became of its run: a new attempt needs a new key."""
        digest = hashlib.sha256(json.dumps(dict(self.listings), sort_keys=True).encode()).hexdigest()[:16]
        return f"{digest}-{self.request}-{self.attempt}"


@dataclass(frozen=True)
class Decision:
    """What a tick does: remember `cursor`, and ask for its run unless there is a reason to `skip`."""

    cursor: Cursor
    skip: str = ""
    changed: tuple[str, ...] = ()
    """The collections whose files came, went or changed."""


def listing_fingerprint(files: Iterable[ListedFile], seconds: float = TICK_SECONDS) -> str:
    """A digest of names, sizes, versions and metadata in any order: no file is opened.

    Raises `SourceError` when the listing takes longer than `seconds`.
    """
    total = 0
    until = time.monotonic() + seconds
    for number, file in enumerate(files):
        if number % 1000 == 0 and time.monotonic() > until:
            raise SourceError(
                f"The listing takes longer than {seconds:g} s ({number:,} files so far), too long for a sensor: switch "
                "changed_files off and the schedule hourly_update on."
            )
        # What is passed over brings no run; one with a version may be a sidecar.
        if file.ignored and not file.version:
            continue
        facts = (file.uri, file.size_bytes, file.version, sorted(file.metadata.items()), file.ignored, file.reason)
        line = repr(facts).encode("utf-8", "surrogatepass")
        total = (total + int.from_bytes(hashlib.blake2b(line, digest_size=16).digest(), "big")) % (1 << 128)
    return f"{total:032x}"


def decide(before: Cursor, now: Mapping[str, str], last_run: RunState) -> Decision:
    """Whether to ask for a run. A burst of changes is one: it is over when two ticks see the same files.

    While a run that was asked for is under way no other is, so that an upload of hours does not queue hundreds.
    """
    if dict(now) == dict(before.listings):
        if last_run == "failed" and before.attempt < MAXIMUM_ATTEMPTS:
            return Decision(Cursor(now, before.attempt + 1, before.request + 1))
        return Decision(replace(before, seen=None, waited=0), "No file came, went or changed.")
    if last_run == "under way":
        return Decision(replace(before, seen=now), "Files changed; the last run is still under way.")
    settled = before.seen is not None and dict(before.seen) == dict(now)
    if not settled and before.waited < MAXIMUM_WAIT:
        return Decision(replace(before, seen=now, waited=before.waited + 1), "Files are changing; waiting for the end.")
    changed = {name for name in {*now, *before.listings} if now.get(name) != before.listings.get(name)}
    return Decision(Cursor(now, 1, before.request + 1), changed=tuple(sorted(changed)))


def current_listings(project: Project) -> dict[str, str]:
    """Every watched collection's fingerprint. The sample corpus does not change, and a tick must not draw it."""
    settings = project.settings
    return {
        collection.name: listing_fingerprint(project.source(collection.name).list(cheaply=True))
        for collection in settings.collections
        if not collection.source.startswith(SAMPLE_SCHEME)
    }


@dg.sensor(
    job=index_and_evaluate,
    minimum_interval_seconds=60,
    description=(
        "Asks for a run when files of any collection came, went or changed and rest; again when that run failed. "
        "For sources that take longer than a tick to list there is the schedule hourly_update."
    ),
)
def changed_files(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
    try:
        listings = current_listings(project.open())
    except ImageragError as error:
        return dg.SkipReason(str(error))
    before = Cursor.parse(context.cursor)
    decision = decide(before, listings, _last_run(context.instance, before))
    cursor = decision.cursor.dump()
    if decision.skip:
        return dg.SensorResult(skip_reason=decision.skip, cursor=cursor)
    tags = {"imagerag/changed": ",".join(decision.changed)[:_TAG_LENGTH]} if decision.changed else {}
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=decision.cursor.run_key, tags=tags)], cursor=cursor)


def _last_run(instance: dg.DagsterInstance, cursor: Cursor) -> RunState:
    return "none" if cursor.attempt == 0 else state_of_run(instance, cursor.run_key)


def state_of_run(instance: dg.DagsterInstance, run_key: str) -> RunState:
    """What became of the newest run that was asked for under that key."""
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": run_key}), limit=1)
    if not runs:
        return "none"
    if runs[0].status in _FAILED:
        return "failed"
    return "succeeded" if runs[0].is_finished else "under way"


SENSORS = [changed_files]
