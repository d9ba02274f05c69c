"""The gate, told as one story with real encoders, in a real Dagster instance: its turns are runs of the whole graph.

A damaged encoder is the first there is; a better one takes its place; a person goes back and forth; the damaged one is
held back when the settings name it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from psycopg import sql
from typer.testing import CliRunner

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.promotion import promote_candidate
from imagerag_assets.definitions import build_defs
from imagerag_assets.evaluation.gate import Decision, decide
from imagerag_assets.evaluation.metrics import metrics_table
from imagerag_assets.project import Project, open_project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.search import Query, Result, search
from imagerag_assets.serving import cli
from imagerag_assets.serving.cli import app
from imagerag_assets.stages import benchmark_queries, retrieval_runs
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.status import status
from imagerag_assets_tests.assets.shop import write_encoder, write_shop
from imagerag_assets_tests.evaluation.corpus import compute
from imagerag_assets_tests.pictures import draw
from imagerag_assets_tests.stages.graph import run_all

Found = dict[str, list[tuple[Any, ...]]]
"""Results by query. Scores to twelve digits: sums in another order differ in the last ones."""


@dataclass(frozen=True)
class Shop:
    """One folder, one database, and settings files that differ in the encoder."""

    root: Path
    url: str
    instance: dg.DagsterInstance

    def settings(self, image_text: str, **gate: Any) -> Path:
        name = "-".join([Path(image_text).name, *map(str, gate)])
        values = {
            "data_dir": str(self.root / "data"),
            "database": {"url": self.url},
            "collections": [
                {"name": "shop", "source": str(self.root / "shop"), "benchmark": str(self.root / "benchmark")}
            ],
            "models": {"image_text": image_text, "vocabulary": str(self.root / "words.yaml")},
            "ocr": {"languages": ["eng"]},
            "gate": gate,
        }
        file = self.root / f"{name}.yaml"
        file.write_text(yaml.safe_dump(values))
        return file

    def project(self, settings: Path) -> Project:
        return open_project(settings)

    def build_and_measure(self, settings: Path) -> int:
        """The graph up to dbt, as its assets run it; returns what was new or changed in it."""
        project = self.project(settings)
        reports = [*run_all(project).values(), benchmark_queries.run(project)]
        reports.append(retrieval_runs.run(project, RunOptions(), "run"))
        changed = sum(report.worked + report.removed for report in reports)
        if changed:
            compute(project.database, self.root / "dbt")
        return changed

    def run_graph(self, settings: Path, *assets: str) -> dg.ExecuteInProcessResult:
        """The whole graph, or some of its assets."""
        return (
            build_defs(resources={"project": ProjectResource(settings_file=str(settings))})
            .resolve_job_def("index_and_evaluate")
            .execute_in_process(
                instance=self.instance,
                raise_on_error=False,
                asset_selection=[dg.AssetKey(name) for name in assets] or None,
            )
        )

    def newest_page(self) -> str:
        """The newest page of what is live: a candidate has a page of its own."""
        pages = (self.root / "data" / "reports").glob("evaluation-*.html")
        live = [page for page in pages if "of index generation" in page.read_text(encoding="utf-8")]
        return max(live, key=lambda page: page.stat().st_mtime_ns).name

    def measured(self) -> int:
        """The generation that `imagerag metrics` speaks of."""
        with self.project(self.root / "bundled.yaml").database.connect() as connection:
            (generation,) = {int(row["generation"]) for row in metrics_table(connection)}
        return generation

    def command(self, settings: Path, *arguments: str) -> str:
        told = CliRunner().invoke(app, ["generations", *arguments, "--settings", str(settings)])
        assert told.exit_code == 0, told.output
        return " ".join(told.output.split())

    def demo(self, settings: Path) -> str:
        """What `imagerag demo` prints after a run that had nothing to do."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cli, "_materialize", lambda *_: None)
            told = CliRunner().invoke(app, ["demo", "--settings", str(settings)])
        assert told.exit_code == 0, told.output
        return told.output

    def decision(self, settings: Path) -> Decision | None:
        project = self.project(settings)
        with project.database.connect() as connection:
            return decide(connection, project)

    def statuses(self) -> dict[int, str]:
        with psycopg.connect(self.url) as connection:
            rows = connection.execute("select generation, status from imagerag.generations").fetchall()
        return dict(rows)

    def found(self, settings: Path) -> Found:
        """What search gives for the first queries."""
        lines = (self.root / "benchmark" / "queries.jsonl").read_text().splitlines()
        texts = [json.loads(line)["text"] for line in lines]
        project = self.project(settings)
        return {text: [told(one) for one in search(project, Query(text))] for text in texts[:4]}


