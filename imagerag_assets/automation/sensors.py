"""The sensor that notices changed folders. What counts as a change is a pure function of the listings."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import dagster as dg

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.jobs import index_and_evaluate
from imagerag_assets.errors import ImageragError
from imagerag_assets.images.sources import ListedFile
from imagerag_assets.project import Project
from imagerag_assets.settings import SAMPLE_SCHEME

MAXIMUM_ATTEMPTS = 5
"""Runs in a row for one state of the files: what fails five times waits for a person or for the next change."""
_FAILED = (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)


@dataclass(frozen=True)
class Cursor:
    """What the sensor remembers: each collection's listing as it was asked for, and how often in a row it was."""

    listings: Mapping[str, str]
    attempt: int = 1
    request: int = 1
    """Counts every request ever made: files may return to a state that was asked for before."""

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        values = json.loads(text) if text else {}
        return cls(values.get("listings", {}), values.get("attempt", 0), values.get("request", 0))

    def dump(self) -> str:
        values = {"listings": dict(self.listings), "attempt": self.attempt, "request": self.request}
        return json.dumps(values, sort_keys=True)

    @property
    def run_key(self) -> str:
        """Dagster remembers a run key for ever, whatever became of its run: a new attempt needs a new key."""
        digest = hashlib.sha256(json.dumps(dict(self.listings), sort_keys=True).encode()).hexdigest()[:16]
        return f"{digest}-{self.request}-{self.attempt}"


def listing_fingerprint(files: Iterable[ListedFile]) -> str:
    """A digest of names, sizes, versions and metadata in any order: no file is opened."""
    total = 0
    for file in files:
        # What is passed over brings no run; one with a version may be a sidecar.
        if file.ignored and not file.version:
            continue
        facts = (file.uri, file.size_bytes, file.version, sorted(file.metadata.items()), file.ignored, file.reason)
        line = repr(facts).encode("utf-8", "surrogatepass")
        total = (total + int.from_bytes(hashlib.blake2b(line, digest_size=16).digest(), "big")) % (1 << 128)
    return f"{total:032x}"


def next_cursor(before: Cursor, listings: Mapping[str, str], last_failed: bool) -> Cursor | None:
    """The cursor of the run to ask for, or None when there is nothing to ask for."""
    if dict(before.listings) != dict(listings):
        return Cursor(listings, 1, before.request + 1)
    again = last_failed and before.attempt < MAXIMUM_ATTEMPTS
    return Cursor(listings, before.attempt + 1, before.request + 1) if again else None


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
    description="Asks for a run when a file of any collection came, went or changed; again when that run failed.",
)
def changed_files(context: dg.SensorEvaluationContext, project: ProjectResource) -> dg.SensorResult | dg.SkipReason:
    try:
        listings = current_listings(project.open())
    except ImageragError as error:
        return dg.SkipReason(str(error))
    before = Cursor.parse(context.cursor)
    after = next_cursor(before, listings, _last_run_failed(context.instance, before))
    if after is None:
        return dg.SkipReason("No file came, went or changed.")
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=after.run_key)], cursor=after.dump())


def _last_run_failed(instance: dg.DagsterInstance, cursor: Cursor) -> bool:
    if cursor.attempt == 0:
        return False
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": cursor.run_key}), limit=1)
    return bool(runs) and runs[0].status in _FAILED


SENSORS = [changed_files]
