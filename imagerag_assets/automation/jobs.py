"""Jobs and their schedules. All schedules are off until someone switches them on."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from imagerag_assets.automation.promotion import promote_candidate
from imagerag_assets.automation.prune import prune_runs, weekly_prune

EVERYTHING = "index_and_evaluate"

index_and_evaluate = dg.define_asset_job(
    EVERYTHING,
    selection=dg.AssetSelection.all(),
    description="The whole graph: only what is new or changed costs anything.",
    executor_def=dg.in_process_executor,
)
evaluate = dg.define_asset_job(
    "evaluate",
    selection=dg.AssetSelection.assets("benchmark_queries").downstream() - dg.AssetSelection.assets("live_generation"),
    description="Benchmarks against the live index, metrics and report, without touching the index.",
    executor_def=dg.in_process_executor,
)
collect_descriptions = dg.define_asset_job(
    "collect_descriptions",
    selection=dg.AssetSelection.assets("vlm_descriptions").downstream(include_self=True),
    description="Descriptions that came back from the Batch API, and what follows from them.",
    executor_def=dg.in_process_executor,
)

hourly_update = dg.ScheduleDefinition(
    name="hourly_update",
    job=index_and_evaluate,
    cron_schedule="0 * * * *",
    description="For sources that cannot be watched. A run with nothing to do ends in seconds.",
)
daily_evaluation = dg.ScheduleDefinition(
    name="daily_evaluation",
    job=evaluate,
    cron_schedule="30 5 * * *",
    description=(
        "Looks once a day whether the index, a benchmark or the search changed since the last evaluation, and measures "
        "again if so. With nothing new there are no new numbers: they would be the old ones."
    ),
)

JOBS: list[dg.JobDefinition | UnresolvedAssetJobDefinition] = [
    index_and_evaluate,
    evaluate,
    collect_descriptions,
    promote_candidate,
    prune_runs,
]
SCHEDULES = [hourly_update, daily_evaluation, weekly_prune]
