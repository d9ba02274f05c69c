"""What the gate says of numbers that are written by hand, and of generations that something happened to meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import GenerationError
from imagerag_assets.evaluation.gate import Decision, decide, findings_markdown
from imagerag_assets.evaluation.runs import evaluation_fingerprint
from imagerag_assets.models.checkpoints import find_checkpoint
from imagerag_assets.project import Project, _text_encoder_identity
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.switching import promote_by_hand, roll_back
from imagerag_assets.serving.cli import app
from imagerag_assets.settings import Gate
from imagerag_assets.stages import pgvector_index
from imagerag_assets.stages.common import RunOptions
from imagerag_assets.stages.status import status
from imagerag_assets_tests.retrieval.corpus import (
    MakeProject,
    Picture,
    build,
    index_rows,
    other_text_model,
    shop_project,
)

PICTURES = [Picture(f"{number}.png", f"part {4000 + number}", f"number {number}") for number in range(3)]
HITS: dict[str, list[float]] = {"large": [1.0] * 60, "small": [1.0] * 10}
"""Recall@10 by benchmark, query by query."""
_TABLE = """
    create schema if not exists imagerag_eval;
    create table if not exists imagerag_eval.query_metrics (
        evaluation integer, evaluated_at timestamptz, benchmark text, method text, query_id text, judged_as text,
        precision_at_5 float8, recall_at_10 float8, ndcg_at_10 float8, reciprocal_rank float8);
    create or replace view imagerag_eval.eval_metrics as
        select distinct evaluation, evaluated_at from imagerag_eval.query_metrics
"""


@dataclass(frozen=True)
class Shop:
    """A live generation with a text model of its own, and the settings' candidate beside it."""

    project: Project
    model: Path
    asks: Project
    """The same with `wait_for_person`: without a benchmark in the settings the index would not wait for the gate."""

    def decide(self) -> Decision:
        with self.project.database.connect() as connection:
            decision = decide(connection, self.project)
        assert decision is not None
        return decision

    def measure(self, before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]]) -> Decision:
        with self.project.database.connect() as connection:
            connection.execute(_TABLE)
            for generation, values in (
                (generations.find_live(connection), before),
                (generations.find_candidate(connection), after),
            ):
                assert generation is not None
                write(connection, self.project, generation, values)
        return self.decide()

    def statuses(self) -> dict[int, str]:
        with self.project.database.connect() as connection:
            return dict(connection.execute("select generation, status from generations").fetchall())

    def lose_the_live_model(self) -> None:
        self.model.rename(self.model.with_name("elsewhere"))
        forget_identities()

    def lose_the_live_tables(self) -> None:
        with self.project.database.connect() as connection:
            connection.execute("drop schema imagerag_generation_1 cascade")

    def listed(self, root: Path) -> str:
        settings = root / "imagerag.yaml"
        shown = json.loads(self.project.settings.model_dump_json())
        settings.write_text(yaml.safe_dump(shown))
        result = CliRunner().invoke(app, ["generations", "list", "--settings", str(settings)])
        assert result.exit_code == 0, result.output
        return " ".join(result.output.split())


def third_text_model(folder: Path) -> str:
    """Neither the bundled one nor that of the live generation."""
    other_text_model(folder)
    (folder / "note.txt").write_text("a third model")
    return str(folder)


def forget_identities() -> None:
    """As in a new process."""
    find_checkpoint.cache_clear()
    _text_encoder_identity.cache_clear()


def write(
    connection: Connection, project: Project, generation: generations.Generation, values: Mapping[str, Sequence[float]]
) -> None:
    state = evaluation_fingerprint(connection, project, generation)
    connection.execute(
        "with made as (insert into evaluations (fingerprint, generation, run_id) values (%s, %s, 'r') returning *), "
        "rows as (select b.key as benchmark, v.ordinality, v.value::float8 as hit "
        "         from jsonb_each(%s::jsonb) b, jsonb_array_elements_text(b.value) with ordinality v) "
        "insert into imagerag_eval.query_metrics select evaluation, created_at, benchmark, 'hybrid', "
        "'q' || ordinality, 'alike', hit / 5, hit, hit, hit from made, rows",
        (state, generation.number, json.dumps(dict(values))),
    )


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Shop:
    model = tmp_path / "model"
    first = shop_project(make_project, tmp_path, models={"text": other_text_model(model)})
    build(first, PICTURES)
    url = first.settings.database.url
    asks = shop_project(make_project, tmp_path, url=url, gate={"wait_for_person": True})
    build(asks, PICTURES)
    made = Shop(shop_project(make_project, tmp_path, url=url), model, asks)
    assert made.statuses() == {1: "live", 2: "candidate"}
    return made


