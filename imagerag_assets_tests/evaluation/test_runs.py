"""Running the benchmarks: every method on every query, once per state of the index."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from imagerag_assets.database.stages import Progress, Selection
from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks import never_ingested
from imagerag_assets.evaluation.runs import evaluate
from imagerag_assets.methods import METHODS
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.stages import benchmark_queries, retrieval_runs
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import write_pictures
from imagerag_assets_tests.stages.graph import run_all

MakeProject = Callable[..., Project]


def silent(_progress: object) -> None:
    pass


def write_benchmark(folder: Path) -> Path:
    """One query by text and one by a picture of the collection itself; a third is for tuning, and never asked."""
    folder.mkdir()
    queries = [
        {"_id": "text", "text": "4005", "metadata": {"split": "test"}},
        {"_id": "example", "image": "picture-0001.png", "metadata": {"split": "test"}},
        {"_id": "tuned", "text": "4002", "metadata": {"split": "train"}},
    ]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\ntext\tpicture-0005.png\t1\nexample\tpicture-0002.png\t1\ntuned\tpicture-0002.png\t1\n"
    )
    return folder


def test_every_method_answers_every_query_and_an_example_does_not_find_itself(shop: Project, tmp_path: Path) -> None:
    project = shop
    assert evaluate(project, "first", silent).new == 2 * len(METHODS)
    with project.database.connect() as connection:
        found = connection.execute(
            "select query_id, method, array_agg(corpus_id order by rank) from retrieval_runs group by 1, 2"
        ).fetchall()
        timed = connection.execute("select count(*), min(milliseconds) from query_latencies").fetchone()
    ranked = {(query, method): uris for query, method, uris in found}
    assert {query for query, _ in ranked} == {"text", "example"}
    assert ranked["text", "text"][0] == "picture-0005.png"
    assert "picture-0001.png" not in ranked["example", "clip"]
    assert len(ranked["example", "clip"]) == 5
    assert timed is not None
    assert timed[0] == 2 * len(METHODS)
    assert timed[1] > 0

    again = evaluate(project, "second", silent)
    assert (again.new, again.skipped) == (0, 2 * len(METHODS))

    (tmp_path / "shop" / "picture-0004.png").unlink()
    run_all(project)
    assert evaluate(project, "third", silent).new == 2 * len(METHODS)


@dataclass(frozen=True)
class Built:
    """A project with an index, as a folder and a database that each test copies."""

    root: Path
    database: str


@pytest.fixture(scope="module")
def built(make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Six pictures, and a benchmark of two queries, the first by text and the second by example."""
    root = tmp_path_factory.mktemp("built")
    write_benchmark(root / "benchmark")
    collections = [{"name": "shop", "source": str(write_pictures(root / "shop", range(6)))}]
    project = make_shared_project({}, collections=collections)
    run_all(project)
    with project.database.connect() as connection:
        name = connection.info.dbname
    # A database that someone is connected to cannot be copied.
    project.database.close()
    return Built(root, name)


@pytest.fixture
def shop(
    built: Built, server_url: str, new_database_url: Callable[[], str], make_project: MakeProject, tmp_path: Path
) -> Project:
    """Its own copy of what is built, with the benchmark read."""
    shutil.copytree(built.root, tmp_path, dirs_exist_ok=True)
    url = new_database_url()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    with psycopg.connect(server_url, autocommit=True) as connection:
        for statement in ("drop database {0}", "create database {0} template {1}"):
            connection.execute(sql.SQL(statement).format(sql.Identifier(str(name)), sql.Identifier(built.database)))
    collections = [{"name": "shop", "source": str(tmp_path / "shop"), "benchmark": str(tmp_path / "benchmark")}]
    project = make_project({}, url=url, collections=collections)
    benchmark_queries.run(project)
    return project


def evaluations(project: Project) -> int:
    with project.database.connect() as connection:
        row = connection.execute("select count(*) from evaluations").fetchone()
    assert row is not None
    return int(row[0])


