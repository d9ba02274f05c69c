"""How far everything is: counted over the stages' own tables, and printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from imagerag_assets.models.checkpoints import find_checkpoint
from imagerag_assets.project import Project, _text_encoder_identity
from imagerag_assets.serving import cli
from imagerag_assets.stages import clip_embeddings, pgvector_index, raw_images
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.status import status
from imagerag_assets_tests.pictures import write_pictures
from imagerag_assets_tests.retrieval.corpus import Picture, build, content_of, other_text_model, shop_project, store

MakeProject = Callable[..., Project]
MUG, LAMP = Picture("mug.png", ocr="mug"), Picture("lamp.png", ocr="lamp", collection="office")


def counted(project: Project) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """(done, pending, failed, stale) by stage and collection."""
    return {
        (one.stage, one.collection): (one.done, one.pending, one.failed, one.stale) for one in status(project).stages
    }


def change(project: Project, statement: str, *values: Any) -> None:
    with project.database.connect() as connection:
        connection.execute(statement.encode(), values)


def test_a_complete_index_has_nothing_pending_in_any_collection(make_project: MakeProject, tmp_path: Path) -> None:
    project = shop_project(make_project, tmp_path)
    build(project, [MUG, LAMP])
    told = counted(project)
    for stage in ("tiles", "ocr_text", "clip_embeddings"):
        assert told[stage, "shop"] == told[stage, "office"] == (1, 0, 0, 0), stage
    assert told["pgvector_index", "shop"] == (1, 0, 0, 0)
    # Groups were written by hand, and descriptions without what they were made from: those are out of date.
    assert told["deduped_set", "shop"] == (0, 1, 0, 0)
    assert told["vlm_descriptions", "shop"] == (0, 1, 0, 1)
    (live,) = status(project).generations
    assert (live.status, live.images, live.tiles) == ("live", 2, 2)
    assert live.size_bytes > 8192


def test_what_is_new_out_of_date_or_failed_is_counted_apart(make_project: MakeProject, tmp_path: Path) -> None:
    project = shop_project(make_project, tmp_path)
    build(project, [MUG, LAMP])
    store(project, [MUG, Picture("new.png"), Picture("bad.png")])
    change(
        project, "delete from clip_embeddings where content = any(%s)", [content_of("new.png"), content_of("bad.png")]
    )
    change(project, "update clip_embeddings set fingerprint = 'old' where content = %s", content_of("mug.png"))
    change(
        project, "insert into stage_failures (stage, item, fingerprint, error_class, message, next_try) "
        "values ('clip_embeddings', %s, %s, 'changed', 'it changed', now())",
        content_of("bad.png"), clip_embeddings.stage(project).fingerprint,
    )  # fmt: skip
    told = counted(project)
    assert told["clip_embeddings", "shop"] == (0, 2, 1, 1)
    assert told["clip_embeddings", "office"] == (1, 0, 0, 0)
    # What waits for its vectors waits for the index too; the mug keeps its row meanwhile.
    assert told["pgvector_index", "shop"] == (1, 2, 0, 0)


def test_an_indexed_image_with_other_text_is_stale_in_the_index(make_project: MakeProject, tmp_path: Path) -> None:
    project = shop_project(make_project, tmp_path)
    build(project, [MUG])
    change(project, "update vlm_descriptions set general = 'a cup'")
    assert counted(project)["pgvector_index", "shop"] == (0, 1, 0, 1)
    pgvector_index.run(project, RunOptions())
    assert counted(project)["pgvector_index", "shop"] == (1, 0, 0, 0)


def test_an_index_whose_model_is_gone_is_counted_all_the_same(make_project: MakeProject, tmp_path: Path) -> None:
    models = {"text": other_text_model(tmp_path / "model")}
    built = shop_project(make_project, tmp_path, models=models)
    build(built, [MUG, LAMP])
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    find_checkpoint.cache_clear()
    _text_encoder_identity.cache_clear()
    project = shop_project(make_project, tmp_path, url=built.settings.database.url)
    assert counted(project)["pgvector_index", "shop"] == (1, 0, 0, 0)
    assert [one.status for one in status(project).generations] == ["live"]


def test_before_the_first_run_every_collection_is_there_with_nothing(make_project: MakeProject, tmp_path: Path) -> None:
    told = status(shop_project(make_project, tmp_path))
    assert [(one.stage, one.collection, one.done) for one in told.stages] == [
        ("raw_images", "office", 0), ("raw_images", "shop", 0),
    ]  # fmt: skip
    assert told.generations == ()
    assert told.scans == ()
    assert told.evaluation is None


def test_the_command_prints_what_was_counted(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pictures(tmp_path / "shop", range(2))
    (folder / "notes.png").write_bytes(b"no picture")
    project = make_project({"shop": folder})
    raw_images.run(project, RunOptions())
    change(project, "insert into budget_stops (stage, run_id, reason) values ('vlm_descriptions', 'r', 'at [5] USD')")
    file = tmp_path / "imagerag.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "database": {"url": project.settings.database.url},
                "collections": [{"name": "shop", "source": "shop"}],
            }
        )
    )
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "none"))

    def run(*more: str) -> str:
        monkeypatch.setattr(sys, "argv", ["imagerag", "status", "--settings", str(file), *more])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out

    told = json.loads(run("--json"))
    assert told["stages"][0] | {"stale": 0} == {
        "collection": "shop", "done": 2, "pending": 0, "failed": 0, "stale": 0, "stage": "raw_images", "quarantined": 1,
    }  # fmt: skip
    assert told["scans"][0]["listed"] == 3
    assert told["last_run"] is None
    printed = run()
    assert "There is no index yet" in printed
    assert "vlm_descriptions stopped at" in printed
    assert "at [5] USD" in printed
