"""What a look at the vector indexes finds: narrow ones, filters that duplicates eat up, when the index is used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from imagerag_assets.evaluation.studies import health, health_page
from imagerag_assets.evaluation.studies.health import index_health
from imagerag_assets.evaluation.studies.sections import study_sections
from imagerag_assets.evaluation.studies.store import Result, Study
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.settings import Health
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, build, shop_project

FEW = 19
"""Images of a collection that is too small to calibrate: no model is loaded."""


def pictures(**values: Any) -> list[Picture]:
    return [
        Picture(f"{collection}-{number}.png", description=f"{collection} {number}", collection=collection, **values)
        for collection in ("shop", "office")
        for number in range(FEW)
    ]


@pytest.fixture(scope="module")
def narrow(make_shared_project: Callable[..., Project]) -> Project:
    """A very narrow index over four hundred tiles that are nowhere near each other."""
    settings = {"m": 3, "ef_construction": 6, "ef_search": 10}
    project = shop_project(make_shared_project, Path("unread"), index=settings, health={"sample": 20})
    build(project, pictures(tiles=11))
    return project


def look(project: Project) -> Study:
    with project.database.connect() as connection:
        return index_health(connection, project)


@pytest.fixture(scope="module")
def found(narrow: Project) -> Result:
    return look(narrow).result


def test_a_narrow_index_misses_what_is_near_and_a_wider_search_finds_more(found: Result) -> None:
    clip, description = found["legs"]
    assert (clip["leg"], clip["vectors"], clip["sample"]) == ("clip", 2 * FEW * 11, 20)
    assert (description["leg"], description["vectors"]) == ("description", 2 * FEW)
    recalls = {point["ef_search"]: point["recall"] for point in clip["sweep"]}
    assert list(recalls) == [10, 20, 40, 80, 160, 320]
    # Levels of HNSW are drawn: no two builds are alike.
    assert recalls[10] + 0.03 < recalls[320] <= 1
    assert recalls[10] < 0.9
    assert all(point["p50_ms"] > 0 for point in clip["sweep"])


def test_the_report_shows_what_the_last_look_found(narrow: Project, found: Result) -> None:
    with narrow.database.connect() as connection:
        told, sweep = study_sections(connection, narrow.settings)
    assert (told.title, sweep.title) == ("Index health", "Width of the search")
    answers = {name: (passed, said) for name, passed, said in told.rows}
    recall = health_page.recall_finding(found, narrow.settings.health)
    assert answers["hnsw finds the nearest"] == ("no", recall.told)
    assert len(answers) == len(health_page.FINDINGS)
    assert [row[2] for row in sweep.rows[:2]] == ["10 (set)", "20"]


def test_each_check_says_what_is_wrong_and_where_to_turn(found: Result) -> None:
    recall, width = health_page.recall_finding(found, Health()), health_page.width_finding(found, Health())
    assert not recall.passed
    assert recall.numbers["clip_recall_at_10"] < 0.9
    assert "Raise index.ef_search" in recall.told
    assert not width.passed
    assert "index.ef_search is 10. clip: 0." in width.told
    lenient = Health(min_recall=0.0, max_recall_gap=1.0)
    assert health_page.recall_finding(found, lenient).passed
    assert health_page.width_finding(found, lenient).passed


def test_the_same_index_and_settings_are_looked_at_once(narrow: Project, found: Result) -> None:
    again = look(narrow)
    assert not again.made
    assert again.result == found
    wider = narrow.settings.model_copy(update={"health": Health(sample=5)})
    with narrow.database.connect() as connection:
        other = index_health(connection, Project(wider, beside=narrow))
        connection.rollback()
    assert other.made
    assert other.result["legs"][0]["sample"] == 5


def test_a_small_index_is_compared_with_all_of_it_and_the_check_says_so(found: Result) -> None:
    assert [one["scans"] for one in found["legs"]] == [0, 0]
    assert found["legs"][0]["plan"].endswith("Result ← Seq Scan on tiles")
    assert "hnsw" not in "".join(one["plan"] for one in found["legs"])
    said = health_page.use_finding(found, Health())
    assert said.passed
    assert "compare with all 38 images" in said.told
    large = health_page.use_finding(found, Health(index_from=38))
    assert not large.passed
    assert "do not use the HNSW index" in large.told


def test_scans_are_counted_where_a_real_search_uses_the_index(narrow: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    # As a large index would have it: too many images to compare with all, and a sort of them dearer than a scan.
    monkeypatch.setattr(sys.modules["imagerag_assets.retrieval.search"], "_EXACT_ROWS", 0)
    with narrow.database.connect() as connection:
        connection.execute("set local enable_seqscan = off")
        connection.execute("set local enable_sort = off")
        connection.execute("delete from studies")
        result = index_health(connection, narrow).result
        connection.rollback()
    assert all(one["scans"] for one in result["legs"])
    # The best tile of each image, planned for any vector: no statement like it, but the one that searches run.
    assert result["legs"][0]["plan"].startswith("Aggregate ← ")
    assert result["legs"][0]["plan"].endswith("Limit ← Result ← Index Scan on tiles_hnsw")
    assert health_page.use_finding(result, Health(index_from=1)).passed


def test_filters_that_give_all_there_is_pass(found: Result) -> None:
    assert {(one["key"], one["value"]) for one in found["filters"]} == {
        ("collection", "office"), ("collection", "shop"), ("category", "thing"), ("tag", "a tag"),
    }  # fmt: skip
    assert sum(one["searches"] for one in found["filters"]) >= 16
    assert health_page.filter_finding(found, Health()).passed


def test_filtered_searches_that_duplicates_crowd_out_are_counted(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Copies of one image fill all that is ranked: fewer groups come out than there are.
    monkeypatch.setattr(sys.modules["imagerag_assets.retrieval.search"], "_WIDEST_SCAN", 10)
    project = shop_project(make_project, tmp_path, index={"candidates": 10})
    copies = [Picture(f"{number:02d}.png", canonical="00.png" if number < 40 else "") for number in range(47)]
    build(project, copies)
    result = look(project).result
    found = health_page.filter_finding(result, Health())
    assert not found.passed
    assert found.numbers["short_share"] > 0.5
    assert "clip collection=shop" in found.told
    assert {one["images"] for one in result["filters"]} == {8}


def test_an_empty_index_has_nothing_to_be_found(make_project: MakeProject, tmp_path: Path) -> None:
    project = shop_project(make_project, tmp_path)
    build(project, [Picture("only.png")])
    result = look(project).result
    assert result["legs"] == result["filters"] == []
    assert all(find(result, Health()).passed for find in health_page.FINDINGS.values())
    assert health_page.sweep_plot_png(result).startswith(b"\x89PNG")


def test_the_sweep_measures_the_index_and_nothing_else(narrow: Project) -> None:
    with narrow.database.connect() as connection:
        live = generations.live(connection)
        (one, _) = health._indexes(connection, live)
        sampled = health._sample(connection, one, 3)
        count = "select pg_stat_get_xact_numscans(%s::oid)"
        before = connection.execute(count, (one.number,)).fetchone()
        health._swept(connection, one, sampled, 40)
        after = connection.execute(count, (one.number,)).fetchone()
        assert before is not None
        assert after is not None
        # Three, and one that warms up.
        assert after[0] - before[0] == 4
        connection.execute(sql.SQL("drop index {}.tiles_hnsw").format(live.schema))
        assert [left.leg for left in health._indexes(connection, live)] == ["description"]
        connection.execute("delete from studies")
        said = health_page.use_finding(index_health(connection, narrow).result, Health())
        connection.rollback()
    assert not said.passed
    assert "There is no HNSW index of the vectors of clip" in said.told


def test_the_tables_and_the_plot_show_what_was_found(found: Result) -> None:
    page = health_page.health_markdown(found)
    assert "| clip | 418 | 10 (set) |" in page
    assert "| description | collection=shop | 19 |" in page
    assert health_page.sweep_plot_png(found).startswith(b"\x89PNG")