def test_no_transaction_stays_open_while_searches_are_timed_and_nothing_is_seen_before_the_end(shop: Project) -> None:
    seen = []

    def look(_progress: Progress) -> None:
        with shop.database.connect() as connection:
            seen.append(
                connection.execute(
                    "select (select count(*) from pg_stat_activity where datname = current_database() "
                    "and pid <> pg_backend_pid() and xact_start is not null and backend_type = 'client backend'), "
                    "(select count(*) from evaluations) + (select count(*) from retrieval_runs)"
                ).fetchone()
            )

    evaluate(shop, "run", look)
    assert seen == [(0, 0), (0, 0)]
    assert evaluations(shop) == 1


def test_two_evaluations_at_once_measure_once(shop: Project) -> None:
    with ThreadPoolExecutor(2) as threads:
        reports = list(threads.map(lambda run_id: evaluate(shop, run_id, silent), ("one", "other")))
    assert sorted((report.new, report.skipped) for report in reports) == [(0, 2 * len(METHODS)), (2 * len(METHODS), 0)]
    assert evaluations(shop) == 1


def test_an_index_that_changes_meanwhile_is_measured_from_the_start(shop: Project) -> None:
    steps = 0

    def change_at_first(_progress: Progress) -> None:
        nonlocal steps
        steps += 1
        if steps == 1:
            change_index(shop)

    assert evaluate(shop, "run", change_at_first).new == 2 * len(METHODS)
    assert steps == 4
    # What was saved belongs to the index as it is now.
    assert evaluate(shop, "again", silent).new == 0


def test_an_index_that_never_rests_is_told_and_leaves_no_evaluation(shop: Project) -> None:
    with pytest.raises(BenchmarkError, match="changed during each of 3 measurements"):
        evaluate(shop, "run", lambda _progress: change_index(shop))
    assert evaluations(shop) == 0


def change_index(project: Project) -> None:
    with project.database.connect() as connection:
        images = generations.live(connection).table("images")
        connection.execute(sql.SQL("update {} set digest = md5(digest)").format(images))


@pytest.mark.parametrize(("damage", "reason"), [(None, "No such file"), (b"no picture", "is text, not an image")])
def test_an_example_that_cannot_be_used_is_told_with_its_file(
    shop: Project, tmp_path: Path, damage: bytes | None, reason: str
) -> None:
    example = tmp_path / "shop" / "picture-0001.png"
    example.unlink()
    if damage:
        example.write_bytes(damage)
    with pytest.raises(BenchmarkError, match=reason) as caught:
        evaluate(shop, "run", silent)
    assert str(example) in str(caught.value)
    assert "'example' (shop)" in str(caught.value)
    assert evaluations(shop) == 0


def test_no_picture_is_opened_when_there_is_nothing_to_do(shop: Project, tmp_path: Path) -> None:
    evaluate(shop, "run", silent)
    (tmp_path / "shop" / "picture-0001.png").unlink()
    assert evaluate(shop, "again", silent).skipped == 2 * len(METHODS)


def test_the_data_version_is_that_of_the_saved_evaluation(shop: Project) -> None:
    def version() -> str:
        with shop.database.connect() as connection:
            return retrieval_runs.data_version(connection)

    nothing = version()
    retrieval_runs.run(shop, RunOptions(), "run")
    saved = version()
    change_index(shop)
    assert version() == saved != nothing
    retrieval_runs.run(shop, RunOptions(), "again")
    assert version() != saved


def test_a_benchmark_of_a_collection_that_is_not_in_the_index_is_left_out(
    make_project: MakeProject, tmp_path: Path
) -> None:
    benchmark = write_benchmark(tmp_path / "benchmark")
    collections = [
        {"name": name, "source": str(write_pictures(tmp_path / name, range(6))), "benchmark": str(benchmark)}
        for name in ("here", "later")
    ]
    project = make_project({}, collections=collections)
    run_all(project, RunOptions(Selection(collections=("here",))))
    benchmark_queries.run(project)
    assert evaluate(project, "first", silent).new == 2 * len(METHODS)
    with project.database.connect() as connection:
        assert never_ingested(connection) == ["later"]
        assert connection.execute("select distinct benchmark from retrieval_runs").fetchall() == [("here",)]
        assert connection.execute("select distinct benchmark from query_latencies").fetchall() == [("here",)]
