"""ocr_text: who reads what anew, and what is kept of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imagerag_assets.project import Project
from imagerag_assets.stages import ocr_text, raw_images
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import write_pictures

MakeProject = Callable[..., Project]


def languages(project: Project) -> dict[str, list[str]]:
    with project.database.connect() as connection:
        rows = connection.execute(
            "select r.collection || '/' || r.uri, o.languages from ocr_text o join raw_images r using (content)"
        ).fetchall()
    return dict(rows)


def test_a_collections_languages_are_its_own_and_a_change_reads_that_collection_anew(
    make_project: MakeProject, tmp_path: Path
) -> None:
    for name, number in (("office", 1), ("shop", 2)):
        write_pictures(tmp_path / name, range(number, number + 1))
    for name in ("office", "shop"):
        write_pictures(tmp_path / name, range(7, 8))

    def project(url: str | None = None, **shop: object) -> Project:
        collections = [
            {"name": "office", "source": str(tmp_path / "office")},
            {"name": "shop", "source": str(tmp_path / "shop"), **shop},
        ]
        ocr = {"engine": "tesseract", "languages": ["eng"]}
        return make_project({}, url=url, collections=collections, ocr=ocr)

    first = project()
    raw_images.run(first, RunOptions())
    assert ocr_text.run(first, RunOptions()).new == 3
    assert set(map(tuple, languages(first).values())) == {("eng",)}

    french = project(first.settings.database.url, ocr_languages=["fra"])
    report = ocr_text.run(french, RunOptions())
    assert (report.updated, report.skipped) == (2, 1)
    found = languages(french)
    assert found["office/picture-0001.png"] == ["eng"]
    assert found["shop/picture-0002.png"] == ["fra"]
    # In both collections, so in the languages of both.
    assert found["shop/picture-0007.png"] == found["office/picture-0007.png"] == ["eng", "fra"]


def test_another_engine_reads_everything_anew(make_project: MakeProject, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "shop", range(2))
    project = make_project({"shop": folder})
    raw_images.run(project, RunOptions())
    assert ocr_text.run(project, RunOptions()).new == 2
    with project.database.connect() as connection:
        assert connection.execute("select distinct engine, turned, languages from ocr_text").fetchall() == [
            ("rapidocr", 0, [])
        ]

    other = make_project({"shop": folder}, url=project.settings.database.url, ocr={"engine": "tesseract"})
    assert ocr_text.run(other, RunOptions()).updated == 2
    # RapidOCR needs no telling: the languages are none of its business.
    told = make_project({"shop": folder}, url=project.settings.database.url, ocr={"languages": ["fra"]})
    assert ocr_text.stage(told).fingerprint == ocr_text.stage(project).fingerprint


@pytest.mark.parametrize("value", [[], ["eng; rm"]])
def test_a_collections_languages_must_be_codes(make_project: MakeProject, tmp_path: Path, value: list[str]) -> None:
    with pytest.raises(ValueError, match="language codes such as eng"):
        make_project({}, url="embedded", collections=[{"name": "a", "source": str(tmp_path), "ocr_languages": value}])