def test_a_small_collection_that_collapses_does_not_hide_behind_a_large_one(shop: Shop) -> None:
    before = {"large": [0.0] * 10 + [1.0] * 50, "small": [1.0] * 10}
    decision = shop.measure(before, {"large": [1.0] * 60, "small": [1.0] * 6 + [0.0] * 4})
    assert decision.findings[0].comparison.difference > 0
    assert decision.action == "hold"
    assert "on the benchmark small Recall@10 of hybrid fell from 1.000 to 0.600" in decision.reason
    assert "large" not in decision.reason
    assert "together" not in decision.reason
    table = findings_markdown(decision.reason, decision.findings).splitlines()
    assert [line.split("|")[1].strip() for line in table if "| fallen |" in line] == ["small"] * 3


@pytest.mark.parametrize(("lost", "action"), [(2, "promote"), (3, "hold")])
def test_a_benchmarks_own_fall_must_be_more_than_two_queries_by_chance(shop: Shop, lost: int, action: str) -> None:
    before = {"large": [0.0] * 10 + [1.0] * 50, "small": [1.0] * 10}
    after = {"large": [1.0] * 60, "small": [1.0] * (10 - lost) + [0.0] * lost}
    assert shop.measure(before, after).action == action


def test_together_the_tolerance_alone_decides(shop: Shop) -> None:
    decision = shop.measure(HITS, {"large": [0.0] + [1.0] * 59, "small": [1.0] * 10})
    assert decision.action == "hold"
    assert "on all benchmarks together Recall@10 of hybrid fell" in decision.reason
    assert "the benchmark large" not in decision.reason


def change(shop: Shop, assignment: str, where: str) -> Decision:
    """The gate again, after what was measured of the live generation is another."""
    with shop.project.database.connect() as connection:
        connection.execute(f"update imagerag_eval.query_metrics set {assignment} where evaluation = 1 and {where}")
    return shop.decide()


def test_queries_that_were_judged_otherwise_are_not_compared_and_the_reason_counts_them(shop: Shop) -> None:
    decision = shop.measure(HITS, {"large": [1.0] * 60, "small": [0.0] * 10})
    assert decision.action == "hold"
    assert "70 of 70 queries compare." in decision.reason
    decision = change(shop, "judged_as = 'then'", "benchmark = 'small'")
    assert (decision.action, decision.findings[0].comparison.queries) == ("promote", 60)
    assert "60 of 70 queries compare." in decision.reason
    assert "small: none of its 10 queries was asked and judged alike" in decision.reason


def test_a_candidate_of_which_most_queries_do_not_compare_is_not_promoted(shop: Shop) -> None:
    shop.measure(HITS, HITS)
    decision = change(shop, "judged_as = 'then'", "not (benchmark = 'small' and query_id = 'q1')")
    assert (decision.action, decision.findings[0].comparison.queries) == ("measure", 1)
    assert "only 1 of 70 queries were asked of both and judged alike" in decision.reason


def test_a_candidate_is_not_promoted_while_a_metric_or_a_method_of_the_settings_is_not_measured(shop: Shop) -> None:
    shop.measure(HITS, HITS)
    decision = change(shop, "recall_at_10 = null", "query_id = 'q1'")
    assert decision.action == "measure"
    assert "Recall@10 of hybrid was not measured of every query in both" in decision.reason
    assert "nDCG@10" not in decision.reason

    assert change(shop, "recall_at_10 = 1", "query_id = 'q1'").action == "promote"
    gate = Gate(metrics={"ndcg_at_10": 0.01}, methods=("clip", "hybrid"))
    settings = shop.project.settings.model_copy(update={"gate": gate})
    decision = replace(shop, project=Project(settings, beside=shop.project)).decide()
    assert decision.action == "measure"
    assert "nDCG@10 of clip was not measured" in decision.reason