def told(one: Result) -> tuple[Any, ...]:
    legs = {name: (leg.rank, round(leg.score, 12)) for name, leg in one.legs.items()}
    return one.uri, round(one.score, 12), legs, one.box, one.description, one.tags, one.duplicates


@dataclass(frozen=True)
class Moment:
    """How things stood at one point of the story."""

    statuses: dict[int, str]
    found: Found
    decision: Decision | None = None
    run: dg.ExecuteInProcessResult | None = None
    told: str = ""
    page: str = ""
    measured: int = 0

    @property
    def metadata(self) -> dict[str, Any]:
        assert self.run is not None
        (evaluation,) = (
            one for one in self.run.get_asset_check_evaluations() if one.check_name == "candidate_is_no_worse"
        )
        return {"passed": evaluation.passed, "description": evaluation.description}


Story = dict[str, Moment]


@pytest.fixture(scope="module")
def shop(server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("gate")
    write_shop(root)
    # Few words: they are encoded with every encoder.
    words = {"category": ["mug", "vase", "shoe", "sofa", "lamp"], "colour": ["red", "blue", "green", "white"]}
    vocabulary = {"template": "a {}", "tags_per_group": 1, "minimum": 0.0, "groups": words}
    (root / "words.yaml").write_text(yaml.safe_dump(vocabulary))
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute("create database gate")
    overrides = {"telemetry": {"enabled": False}}
    with dg.DagsterInstance.local_temp(str(root), overrides=overrides) as instance:
        made = Shop(root, server_url.replace("/postgres?", "/gate?"), instance)
        yield made
    made.project(made.settings("bundled")).database.close()
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database gate with (force)"))


@pytest.fixture(scope="module")
def story(shop: Shop) -> Story:
    """Every moment of it, in order."""
    moments: Story = {}
    damaged = shop.settings(write_encoder(shop.root / "damaged", noise=2.0))
    good = shop.settings("bundled")

    run_all(shop.project(damaged))
    moments["first"] = Moment(shop.statuses(), shop.found(damaged))

    asks = shop.settings("bundled", wait_for_person=True)
    run = shop.run_graph(asks)
    moments["a person is asked"] = Moment(shop.statuses(), {}, shop.decision(asks), run)
    moments["better one waits"] = Moment(
        shop.statuses(), shop.found(good), shop.decision(good), told=shop.demo(good), page=shop.newest_page(),
        measured=shop.measured(),
    )  # fmt: skip
    run = shop.run_graph(good)
    moments["better one is live"] = Moment(
        shop.statuses(), shop.found(good), shop.decision(good), run, page=shop.newest_page(), measured=shop.measured()
    )

    answer = shop.command(good, "rollback")
    moments["rolled back"] = Moment(
        shop.statuses(), shop.found(good), told=answer, page=shop.newest_page(), measured=shop.measured()
    )
    shop.build_and_measure(good)
    run = shop.run_graph(good, "candidate_comparison", "live_generation")
    moments["the next run"] = Moment(shop.statuses(), shop.found(good), shop.decision(good), run)
    promote_candidate.execute_in_process(resources={"project": ProjectResource(settings_file=str(good))})
    moments["put back by the job"] = Moment(shop.statuses(), shop.found(good))

    run = shop.run_graph(damaged)
    listed = shop.command(damaged, "list")
    moments["worse one is held back"] = Moment(
        shop.statuses(), shop.found(damaged), shop.decision(damaged), run, listed
    )
    return moments


def test_the_first_generation_needs_no_gate(story: Story) -> None:
    assert story["first"].statuses == {1: "live"}


def test_a_candidate_stands_beside_the_live_generation_which_search_reads_with_its_own_models(story: Story) -> None:
    waits = story["better one waits"]
    assert waits.statuses == {1: "live", 2: "candidate"}
    # The settings name the candidate's encoder, and nothing of it is seen.
    assert waits.found == story["first"].found
    assert (waits.page, waits.measured) == ("evaluation-1.html", 1)


def test_the_demo_shows_the_report_of_what_is_live_though_the_candidates_is_newer(story: Story) -> None:
    assert "reports/evaluation-1.html" in story["better one waits"].told


def test_a_better_encoder_is_promoted(story: Story) -> None:
    decision, live = story["better one waits"].decision, story["better one is live"]
    assert decision is not None
    assert decision.live is not None
    assert (decision.action, decision.live.number, decision.candidate.number) == ("promote", 1, 2)
    recall = next(one.comparison for one in decision.findings if one.comparison.metric == "recall_at_10")
    assert (recall.queries, recall.verdict) == (20, "better")
    assert recall.difference > 0.2
    assert live.run is not None
    assert live.run.success
    assert live.statuses == {1: "retired", 2: "live"}
    assert live.found != story["first"].found
    assert live.decision is None


def test_a_candidate_that_passes_waits_where_a_person_is_to_be_asked(story: Story) -> None:
    asked = story["a person is asked"]
    assert asked.decision is not None
    assert asked.decision.action == "wait"
    assert "generations promote 2, or the job promote_candidate" in asked.decision.reason
    assert asked.run is not None
    assert asked.run.success
    assert asked.statuses == {1: "live", 2: "candidate"}


def test_the_report_and_the_metrics_speak_of_what_is_live_at_once(story: Story) -> None:
    live, back = story["better one is live"], story["rolled back"]
    assert (live.page, live.measured) == ("evaluation-2.html", 2)
    assert (back.page, back.measured) == ("evaluation-1.html", 1)


def test_a_rollback_restores_the_exact_earlier_results(story: Story) -> None:
    assert story["rolled back"].statuses == {1: "live", 2: "retired"}
    assert "Generation 1 is live again" in story["rolled back"].told
    assert story["rolled back"].found == story["first"].found


def test_what_a_person_took_back_is_not_promoted_by_the_next_run(story: Story) -> None:
    then = story["the next run"]
    assert then.statuses == {1: "live", 2: "candidate"}
    assert then.found == story["first"].found
    assert then.decision is not None
    assert then.decision.action == "wait"
    assert "A person put generation 1 in its place" in then.decision.reason


def test_the_job_promotes_what_waits(story: Story) -> None:
    assert story["put back by the job"].statuses == {1: "retired", 2: "live"}
    assert story["put back by the job"].found == story["better one is live"].found


def test_a_damaged_encoder_is_held_back_and_the_run_says_why(story: Story) -> None:
    held = story["worse one is held back"]
    assert held.statuses == {1: "candidate", 2: "live"}
    assert held.found == story["better one is live"].found
    assert held.decision is not None
    assert held.decision.action == "hold"
    assert any(one.fallen and one.comparison.verdict == "worse" for one in held.decision.findings)
    assert held.run is not None
    assert not held.run.success
    (failed,) = (event for event in held.run.all_events if event.is_step_failure)
    assert "candidate_is_no_worse" in str(failed.step_key)
    made = {
        event.asset_key.to_user_string() for event in held.run.get_asset_materialization_events() if event.asset_key
    }
    # All but what follows the check was made, the report of the live one too.
    assert "live_generation" not in made
    assert {"pgvector_index", "retrieval_runs", "eval_metrics", "candidate_comparison", "eval_report"} <= made
    assert not held.metadata["passed"]
    for words in ("Generation 1 is held back, generation 2 stays live", "Recall@10 of hybrid fell from", "interval"):
        assert words in held.metadata["description"]
        assert words in held.told


def test_while_a_candidate_waits_a_run_with_nothing_new_does_nothing_and_new_images_reach_both(
    story: Story, shop: Shop
) -> None:
    damaged = shop.root / "damaged.yaml"
    assert shop.build_and_measure(damaged) == 0

    draw(1).save(shop.root / "shop" / "new.png")
    run_all(shop.project(damaged))
    assert images(shop, damaged) == {2: 31, 1: 31}
    assert {one.stage: one.pending for one in status(shop.project(damaged)).stages if one.pending} == {}
    assert [result.uri for result in search(shop.project(damaged), Query("part 4001"), method="text")] == ["new.png"]


def images(shop: Shop, settings: Path) -> dict[int, int]:
    """How many images the live generation and the candidate have."""
    with shop.project(settings).database.connect() as connection:
        both = (generations.live(connection), generations.find_candidate(connection))
        return {
            one.number: len(connection.execute(sql.SQL("select from {}").format(one.table("images"))).fetchall())
            for one in both
            if one is not None
        }


@pytest.mark.usefixtures("story")
def test_two_generations_are_compared_on_the_command_line(shop: Shop) -> None:
    good = shop.root / "bundled.yaml"
    rows = json.loads(shop.command(good, "compare", "1", "2", "--json"))
    assert {row["method"] for row in rows} == {"clip", "description", "text", "rrf", "hybrid"}
    (clip,) = [row for row in rows if (row["method"], row["metric"]) == ("clip", "recall_at_10")]
    assert clip["verdict"] == "better"
    assert clip["low"] > 0
    assert "is it better" in shop.command(good, "compare", "2", "1")
