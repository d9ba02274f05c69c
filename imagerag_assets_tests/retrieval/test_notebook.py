"""Results in a notebook: the example notebook runs, and the gallery shows any text as text."""

from __future__ import annotations

import base64
import json
import os
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from nbclient import NotebookClient

from imagerag_assets.project import Project
from imagerag_assets.retrieval import Results, search
from imagerag_assets.stages import clip_embeddings, description_embeddings, pgvector_index, tiles
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import write_pictures
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, shop_project
from imagerag_assets_tests.stages.described import read_by_hand

ROOT = Path(__file__).parents[2]


@pytest.fixture
def settings(make_project: MakeProject, tmp_path: Path) -> Path:
    """The settings file of a small index that calls itself products."""
    folder = write_pictures(tmp_path / "products", range(6))
    project = make_project({"products": folder})
    read_by_hand(project, "a red mug")
    for stage in (tiles, clip_embeddings, description_embeddings, pgvector_index):
        stage.run(project, RunOptions())
    file = tmp_path / "imagerag.yaml"
    values = {
        "database": {"url": project.settings.database.url},
        "collections": [{"name": "products", "source": str(folder)}],
    }
    file.write_text(yaml.safe_dump(values))
    return file


def test_the_example_notebook_runs_and_shows_galleries(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGERAG_SETTINGS", str(settings))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    notebook = nbformat.read(ROOT / "docs" / "search.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    assert not any(cell.get("outputs") for cell in notebook.cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    galleries = [output["data"]["text/html"] for output in shown if "text/html" in output.get("data", {})]
    assert len(galleries) == 3
    assert all("data:image/webp;base64," in page for page in galleries)
    assert "No language model is configured" in json.dumps(shown)


@pytest.fixture(scope="module")
def hostile(make_shared_project: MakeProject) -> Project:
    project = shop_project(make_shared_project, Path("unread"))
    script = "<script>alert(1)</script>"
    pictures = [
        Picture(f"{script}\"onerror='x.png", "mug", f"{script}<img src=http://example.invalid/x>"),
        Picture("b.png", "mug", "A mug & more. " * 40),
    ]
    build(project, pictures)
    with project.database.connect() as connection:
        connection.execute("update contents set thumbnail = 'RIFFthumb'")
    return project


def test_whatever_is_said_of_an_image_is_text_in_the_gallery(hostile: Project) -> None:
    found = search(hostile, "mug", method="text")
    page = found._repr_html_()
    assert set(re.findall(r"<(\w+)", page)) == {"div", "figure", "img", "figcaption", "b", "br"}
    # The one address of each picture is its own bytes.
    assert set(re.findall(r'src="([^"]*)"', page)) == {
        f"data:image/webp;base64,{base64.b64encode(b'RIFFthumb').decode()}"
    }
    assert "&lt;script&gt;" in page
    assert "A mug &amp; more." in page
    assert len(re.findall("<img ", page)) == 2


def test_results_are_a_list_and_no_results_say_so(hostile: Project) -> None:
    found = search(hostile, "mug", method="text")
    assert isinstance(found, Results)
    assert found == list(found)
    assert search(hostile, "nothing", method="text")._repr_html_() == "<p>Nothing was found.</p>"
