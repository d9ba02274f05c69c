"""What every asset needs of Dagster: the project as a resource, the run config, clear failures, metadata.

No module here imports annotations from the future: Dagster reads them at run time.
"""

import base64
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
from psycopg import sql
from pydantic import Field

from imagerag_assets.database.connection import Connection, read_in_memory
from imagerag_assets.database.stages import Progress, Selection, StageReport
from imagerag_assets.errors import ImageragError
from imagerag_assets.evaluation.markdown import markdown_table
from imagerag_assets.images.previews import contact_sheet
from imagerag_assets.project import Project, open_project
from imagerag_assets.stages.common import RunOptions

OWNERS = ["team:imagerag"]
INGEST, UNDERSTAND, INDEX, EVALUATION, STUDIES = (
    "1_ingest", "2_understand", "3_index", "4_evaluation", "5_studies",
)  # fmt: skip
"""Groups are sorted by name in the UI, hence the numbers."""
_SECONDS_BETWEEN_LINES = 2.0


class ProjectResource(dg.ConfigurableResource["ProjectResource"]):
    """Opens the project that imagerag.yaml (or the named settings file) describes."""

    settings_file: str = Field(
        default="", description="Path of the settings file; empty: $IMAGERAG_SETTINGS or ./imagerag.yaml"
    )

    def open(self) -> Project:
        """A fresh look at the settings. Raises `SettingsError`."""
        return open_project(Path(self.settings_file) if self.settings_file else None)


class CollectionsConfig(dg.Config):
    """Which collections to run. Empty means all."""

    collections: list[str] = Field(default_factory=list, description="Only these collections; empty: all.")

    def selection(self) -> Selection:
        return Selection(tuple(self.collections))


class StageConfig(CollectionsConfig):
    """Which part to run. Empty means everything."""

    shards: list[int] = Field(
        default_factory=list,
        description="Only contents whose first hash byte is one of these (0-255); empty: all.",
    )

    def selection(self) -> Selection:
        return Selection(tuple(self.collections), tuple(self.shards))


NO_CONFIG: dict[str, Any] = {}
"""The config schema of an asset that works on everything: Dagster refuses any run config, instead of ignoring it."""
_NOTHING_NEW = "Nothing was new, changed or removed in this run: see the last one that did something."


@contextmanager
def clear_failure() -> Iterator[None]:
    """Turn what a person can mend into one message instead of a traceback, and do not retry it."""
    try:
        yield
    except ImageragError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None


def materialize(
    context: dg.AssetExecutionContext,
    project: ProjectResource,
    run: Callable[[Project, RunOptions], StageReport],
    describe: Callable[[Project, Connection], tuple[str, Mapping[str, Any]]],
    *,
    selection: Selection | None = None,
    pictures: Mapping[str, Callable[[Project, Connection], str]] | None = None,
) -> dg.MaterializeResult[None]:
    """Run a stage and report it: what every asset of the graph does.

    `describe` looks at the stage's rows afterwards and gives their data version and the asset's own metadata.
    `pictures` are Markdown by name, drawn only when the run changed something: the event log keeps each for ever, and a
    megabyte every hour about nothing fills a disk.
    """
    with clear_failure():
        opened = project.open()
        chosen = selection or Selection()
        for name in chosen.collections:
            opened.settings.collection(name)
        report = run(opened, RunOptions(chosen, progress_to_log(context), run_id=context.run.run_id))
        tell(context, report)
        with opened.database.connect() as connection:
            read_in_memory(connection)
            version, metadata = describe(opened, connection)
            changed = report.worked or report.removed
            shown = {
                name: dg.MetadataValue.md(draw(opened, connection) if changed else _NOTHING_NEW)
                for name, draw in (pictures or {}).items()
            }
            return dg.MaterializeResult(
                data_version=dg.DataVersion(version), metadata={**count_metadata(report), **metadata, **shown}
            )


def progress_to_log(context: dg.AssetExecutionContext) -> Callable[[Progress], None]:
    """A line every two seconds and one at the end."""
    last = 0.0

    def tell(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.total and (progress.done >= progress.total or now - last >= _SECONDS_BETWEEN_LINES):
            last = now
            rate = f"  {progress.rate:.1f}/s" if progress.seconds > 0 else ""
            context.log.info(f"{progress.stage}: {progress.done}/{progress.total}{rate}")

    return tell


def count_metadata(report: StageReport) -> dict[str, Any]:
    """The counts that every materialization tells; Dagster plots them over time."""
    return {
        "new": report.new,
        "updated": report.updated,
        "removed": report.removed,
        "skipped": report.skipped,
        "failed": report.failed,
        "pending": report.pending,
        "seconds": round(report.seconds, 3),
        "rate_per_second": round(report.rate, 2),
        "cost_usd": round(report.cost_usd, 6),
    }


def tell(context: dg.AssetExecutionContext, report: StageReport) -> None:
    """One line in the run's log that says what the stage did, or that there was nothing to do."""
    if report.worked or report.removed or report.failed:
        context.log.info(
            f"{report.stage}: {report.new} new, {report.updated} updated, {report.removed} removed, "
            f"{report.failed} failed, {report.skipped} unchanged in {report.seconds:.1f} s"
        )
    elif not report.submitted:
        context.log.info(f"{report.stage}: nothing to do, {report.skipped} unchanged")
    if report.submitted:
        context.log.info(f"{report.stage}: {report.submitted} submitted; they stay pending until they come back")


_PER_COLLECTION = """
    select r.collection, count(distinct r.content),
           count(distinct r.content) filter (where exists (select from {table} t where t.content = r.content))
    from raw_images r where r.removed_at is null group by r.collection order by r.collection
"""


def coverage(connection: Connection, table: str) -> dg.MarkdownMetadataValue:
    """Per collection: images, and how many have a result in `table`."""
    rows = connection.execute(sql.SQL(_PER_COLLECTION).format(table=sql.Identifier(table))).fetchall()
    return table_metadata(("collection", "images", "with a result"), rows)


def table_metadata(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MarkdownMetadataValue:
    """A table for an asset's metadata."""
    return dg.MetadataValue.md(markdown_table(header, rows))


def picture(png: bytes, title: str) -> str:
    """Markdown of an embedded PNG."""
    return f"![{title}](data:image/png;base64,{base64.b64encode(png).decode()})"


def sheet_of(connection: Connection, contents: Sequence[str], columns: int = 8) -> str:
    """Markdown of the contents' thumbnails, in their order."""
    rows: dict[str, bytes] = dict(
        connection.execute(
            "select content, thumbnail from contents where content = any(%s)", (list(contents),)
        ).fetchall()
    )
    thumbnails = [rows[content] for content in contents if content in rows]
    return picture(contact_sheet(thumbnails, columns), "thumbnails") if thumbnails else "(nothing yet)"