def test_a_live_generation_whose_model_is_gone_is_told_and_a_worse_candidate_is_still_held(
    shop: Shop, tmp_path: Path
) -> None:
    shop.measure(HITS, {"large": [0.0] * 60, "small": [1.0] * 10})
    shop.lose_the_live_model()
    decision = shop.decide()
    assert decision.action == "hold"
    assert "Generation 1 cannot be searched any more" in decision.reason
    assert pgvector_index.run(shop.asks, RunOptions()).worked == 0
    told = shop.listed(tmp_path)
    assert "Generation 2 is held back, generation 1 stays live" in told
    assert "Generation 1 cannot be searched any more" in told


def test_a_live_generation_whose_model_has_changed_is_compared_by_its_last_measurement(shop: Shop) -> None:
    shop.measure(HITS, HITS)
    (shop.model / "note.txt").write_text("yet another model")
    forget_identities()
    decision = shop.decide()
    assert (decision.action, decision.findings[0].comparison.queries) == ("promote", 70)


def test_an_unmeasured_candidate_of_a_lost_live_one_still_waits_for_the_person_who_is_to_be_asked(
    shop: Shop,
) -> None:
    shop.lose_the_live_model()
    assert shop.decide().action == "promote"
    assert replace(shop, project=shop.asks).decide().action == "wait"


def test_a_candidate_whose_own_model_is_gone_is_not_taken_for_the_way_out(
    shop: Shop, make_project: MakeProject, tmp_path: Path
) -> None:
    """The settings name what is gone: that says nothing of the live generation's models."""
    other = third_text_model(tmp_path / "gone")
    url = shop.project.settings.database.url
    third = shop_project(make_project, tmp_path, url=url, models={"text": other}, gate={"wait_for_person": True})
    build(third, PICTURES)
    assert shop.statuses() == {1: "live", 2: "retired", 3: "candidate"}
    (tmp_path / "gone").rename(tmp_path / "away")
    forget_identities()
    decision = replace(shop, project=third).decide()
    assert decision.action == "hold"
    assert "nobody could search it" in decision.reason
    assert "Generation 3 of the index was built with other models" in decision.reason


def test_when_the_live_tables_are_dropped_the_candidate_takes_their_place(shop: Shop, tmp_path: Path) -> None:
    shop.measure(HITS, {"large": [0.0] * 60, "small": [1.0] * 10})
    shop.lose_the_live_tables()
    assert (shop.decide().action, shop.decide().live) == ("promote", None)
    assert "None is live, or its tables are gone" in shop.listed(tmp_path)
    assert [one.number for one in status(shop.project).generations] == [2]

    pgvector_index.run(shop.asks, RunOptions())
    assert shop.statuses() == {1: "dropped", 2: "live"}
    assert len(index_rows(shop.project)["images"]) == 3


def test_a_person_may_promote_where_none_is_live_and_not_what_has_no_tables(shop: Shop) -> None:
    shop.lose_the_live_tables()
    with shop.project.database.connect() as connection:
        with pytest.raises(GenerationError, match="nothing to go back to"):
            roll_back(connection)
        with pytest.raises(GenerationError, match="Generation 1 was dropped"):
            promote_by_hand(connection, 1)
        assert promote_by_hand(connection, 2).number == 2
        assert generations.live(connection).number == 2


def test_the_list_says_what_a_generation_that_is_not_whole_waits_for(
    shop: Shop, make_project: MakeProject, tmp_path: Path
) -> None:
    url = shop.project.settings.database.url
    begun = shop_project(make_project, tmp_path, url=url, models={"text": third_text_model(tmp_path / "third")})
    assert pgvector_index.run(begun, RunOptions()).pending == 3
    assert shop.statuses() == {1: "live", 2: "retired", 3: "building"}
    assert "3 images of the live index are not in it, or not described" in replace(shop, project=begun).listed(tmp_path)
