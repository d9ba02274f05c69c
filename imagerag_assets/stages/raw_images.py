"""raw_images: every collection's files."""

from __future__ import annotations

from collections.abc import Mapping

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import Progress, StageReport, fingerprint
from imagerag_assets.images.ingest import (
    STAGE,
    ingest_collection,
    ingest_fingerprint,
    remove_other_collections,
)
from imagerag_assets.images.sources import open_source
from imagerag_assets.project import Project
from imagerag_assets.stages.common import RunOptions


def run(project: Project, options: RunOptions) -> dict[str, StageReport]:
    """Bring every selected collection in step with its source; reports by collection.

    Raises `SourceError` before anything is changed when a selected source does not exist.
    """
    settings = project.settings
    chosen = options.selection.collections or tuple(collection.name for collection in settings.collections)

    def drawing(done: int, total: int) -> None:
        options.on_progress(Progress("sample corpus", done, total, 0.0))

    for name in options.allow_removal:
        settings.collection(name)
    sources = {name: open_source(settings, settings.collection(name), drawing) for name in chosen}
    reports = {
        name: ingest_collection(
            project.database, settings, name, source,
            allow_removal=name in options.allow_removal, on_progress=options.on_progress,
        )
        for name, source in sources.items()
    }  # fmt: skip
    with project.database.connect() as connection:
        gone = remove_other_collections(connection, [collection.name for collection in settings.collections])
    if gone:
        reports["(no longer in the settings)"] = StageReport(STAGE, removed=gone)
    return reports


def total(reports: Mapping[str, StageReport]) -> StageReport:
    """All collections' counts in one report."""
    added = StageReport(STAGE)
    for report in reports.values():
        added.new += report.new
        added.updated += report.updated
        added.removed += report.removed
        added.skipped += report.skipped
        added.failed += report.failed
        added.seconds += report.seconds
    return added


def data_version(connection: Connection) -> str:
    """A digest of which file holds which content, and what is said of it."""
    row = one_row(
        connection.execute(
            "select count(*), "
            "coalesce(sum(hashtextextended(concat(collection, '/', uri, '=', content, metadata), 0)::numeric), 0) "
            "from raw_images where removed_at is null"
        )
    )
    return fingerprint(stage=ingest_fingerprint(), rows=int(row[0]), sum=str(row[1]))
