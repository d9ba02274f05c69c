"""Jobs and schedules: they resolve, and nothing runs by itself until someone switches it on."""

from __future__ import annotations

import dagster as dg

from imagerag_assets.definitions import defs

EVALUATION = {
    "benchmark_queries",
    "retrieval_runs",
    "stg_results",
    "stg_grades",
    "stg_judgements",
    "stg_missing_judgements",
    "eval_curves",
    "query_metrics",
    "eval_metrics",
    "eval_report",
    # What a search costs is told by the searches of the evaluations.
    "cost_by_collection",
    "candidate_comparison",
    "method_comparison",
    "embedder_comparison",
    "tuning_proposal",
}


def assets_of(job: str) -> set[str]:
    return {key.to_user_string() for key in defs.resolve_job_def(job).asset_layer.selected_asset_keys}


def test_one_job_runs_every_asset() -> None:
    everything = {key.to_user_string() for key in defs.resolve_asset_graph().executable_asset_keys}
    assert assets_of("index_and_evaluate") == everything
    assert "pgvector_index" in everything


def test_the_other_job_evaluates_without_touching_the_index() -> None:
    assert assets_of("evaluate") == EVALUATION


def test_descriptions_that_came_back_reach_the_index_without_a_look_at_the_folders() -> None:
    selected = assets_of("collect_descriptions")
    assert {"vlm_descriptions", "description_embeddings", "pgvector_index", "eval_metrics"} <= selected
    assert not {"raw_images", "ocr_text"} & selected


def test_schedules_and_sensors_are_off_until_someone_switches_them_on() -> None:
    repository = defs.get_repository_def()
    schedules = {schedule.name: schedule for schedule in repository.schedule_defs}
    assert set(schedules) == {"hourly_update", "daily_evaluation", "weekly_prune"}
    assert {schedule.default_status for schedule in schedules.values()} == {dg.DefaultScheduleStatus.STOPPED}
    assert schedules["hourly_update"].job_name == "index_and_evaluate"
    assert schedules["daily_evaluation"].job_name == "evaluate"
    assert schedules["weekly_prune"].job_name == "prune_runs"
    assert {sensor.default_status for sensor in repository.sensor_defs} == {dg.DefaultSensorStatus.STOPPED}
    assert all(schedule.description for schedule in schedules.values())


def test_every_step_runs_in_one_process_so_that_a_model_is_loaded_once() -> None:
    for job in ("index_and_evaluate", "evaluate", "collect_descriptions", "promote_candidate", "prune_runs"):
        assert defs.resolve_job_def(job).executor_def.name == "in_process"
