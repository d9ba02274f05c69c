"""A million rows of metadata, made and not decoded, through what every run and every tick does with them.

    python -m benchmarks.scale [--rows 1000000] [--json]

Seconds and the peak memory of this process for the change detection (a source that lists all rows, none of which
changed), the pending rule of a stage (nothing pending, then one per cent), and the sensor's fingerprint.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from benchmarks.made import peak_mb
from imagerag_assets.database.connection import start_embedded, stop_embedded
from imagerag_assets.database.stages import data_version
from imagerag_assets.images.ingest import ingest_collection, ingest_fingerprint
from imagerag_assets.images.sources import ListedFile, ReadFile
from imagerag_assets.project import Project
from imagerag_assets.settings import Settings
from imagerag_assets.stages import tiles
from imagerag_assets.stages.common import RunOptions

COLLECTION = "big"


@dataclass(frozen=True)
class Measured:
    """One step: what it found, how long it took, and the peak memory of the process until then."""

    step: str
    found: int
    seconds: float
    peak_mb: float


class MadeSource:
    """Lists made files and can read none: a read would show that an unchanged file was opened."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def list(self, *, cheaply: bool = False) -> Iterator[ListedFile]:  # noqa: ARG002
        for number in range(1, self._rows + 1):
            yield ListedFile(f"folder-{number % 1000}/picture-{number}.jpg", 1000 + number, str(number))

    def read(self, uri: str, max_bytes: int) -> ReadFile:  # noqa: ARG002
        raise AssertionError(f"{uri} did not change and was read all the same")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    arguments = parser.parse_args()
    with _project() as project:
        _make_rows(project, arguments.rows)
        measured = list(_measure(project, arguments.rows))
    if arguments.json:
        json.dump([asdict(one) for one in measured], sys.stdout)
        return
    print(f"{arguments.rows:,} rows")
    for one in measured:
        print(f"{one.step:<42} {one.found:>10,}  {one.seconds:8.1f} s  peak {one.peak_mb:6.0f} MB")


@contextmanager
def _project() -> Iterator[Project]:
    with tempfile.TemporaryDirectory(prefix="imagerag-scale-") as name:
        folder = Path(name)
        # As root the server runs as a user of its own.
        folder.chmod(0o755)
        url = start_embedded(folder / "postgres")
        values = {
            "root": folder,
            "data_dir": folder,
            "database": {"url": url},
            "collections": [{"name": COLLECTION, "source": str(folder)}],
        }
        project = Project(Settings.model_validate(values))
        try:
            yield project
        finally:
            project.database.close()
            stop_embedded(folder / "postgres")


def _make_rows(project: Project, rows: int) -> None:
    parameters = {
        "collection": COLLECTION,
        "rows": rows,
        "fingerprint": ingest_fingerprint(),
        "tiles": tiles.stage(project).fingerprint,
        "side": project.dual_encoder_side(),
    }
    with project.database.connect() as connection:
        connection.execute(
            "insert into raw_images (collection, uri, content, size_bytes, version, fingerprint) "
            "select %(collection)s, 'folder-' || i %% 1000 || '/picture-' || i || '.jpg', "
            "encode(sha256(i::text::bytea), 'hex'), 1000 + i, i::text, %(fingerprint)s "
            "from generate_series(1, %(rows)s) i",
            parameters,
        )
        connection.execute(
            "insert into contents (content, fingerprint, format, mode, width, height, size_bytes, exif, phash, dhash, "
            "colours, thumbnail) select content, fingerprint, 'JPEG', 'RGB', 640, 480, size_bytes, '{}', "
            "hashtextextended(content, 1)::bit(64), hashtextextended(content, 2)::bit(64), '', '' from raw_images"
        )
        connection.execute(
            "insert into tiles (content, side, tile_no, level, x0, y0, x1, y1, fingerprint) "
            "select content, %(side)s, 0, 0, 0, 0, 640, 480, %(tiles)s from contents",
            parameters,
        )
    with psycopg.connect(project.database.url, autocommit=True) as connection:
        connection.execute("vacuum (analyze) imagerag.raw_images, imagerag.contents, imagerag.tiles")


def _measure(project: Project, rows: int) -> Iterator[Measured]:
    from imagerag_assets.automation.sensors import listing_fingerprint

    source = MadeSource(rows)

    def detect() -> int:
        return ingest_collection(project.database, project.settings, COLLECTION, source).skipped

    def tiled() -> int:
        report = tiles.run(project, RunOptions())
        return report.worked or report.skipped

    def versioned() -> int:
        with project.database.connect() as connection:
            data_version(connection, tiles.stage(project))
        return rows

    def listed() -> int:
        listing_fingerprint(source.list(), seconds=3600)
        return rows

    yield _timed("change detection, nothing changed", detect)
    yield _timed("pending rule, nothing pending", tiled)
    yield _timed("data version", versioned)
    with project.database.connect() as connection:
        connection.execute("delete from tiles where get_byte(decode(content, 'hex'), 0) < 3")
    yield _timed("pending rule, one per cent pending", tiled)
    yield _timed("sensor tick", listed)


def _timed(step: str, do: Callable[[], int]) -> Measured:
    started = time.monotonic()
    found = do()
    return Measured(step, found, time.monotonic() - started, peak_mb())


if __name__ == "__main__":
    main()
