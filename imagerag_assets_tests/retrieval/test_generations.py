"""Generations of the index: a new one for a new model, the old one kept whole, and never half a one live."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations, index
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.stages import pgvector_index
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.retrieval.corpus import (
    MakeProject,
    Picture,
    build,
    index_rows,
    other_text_model,
    shop_project,
)

PICTURES = [Picture(f"{number}.png", f"part {4000 + number}", f"number {number}") for number in range(6)]


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Project:
    made = shop_project(make_project, tmp_path)
    build(made, PICTURES)
    return made


def statuses(project: Project) -> dict[int, str]:
    with project.database.connect() as connection:
        return dict(connection.execute("select generation, status from generations").fetchall())


def schemas(project: Project) -> int:
    with project.database.connect() as connection:
        row = connection.execute(
            "select count(*) from pg_namespace where nspname like 'imagerag\\_generation\\_%'"
        ).fetchone()
    assert row is not None
    return int(row[0])


def found(project: Project, text: str) -> list[str]:
    return [result.uri for result in search(project, Query(text), method="text")]


def test_another_run_updates_the_live_generation_in_place(shop: Project) -> None:
    report = build(shop, [Picture("7.png", "part 4007")])
    assert (report.new, report.skipped) == (1, 6)
    assert statuses(shop) == {1: "live"}
    assert pgvector_index.run(shop, RunOptions()).worked == 0


def test_a_new_model_gets_a_generation_of_its_own_and_the_old_one_stays_as_it_was(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    before = index_rows(shop)
    models = {"text": other_text_model(tmp_path / "model")}
    changed = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models)
    report = build(changed, [*PICTURES, Picture("7.png", "part 4007")])

    assert report.new == 7
    assert statuses(shop) == {1: "retired", 2: "live"}
    assert index_rows(shop, 1) == before
    assert found(changed, "4007") == ["7.png"]
    assert index_rows(changed, 2)["images"] != before["images"]


def test_setting_a_parameter_back_makes_its_generation_live_again_and_current(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    changed = shop_project(make_project, tmp_path, url=shop.settings.database.url, index={"m": 8})
    pgvector_index.run(changed, RunOptions())
    build(changed, [Picture("7.png", "part 4007")], removed=["0.png"])
    assert statuses(shop) == {1: "retired", 2: "live"}

    report = pgvector_index.run(shop, RunOptions())
    assert (report.new, report.removed) == (1, 1)
    assert statuses(shop) == {1: "live", 2: "retired"}
    assert found(shop, "4007") == ["7.png"]
    assert found(shop, "4000") == []


def test_the_vector_indexes_have_the_parameters_of_the_settings(make_project: MakeProject, tmp_path: Path) -> None:
    project = shop_project(make_project, tmp_path, index={"m": 5, "ef_construction": 33})
    build(project, PICTURES)
    with project.database.connect() as connection:
        rows = connection.execute("select indexdef from pg_indexes where indexdef like '%hnsw%'").fetchall()
    assert len(rows) == 2
    assert all("m='5'" in row[0] and "ef_construction='33'" in row[0] for row in rows)


@pytest.mark.parametrize("module_and_name", [(generations, "build_vector_indexes"), (index, "update")])
def test_a_failure_in_the_middle_leaves_the_old_generation_live_and_nothing_behind(
    shop: Project,
    make_project: MakeProject,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module_and_name: tuple[object, str],
) -> None:
    module, name = module_and_name
    real = getattr(module, name)
    before = index_rows(shop)
    changed = shop_project(make_project, tmp_path, url=shop.settings.database.url, index={"m": 8})
    seen_meanwhile: list[list[str]] = []

    def failing(*arguments: object) -> None:
        real(*arguments)
        seen_meanwhile.append(found(shop, "4003"))
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, name, failing)
        with pytest.raises(OSError, match="No space left"):
            pgvector_index.run(changed, RunOptions())
    assert seen_meanwhile == [["3.png"]]
    assert statuses(shop) == {1: "live"}
    assert schemas(shop) == 1
    assert index_rows(shop) == before

    pgvector_index.run(changed, RunOptions())
    assert sorted(statuses(shop).values()) == ["live", "retired"]
    assert index_rows(changed)["images"] == before["images"]


def test_a_failed_update_of_the_live_generation_changes_nothing(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    before = index_rows(shop)
    with monkeypatch.context() as patch:
        patch.setattr(index, "_refresh_terms", lambda *_arguments: (_ for _ in ()).throw(OSError("disk")))
        with pytest.raises(OSError, match="disk"):
            build(shop, [Picture("7.png", "part 4007")], removed=["0.png"])
    assert index_rows(shop) == before
    assert pgvector_index.run(shop, RunOptions()).new == 1


def test_only_one_generation_can_be_live(shop: Project) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.UniqueViolation), shop.database.connect() as connection:
        connection.execute("insert into generations (fingerprint, status, parameters) values ('x', 'live', '{}')")
