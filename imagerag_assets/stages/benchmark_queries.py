"""benchmark_queries: every collection's queries and qrels, as their files have them."""

from __future__ import annotations

import time
from pathlib import Path

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import StageReport, fingerprint
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import read_benchmark, refuse_unknown, store_benchmark
from imagerag_assets.images.sources import sample_folder
from imagerag_assets.project import Project
from imagerag_assets.settings import SAMPLE_SCHEME, Collection

STAGE = "benchmark_queries"


def run(project: Project) -> StageReport:
    """Load every benchmark of the settings, and forget those that they no longer name.

    One whose files are malformed, or that judges images which its collection never had, is refused whole and counted as
    failed; the check says what is wrong with it, and the others are measured. A collection that was never ingested has
    no image to check against yet: a run may be limited to another one. All in one transaction: nobody reads what is
    about to be refused. Raises `BenchmarkError` for a folder that does not exist.
    """
    started = time.monotonic()
    report = StageReport(STAGE)
    settings = project.settings
    folders = {one.name: benchmark_folder(project, one) for one in settings.collections if one.benchmark}
    readings = {name: read_benchmark(folder, project.source_folder(name)) for name, folder in folders.items()}
    with project.database.connect() as connection, connection.transaction():
        changed = {
            name: store_benchmark(connection, name, reading.benchmark, reading.problems)
            for name, reading in readings.items()
        }
        report.removed = connection.execute(
            "delete from benchmarks where not benchmark = any(%s)", (list(folders),)
        ).rowcount
        unknown = refuse_unknown(connection)
    for name, reading in readings.items():
        refused = bool(reading.problems) or name in unknown
        count = 0 if refused else len(reading.benchmark.queries)
        report.new += count if changed[name] else 0
        report.skipped += 0 if changed[name] else count
        report.failed += 1 if refused else 0
    report.seconds = time.monotonic() - started
    return report


def benchmark_folder(project: Project, collection: Collection) -> Path:
    """Where a collection's benchmark is. Raises `BenchmarkError` naming the setting when it is not there."""
    named = collection.benchmark or ""
    if named.startswith(SAMPLE_SCHEME):
        return sample_folder(project.settings) / "benchmarks" / named.removeprefix(SAMPLE_SCHEME)
    folder = (project.settings.root / Path(named).expanduser()).resolve()
    if not folder.is_dir():
        raise BenchmarkError(
            f"collections.{collection.name}.benchmark: the folder {folder} does not exist. "
            "It needs queries.jsonl and qrels.tsv; or remove the setting."
        )
    return folder


def data_version(connection: Connection) -> str:
    rows = connection.execute("select benchmark, digest from benchmarks order by benchmark").fetchall()
    return fingerprint(benchmarks=rows)
