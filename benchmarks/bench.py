"""What a row of the benchmarks works with: a folder, empty databases, and how much to do."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from benchmarks.comparison import Comparison, Scaling
from imagerag_assets.database.connection import Database, start_embedded, stop_embedded
from imagerag_assets.project import Project
from imagerag_assets.settings import Settings

Rows = Sequence[Comparison | Scaling]
Maker = Callable[["Bench"], Rows]
"""What every file of `rows/` has under the name `make`. Raises `Missing`."""
_T = TypeVar("_T")


class Missing(Exception):  # noqa: N818
    """The row needs what this machine does not have; the message says what."""


@dataclass
class Bench:
    """Everything that it hands out is closed and deleted when the row is done."""

    folder: Path
    quick: bool
    closing: ExitStack

    def size(self, full: _T, quick: _T) -> _T:
        """How much to do."""
        return quick if self.quick else full

    @cached_property
    def server_url(self) -> str:
        """Of an embedded server of the row's own."""
        url = start_embedded(self.folder / "postgres")
        self.closing.callback(stop_embedded, self.folder / "postgres")
        return url

    def database(self, name: str) -> Database:
        """A new, migrated database."""
        with psycopg.connect(self.server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        database = Database(self.server_url.replace("/postgres?", f"/{name}?"))
        self.closing.callback(database.close)
        return database

    def project(self, name: str, folders: dict[str, Path], **values: Any) -> Project:
        """A project of those collections with a new database of that name; `values` are settings."""
        settings = {
            "root": self.folder,
            "data_dir": self.folder / name,
            "database": {"url": self.database(name).url},
            "collections": [{"name": one, "source": str(folder)} for one, folder in folders.items()],
            **values,
        }
        project = Project(Settings.model_validate(settings))
        self.closing.callback(project.database.close)
        return project


def hnswlib() -> Any:
    """The package, whose graph in memory is the floor of the index and of search. Raises `Missing`."""
    try:
        import hnswlib as found
    except ImportError:
        raise Missing("hnswlib is not installed: make bench-setup, which needs a C++ compiler") from None
    return found


@contextmanager
def new_bench(quick: bool) -> Iterator[Bench]:
    # Not below a folder that only its owner may enter: as root the server runs as a user of its own.
    with (
        tempfile.TemporaryDirectory(prefix="imagerag-bench-", ignore_cleanup_errors=True) as name,
        ExitStack() as stack,
    ):
        folder = Path(name)
        folder.chmod(0o755)
        yield Bench(folder, quick, stack)
