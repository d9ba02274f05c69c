"""Generations of the index: a new one for a new model, the old one kept whole, and never half a one live."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from psycopg import sql

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.errors import GenerationError, ModelError
from imagerag_assets.models.checkpoints import find_checkpoint
from imagerag_assets.project import Project, _text_encoder_identity
from imagerag_assets.retrieval import generations, index
from imagerag_assets.retrieval.generations import Generation
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.retrieval.switching import promote_by_hand, roll_back
from imagerag_assets.stages import pgvector_index, vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.status import status
from imagerag_assets_tests.retrieval.corpus import (
    MakeProject,
    Picture,
    build,
    content_of,
    index_rows,
    other_text_model,
    shop_project,
    store,
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


def shop_parameters(project: Project) -> dict[str, Any]:
    with project.database.connect() as connection:
        return generations.live(connection).parameters


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


def test_an_image_keeps_its_description_until_another_describer_has_come_to_it(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    """That is a day with the Batch API, and more where a budget is reached."""
    before = index_rows(shop)
    models = {"describer": {"kind": "endpoint", "preset": "openai", "model": "gpt-4o"}}
    told = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models)
    assert pgvector_index.run(told, RunOptions()).worked == 0
    assert index_rows(shop) == before

    assert build(told, [Picture("0.png", "part 4000", "a brass part")]).updated == 1
    said = {row[4].strip() for row in index_rows(shop)["images"]}
    assert said == {"a brass part", *(f"number {number}" for number in range(1, 6))}


@pytest.mark.parametrize("waits", ["the same describer", "another describer", "the image-text model"])
def test_a_renamed_file_has_its_new_name_and_metadata_at_once_while_model_work_waits(
    shop: Project, make_project: MakeProject, tmp_path: Path, waits: str
) -> None:
    before = {row[1]: row for row in index_rows(shop)["images"]}
    models = {"describer": {"kind": "endpoint", "preset": "openai", "model": "gpt-4o"}}
    project = shop
    if waits == "another describer":
        project = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models)
    with shop.database.connect() as connection:
        table = "clip_embeddings" if "model" in waits else "vlm_descriptions"
        if project is shop:
            connection.execute(f"update {table} set fingerprint = 'older'")
        connection.execute("update raw_images set uri = 'renamed.png', metadata = '{\"price\": 5}' where uri = '0.png'")
    assert pgvector_index.run(project, RunOptions()).updated == 1
    after = {row[1]: row for row in index_rows(shop)["images"]}
    moved = content_of("0.png")
    assert after[moved][3] == ["renamed.png"]
    assert [after[moved][at] for at in (2, 4, 5, 8)] == [before[moved][at] for at in (2, 4, 5, 8)]
    assert {key: row for key, row in after.items() if key != moved} == {
        key: row for key, row in before.items() if key != moved
    }
    found = search(shop, Query("4000"), method="text")
    assert [one.uri for one in found] == ["renamed.png"]
    assert pgvector_index.run(project, RunOptions()).worked == 0


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


def test_vectors_of_up_to_four_thousand_numbers_are_indexed(shop: Project) -> None:
    """An index over `vector` itself ends at two thousand."""
    parameters = {**shop_parameters(shop), "image_dimension": 4000, "text_dimension": 3072}
    with shop.database.connect() as connection:
        long = generations.create(connection, parameters)
        connection.execute(
            sql.SQL(
                "insert into {} (collection, content, group_id, uris, width, height, description, category, tags, ocr, "
                "metadata, terms, sample, trust, digest) "
                "values ('shop', 'a', 'a', '{{a}}', 1, 1, '', '', '{{}}', '', '{{}}', 0, 0, 1, '')"
            ).format(long.table("images"))
        )
        connection.execute(
            sql.SQL("insert into {} values (1, 0, 0, 0, 1, 1, %s)").format(long.table("tiles")), (np.ones(4000),)
        )
        generations.build_indexes(connection, long, 96)
        assert one_row(connection.execute("show maintenance_work_mem")) == ("96MB",), "what the settings give a build"
        connection.rollback()


def test_vectors_that_pgvector_cannot_index_are_told_before_anything_is_built(shop: Project) -> None:
    before = schemas(shop)
    parameters = {**shop_parameters(shop), "image_dimension": 4001}
    with (
        shop.database.connect() as connection,
        pytest.raises(ModelError, match=r"models\.image_text: its vectors have 4001 numbers"),
    ):
        generations.create(connection, parameters)
    assert schemas(shop) == before


@pytest.mark.parametrize("module_and_name", [(generations, "build_indexes"), (index, "update")])
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
        patch.setattr(index, "_refresh_statistics", lambda *_arguments: (_ for _ in ()).throw(OSError("disk")))
        with pytest.raises(OSError, match="disk"):
            build(shop, [Picture("7.png", "part 4007")], removed=["0.png"])
    assert index_rows(shop) == before
    assert pgvector_index.run(shop, RunOptions()).new == 1


def test_only_one_generation_can_be_live(shop: Project) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.UniqueViolation), shop.database.connect() as connection:
        connection.execute("insert into generations (fingerprint, status, parameters) values ('x', 'live', '{}')")


WAITS = {"wait_for_person": True}


def promote(project: Project, number: int) -> None:
    with project.database.connect() as connection:
        promote_by_hand(connection, number)


def test_a_candidate_waits_beside_the_live_generation_and_both_are_kept_current(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    models = {"text": other_text_model(tmp_path / "model")}
    changed = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models, gate=WAITS)
    build(changed, PICTURES)
    assert statuses(shop) == {1: "live", 2: "candidate"}

    added = [Picture("7.png", "part 4007", "number 7")]
    store(shop, added, removed=["0.png"])
    build(changed, added)
    assert statuses(shop) == {1: "live", 2: "candidate"}
    for number in (1, 2):
        assert [row[3] for row in index_rows(shop, number)["images"]] == [
            [f"{uri}.png"] for uri in sorted((1, 2, 3, 4, 5, 7), key=lambda name: Picture(f"{name}.png").content)
        ]
    assert pgvector_index.run(changed, RunOptions()).worked == 0

    assert pgvector_index.run(shop, RunOptions()).worked == 0
    assert statuses(shop) == {1: "live", 2: "retired"}, "the settings no longer ask for it"


@pytest.mark.parametrize("taken_back", [False, True])
def test_what_a_person_decides_while_an_index_run_is_under_way_stays_decided(
    shop: Project, make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken_back: bool
) -> None:
    def changed(gate: dict[str, bool]) -> Project:
        return shop_project(make_project, tmp_path, url=shop.settings.database.url, index={"m": 8}, gate=gate)

    pgvector_index.run(changed(WAITS), RunOptions())
    assert statuses(shop) == {1: "live", 2: "candidate"}
    real = index.update

    def interrupted(connection: Connection, generation: Generation, sources: dict[str, Any]) -> index.Difference:
        difference = real(connection, generation, sources)
        if generation.number == 2:
            promote(shop, 2)
            if taken_back:
                promote(shop, 1)
        return difference

    monkeypatch.setattr(index, "update", interrupted)
    # Without anything to measure by, what is whole and not held goes live by itself.
    pgvector_index.run(changed({} if taken_back else WAITS), RunOptions())
    assert statuses(shop) == ({1: "live", 2: "candidate"} if taken_back else {1: "retired", 2: "live"})


def test_a_candidate_is_not_whole_before_its_descriptions_have_come_back(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    describer = {"kind": "endpoint", "preset": "openai", "model": "gpt-4o"}
    models = {"text": other_text_model(tmp_path / "model"), "describer": describer}
    changed = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models)
    store(changed, PICTURES)
    item = {"item": f"{content_of('0.png')}:{vlm_descriptions.contexts(changed)['contexts'][0]}"}
    with shop.database.connect() as connection:
        for table in ("vlm_descriptions", "description_embeddings"):
            connection.execute(f"delete from {table} where content || ':' || context = %(item)s", item)
    assert pgvector_index.run(changed, RunOptions()).pending == 1
    assert statuses(shop) == {1: "live", 2: "building"}
    with shop.database.connect() as connection:
        connection.execute(
            "insert into stage_failures (stage, item, fingerprint, error_class, message, next_try) "
            "values ('vlm_descriptions', %(item)s, 'f', 'refused', 'it refuses', now())",
            item,
        )
    assert pgvector_index.run(changed, RunOptions()).pending == 0
    assert statuses(shop) == {1: "retired", 2: "live"}


def test_the_live_generation_loses_what_is_gone_even_when_its_model_is_gone_too(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    url = shop.settings.database.url
    models = {"text": other_text_model(tmp_path / "model")}
    build(shop_project(make_project, tmp_path, url=url, models=models), PICTURES)
    assert statuses(shop) == {1: "retired", 2: "live"}

    (tmp_path / "model").rename(tmp_path / "elsewhere")
    find_checkpoint.cache_clear()
    _text_encoder_identity.cache_clear()
    waiting = shop_project(make_project, tmp_path, url=url, gate=WAITS)
    build(waiting, PICTURES[1:], removed=["0.png"])
    assert statuses(shop) == {1: "candidate", 2: "live"}
    assert [len(index_rows(shop, number)["images"]) for number in (1, 2)] == [5, 5]
    (told,) = (one for one in status(waiting).stages if one.stage == "pgvector_index")
    assert (told.done, told.pending) == (5, 0)


def test_searches_in_flight_see_one_generation_or_the_other_and_never_a_mix(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    models = {"text": other_text_model(tmp_path / "model")}
    changed = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models, gate=WAITS)
    # Only the second has 7.png, so every score of the two differs.
    build(changed, [*PICTURES, Picture("7.png", "part 4007", "number 7")])

    # By text, so that no time goes into encoding: a search that took its models from the one generation and its rows
    # from the other is an error whatever the method.
    def look() -> tuple[tuple[str, float], ...]:
        found = search(shop, Query("part number 4003"), method="text")
        return tuple((one.uri, round(one.score, 9)) for one in found)

    expected = {}
    for number in (1, 2):
        if number == 2:
            promote(shop, number)
        expected[look()] = number
    assert len(expected) == 2

    seen: list[tuple[tuple[str, float], ...]] = []
    failures: list[BaseException] = []
    enough = threading.Event()

    def keep_looking() -> None:
        try:
            while not enough.is_set():
                seen.append(look())
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=keep_looking) for _ in range(3)]
    for thread in threads:
        thread.start()
    turns = 0
    while not failures and (turns < 10 or len(seen) < 40):
        promote(shop, 1 + turns % 2)
        turns += 1
    enough.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {expected.get(found) for found in seen} == {1, 2}


def test_old_generations_are_dropped_but_never_the_newest_retired_one(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    for m in (8, 5):
        url = shop.settings.database.url
        pgvector_index.run(
            shop_project(make_project, tmp_path, url=url, index={"m": m}, gate={"keep_retired_days": 0}), RunOptions()
        )
    assert statuses(shop) == {1: "dropped", 2: "retired", 3: "live"}
    assert schemas(shop) == 2
    with pytest.raises(GenerationError, match="was dropped"):
        promote(shop, 1)
    with shop.database.connect() as connection:
        assert roll_back(connection).number == 2

    pgvector_index.run(shop, RunOptions())
    assert statuses(shop)[4] == "live", "what was dropped is built anew"


def test_what_a_rollback_goes_back_to_is_not_dropped_for_one_that_was_live_earlier_and_retired_later(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    def run(m: int, **gate: Any) -> None:
        url = shop.settings.database.url
        pgvector_index.run(shop_project(make_project, tmp_path, url=url, index={"m": m}, gate=gate), RunOptions())

    run(8)
    run(5)
    run(16, wait_for_person=True)
    assert statuses(shop) == {1: "candidate", 2: "retired", 3: "live"}
    run(5, keep_retired_days=0)
    assert statuses(shop) == {1: "dropped", 2: "retired", 3: "live"}
    with shop.database.connect() as connection:
        assert roll_back(connection).number == 2


@pytest.mark.parametrize("was_live", [True, False])
def test_what_is_being_dropped_cannot_be_promoted_any_more(
    shop: Project, make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, was_live: bool
) -> None:
    def run(m: int, **gate: Any) -> None:
        url = shop.settings.database.url
        pgvector_index.run(shop_project(make_project, tmp_path, url=url, index={"m": m}, gate=gate), RunOptions())

    run(8, wait_for_person=not was_live)
    real = generations.drop_retired
    told: list[str] = []

    def promoting() -> None:
        with pytest.raises(GenerationError) as error:
            promote(shop, gone)
        told.append(str(error.value))

    def interrupted(connection: Connection, days: float) -> list[int]:
        dropped = real(connection, days)
        person.start()
        wait_for_a_lock(shop)
        return dropped

    gone, person = (1 if was_live else 2), threading.Thread(target=promoting)
    monkeypatch.setattr(generations, "drop_retired", interrupted)
    run(5, keep_retired_days=0)
    person.join()
    assert ["was dropped" in one for one in told] == [True]
    assert statuses(shop)[gone] == "dropped"


def wait_for_a_lock(project: Project) -> None:
    """Until another connection waits for one."""
    query = (
        "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')"
    )
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with project.database.connect() as connection:
            if one_row(connection.execute(query))[0]:
                return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_a_generation_is_retired_for_days_before_it_is_dropped(
    shop: Project, make_project: MakeProject, tmp_path: Path
) -> None:
    for m in (8, 5):
        pgvector_index.run(
            shop_project(make_project, tmp_path, url=shop.settings.database.url, index={"m": m}), RunOptions()
        )
    assert statuses(shop) == {1: "retired", 2: "retired", 3: "live"}


def test_what_cannot_be_promoted_is_told(shop: Project, make_project: MakeProject, tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match="There is no generation 9"):
        promote(shop, 9)
    with pytest.raises(GenerationError, match="live already"):
        promote(shop, 1)
    with pytest.raises(GenerationError, match="nothing to go back to"), shop.database.connect() as connection:
        roll_back(connection)

    models = {"text": other_text_model(tmp_path / "model")}
    begun = shop_project(make_project, tmp_path, url=shop.settings.database.url, models=models)
    assert pgvector_index.run(begun, RunOptions()).pending == 6
    assert statuses(shop) == {1: "live", 2: "building"}
    with pytest.raises(GenerationError, match="not whole yet: 6 images"):
        promote(shop, 2)


def test_a_new_version_of_the_tables_is_live_as_soon_as_it_is_whole_and_there_is_no_way_back(
    shop: Project, make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generations, "LAYOUT_VERSION", 99)
    waiting = shop_project(make_project, tmp_path, url=shop.settings.database.url, gate=WAITS)
    pgvector_index.run(waiting, RunOptions())
    assert statuses(shop) == {1: "retired", 2: "live"}
    with pytest.raises(GenerationError, match="another version"):
        promote(shop, 1)
