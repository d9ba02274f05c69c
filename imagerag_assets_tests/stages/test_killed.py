"""A run that is killed -9 in the middle of any stage leaves nothing to clean up: the next one does the rest."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pgvector import Vector

from imagerag_assets.project import Project, open_project
from imagerag_assets.retrieval import generations
from imagerag_assets.stages import benchmark_queries, raw_images, retrieval_runs
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.children import run_child
from imagerag_assets_tests.pictures import write_pictures
from imagerag_assets_tests.stages import graph, killed

_NAMES = ("raw_images", *(stage.__name__.rsplit(".", 1)[1] for stage in graph.STAGES))

# Everything but times and generated numbers.
_TABLES = {
    "raw_images": "collection, uri, content, size_bytes, version, fingerprint, removed_at",
    "contents": "*",
    "tiles": "*",
    "ocr_text": "*",
    "vlm_descriptions": "*",
    "description_embeddings": "*",
    "clip_embeddings": "*",
    "deduped_set": "*",
    "stage_failures": "stage, item, fingerprint, error_class",
    "quarantine": "collection, uri, content, reason",
}
_INDEX = {
    "images": "i.collection, i.content, i.group_id, i.uris, i.description, i.tags, i.ocr, i.terms, i.digest",
    "tiles": "i.content, t.tile_no, t.x0, t.y0, t.x1, t.y1, t.embedding",
    "descriptions": "i.content, d.embedding",
    "postings": "i.content, p.term, p.frequency, p.terms",
}


def contents_of(project: Project) -> dict[str, tuple[list[str], Any]]:
    """Every table's rows in a fixed order, and apart from them all their vectors."""
    from psycopg import sql

    with project.database.connect() as connection:
        rows = {
            table: connection.execute(f"select {columns} from {table} order by 1, 2, 3").fetchall()
            for table, columns in _TABLES.items()
        }
        live = generations.live(connection)
        images = live.table("images")
        for alias, table in (("t", "tiles"), ("d", "descriptions"), ("p", "postings")):
            rows[f"index {table}"] = connection.execute(
                sql.SQL(
                    "select " + _INDEX[table] + " from {} i join {} " + alias + " using (image_id) order by 1, 2"
                ).format(images, live.table(table))
            ).fetchall()
        rows["index images"] = connection.execute(
            sql.SQL("select " + _INDEX["images"] + " from {} i order by 1, 2").format(images)
        ).fetchall()
        for table in ("terms", "collections"):
            rows[f"index {table}"] = connection.execute(
                sql.SQL("select * from {} order by 1, 2").format(live.table(table))
            ).fetchall()
    return {table: _apart(found) for table, found in rows.items()}


def _apart(rows: list[Any]) -> tuple[list[str], Any]:
    told = [repr([value for value in row if not isinstance(value, Vector)]) for row in rows]
    return told, np.array([value.to_numpy() for row in rows for value in row if isinstance(value, Vector)])


def kill(project: Project, settings: Path, stage: str) -> None:
    """Run the stage in a child that dies in the middle of it, and see its sessions end, and with them its claims."""
    assert run_child(killed.main, str(settings), stage) == -9, stage
    with project.database.connect() as connection:
        for _ in range(600):
            held = connection.execute(
                "select count(*) from pg_locks where locktype = 'advisory' "
                "and database = (select oid from pg_database where datname = current_database())"
            ).fetchone()
            if held == (0,):
                return
            time.sleep(0.05)
    raise AssertionError(f"{stage}: the killed process still holds locks")


def write_benchmark(root: Path) -> Path:
    """Three queries for three of the pictures."""
    folder = root / "benchmark"
    folder.mkdir()
    queries = [{"_id": f"q{number}", "text": f"part {4000 + number}"} for number in range(3)]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    qrels = "".join(f"q{number}\tpicture-{number:04d}.png\t1\n" for number in range(3))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return folder


