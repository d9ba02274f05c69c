"""imagerag metrics: any two evaluations compare, and it is told what they were made with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from imagerag_assets.database.connection import Database
from imagerag_assets.errors import EvaluationError
from imagerag_assets.evaluation.benchmarks import store_benchmark
from imagerag_assets.serving.cli import app
from imagerag_assets_tests.evaluation.conftest import module_database as module_database
from imagerag_assets_tests.evaluation.corpus import add_evaluation, add_images, benchmark, compute

IMAGES = {f"{number}.jpg": f"{number}.jpg" for number in range(8)}


@dataclass(frozen=True)
class Project:
    """Three evaluations of one generation, by two changes of the fusion, then one of another benchmark."""

    settings: Path

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(app, ["metrics", *arguments, "--settings", str(self.settings)])


def ranked(first: Sequence[str], places: int) -> dict[tuple[str, str, str], list[str]]:
    """Every query's own image at that place."""
    others = list(IMAGES)
    return {
        ("shop", "hybrid", uri): [*[one for one in others if one != uri][: places - 1], uri] for uri in first
    }  # fmt: skip


@pytest.fixture(scope="module")
def project(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("metrics")
    settings = folder / "imagerag.yaml"
    values = {
        "data_dir": str(folder / "data"),
        "database": {"url": module_database.url},
        "collections": [{"name": "shop", "source": str(folder)}],
    }
    settings.write_text(yaml.safe_dump(values))
    with module_database.connect() as connection:
        add_images(connection, "shop", IMAGES)
        store_benchmark(connection, "shop", benchmark({uri: {uri: 1} for uri in IMAGES}))
        for place in (5, 3, 1):
            add_evaluation(connection, ranked(tuple(IMAGES), place), IMAGES)
        connection.execute("update evaluations set search_version = 42, package_version = null where evaluation = 3")
        store_benchmark(connection, "shop", benchmark({uri: {uri: 2} for uri in IMAGES}))
        add_evaluation(connection, ranked(tuple(IMAGES), 1), IMAGES)
    compute(module_database, folder / "dbt")
    with module_database.connect() as connection:
        # As if each had been measured when it was made.
        connection.execute("update imagerag_eval.query_metrics set judged_as = 'then' where evaluation < 4")
        add_evaluation(connection, ranked(tuple(IMAGES), 1), IMAGES)
    return Project(settings)


def test_two_evaluations_of_one_generation_compare(project: Project) -> None:
    told = project.run("compare", "1", "3", "--json")
    assert told.exit_code == 0, told.output
    found = json.loads(told.stdout)
    ndcg = next(one for one in found["comparisons"] if one["metric"] == "ndcg_at_10")
    assert (ndcg["method"], ndcg["queries"], ndcg["after"], ndcg["verdict"]) == ("hybrid", 8, 1.0, "better")
    # Of evaluation 3 it is not known which release made it.
    assert found["differences"] == ["search code 41 → 42"]
    assert found["before"]["evaluation"], found["before"]["benchmarks"] == (1, found["after"]["benchmarks"])


def test_people_read_the_same_as_a_table_and_what_lies_between(project: Project) -> None:
    told = " ".join(project.run("compare", "1", "3").output.split())
    assert "Evaluation 1 → evaluation 3" in told
    assert "nDCG@10" in told
    assert "Between them: search code 41 → 42." in told
    same = " ".join(project.run("compare", "1", "2").output.split())
    assert "Both are of the same generation, code and benchmarks" in same


def test_every_evaluation_is_listed_with_what_it_was_made_with(project: Project) -> None:
    rows = json.loads(project.run("list", "--json").stdout)
    assert [(one["evaluation"], one["measured"]) for one in rows] == [
        (5, False), (4, True), (3, True), (2, True), (1, True),
    ]  # fmt: skip
    assert (rows[-1]["package_version"], rows[-1]["search_version"], rows[-1]["metrics_version"]) == ("9.8.7", 41, 42)
    assert rows[1]["benchmarks"] != rows[2]["benchmarks"]
    told = " ".join(project.run("list").output.split())
    assert "9.8.7" in told
    assert "the-run-" in told


def test_the_newest_is_printed_as_ever(project: Project) -> None:
    told = project.run()
    assert told.exit_code == 0, told.output
    assert "Evaluation 4, of generation 1" in told.output
    assert {row["evaluation"] for row in json.loads(project.run("--json").stdout)} == {4}


def test_options_before_the_subcommand_are_refused_and_not_ignored(project: Project) -> None:
    ended = CliRunner().invoke(app, ["metrics", "--settings", str(project.settings), "list"])
    assert ended.exit_code == 2
    assert "Options stand after list" in " ".join(ended.output.split())


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("1", "99"), "There is no evaluation 99. imagerag metrics list shows all."),
        (("5", "1"), "Evaluation 5 has not been measured"),
        (("1", "4"), "Evaluations 1 and 4 have no query in common that both judged alike"),
    ],
)
def test_what_does_not_compare_is_said_in_one_message(pair: tuple[str, str], message: str, project: Project) -> None:
    ended = project.run("compare", *pair)
    # The command line's main turns it into one line and exit code 1.
    assert isinstance(ended.exception, EvaluationError)
    assert message in str(ended.exception)


def test_dbt_carries_what_each_evaluation_was_made_with(project: Project, module_database: Database) -> None:
    with module_database.connect() as connection:
        rows = connection.execute(
            "select distinct evaluation, run_id, package_version, search_version, metrics_version "
            "from imagerag_eval.eval_metrics order by evaluation"
        ).fetchall()
        digests = connection.execute(
            "select e.benchmarks ->> 'shop' = m.benchmark_version, m.benchmark_version is not null "
            "from imagerag_eval.eval_metrics m join evaluations e using (evaluation) where m.benchmark = 'shop'"
        ).fetchall()
    assert rows[0] == (1, "the-run-of-it", "9.8.7", 41, 42)
    assert rows[2] == (3, "the-run-of-it", None, 42, 42)
    assert set(digests) == {(True, True)}
