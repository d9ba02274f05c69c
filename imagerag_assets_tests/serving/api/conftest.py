"""One small index of real pictures behind one server, for the tests that only read."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx
import pytest

from imagerag_assets.project import Project
from imagerag_assets_tests.pictures import write_pictures
from imagerag_assets_tests.serving.api.server import serving, wait_until_ready
from imagerag_assets_tests.stages.graph import run_all

HOSTILE = "<script>alert(1)<script>'; drop table images;--.png"


@pytest.fixture(scope="module")
def shop(make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Four pictures, of which one has a hostile name, and a report."""
    folder = write_pictures(tmp_path_factory.mktemp("pictures") / "shop", range(4))
    (folder / "picture-0003.png").rename(folder / HOSTILE)
    project = make_shared_project({"shop": folder}, serving={"requests_per_minute": 1_000_000})
    run_all(project)
    reports = project.settings.data_path / "reports"
    reports.mkdir(parents=True)
    (reports / "evaluation-1.html").write_text("<!doctype html><title>Evaluation 1</title>")
    (reports / "index.html").write_text('<a href="evaluation-1.html">1</a>')
    (project.settings.data_path / "secret.html").write_text("nobody's business")
    (reports / "link.html").symlink_to(project.settings.data_path / "secret.html")
    return project


@pytest.fixture(scope="module")
def api(shop: Project) -> Iterator[httpx.Client]:
    """A client that may do everything."""
    with serving(shop, "read", "write", warm=True) as client:
        wait_until_ready(client)
        yield client