def write_settings(file: Path, folder: Path, url: str, benchmark: Path | None = None) -> Path:
    collection = {"name": "shop", "source": str(folder)} | ({"benchmark": str(benchmark)} if benchmark else {})
    values = {
        "data_dir": str(file.parent / "data"),
        "database": {"url": url},
        "collections": [collection],
        "models": {"batch_size": 4},
        # Eight images a batch.
        "ocr": {"workers": 1},
    }
    file.write_text(yaml.safe_dump(values))
    return file


def test_killed_in_the_middle_of_each_stage_the_end_is_the_same(
    tmp_path: Path, new_database_url: Callable[[], str]
) -> None:
    # More than two batches of every stage.
    folder = write_pictures(tmp_path / "shop", range(9))
    write_pictures(folder, range(20, 21), size=(1700, 300))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")

    whole = open_project(write_settings(tmp_path / "whole.yaml", folder, new_database_url()))
    graph.run_all(whole)

    settings = write_settings(tmp_path / "killed.yaml", folder, new_database_url())
    again = open_project(settings)
    for name, run in zip(_NAMES, (raw_images.run, *(stage.run for stage in graph.STAGES)), strict=True):
        kill(again, settings, name)
        run(again, RunOptions())

    expected, found = contents_of(whole), contents_of(again)
    for table, (rows, vectors) in expected.items():
        assert rows or table == "stage_failures", f"{table} is empty, so nothing is compared"
        assert found[table][0] == rows, table
        # The last digits of a vector hang on what else was in the model's batch.
        np.testing.assert_allclose(found[table][1], vectors, atol=1e-6, err_msg=table)
    assert len(expected["clip_embeddings"][1]) > 9
    whole.database.close()
    again.database.close()


def test_an_evaluation_killed_while_it_is_saved_leaves_no_half_and_the_next_is_whole(
    tmp_path: Path, new_database_url: Callable[[], str]
) -> None:
    folder = write_pictures(tmp_path / "shop", range(6))
    settings = write_settings(tmp_path / "settings.yaml", folder, new_database_url(), write_benchmark(tmp_path))
    project = open_project(settings)
    graph.run_all(project)
    benchmark_queries.run(project)

    kill(project, settings, "retrieval_runs")
    assert evaluated(project) == {"evaluations": [], "retrieval_runs": [], "query_latencies": []}
    retrieval_runs.run(project, RunOptions(), "next")
    after_a_kill = evaluated(project)
    with project.database.connect() as connection:
        connection.execute("delete from evaluations")
    retrieval_runs.run(project, RunOptions(), "whole")
    assert evaluated(project) == after_a_kill
    assert all(after_a_kill.values())
    project.database.close()


def evaluated(project: Project) -> dict[str, list[Any]]:
    """What an evaluation leaves, but for times and generated numbers."""
    columns = {
        "evaluations": "fingerprint, generation",
        "retrieval_runs": "benchmark, method, query_id, rank, corpus_id, group_id, score, legs",
        "query_latencies": "benchmark, method, query_id",
    }
    with project.database.connect() as connection:
        return {
            table: connection.execute(f"select {names} from {table} order by {names}").fetchall()
            for table, names in columns.items()
        }


@pytest.mark.parametrize("stage", graph.STAGES[:2], ids=lambda stage: stage.__name__.rsplit(".", 1)[1])
def test_two_runs_at_once_share_the_work(stage: Any, tmp_path: Path, new_database_url: Callable[[], str]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    folder = write_pictures(tmp_path / "shop", range(16))
    settings = write_settings(tmp_path / "settings.yaml", folder, new_database_url())
    first, second = open_project(settings), open_project(settings)
    raw_images.run(first, RunOptions())
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda project: stage.run(project, RunOptions()), (first, second)))

    assert sum(report.new for report in reports) == 16
    assert sum(report.updated for report in reports) == 0
    for project in (first, second):
        project.database.close()
