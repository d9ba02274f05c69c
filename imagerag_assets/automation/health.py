"""Asset checks of the studies: what the vector indexes owe to searches, and whether every embedder was compared."""

from collections.abc import Callable

import dagster as dg

from imagerag_assets.assets.common import ProjectResource, clear_failure, table_metadata
from imagerag_assets.evaluation.studies import embedders, health, health_page, store
from imagerag_assets.evaluation.studies.health_page import Finding
from imagerag_assets.evaluation.studies.store import Result
from imagerag_assets.settings import Health

_DESCRIPTIONS = {
    "hnsw_finds_the_nearest": "Recall@10 of HNSW against exact search on live vectors reaches health.min_recall.",
    "filters_give_all_there_is": "No more than health.max_short_share of filtered searches give too few images.",
    "searches_use_the_index": "From health.index_from images on, searches of all of them scan the HNSW index.",
    "ef_search_is_wide_enough": "A wider search would not find more than health.max_recall_gap.",
}


def health_check(name: str, find: Callable[[Result, Health], Finding]) -> dg.AssetChecksDefinition:
    """A warning about what the last look at the index found."""

    @dg.asset_check(asset=health.STUDY, name=name, description=f"{_DESCRIPTIONS[name]} Warns, and never blocks.")
    def check(project: ProjectResource) -> dg.AssetCheckResult:
        with clear_failure():
            opened = project.open()
            with opened.database.connect() as connection:
                study = store.newest(connection, health.STUDY)
        if study is None:
            return dg.AssetCheckResult(
                passed=False, severity=dg.AssetCheckSeverity.WARN, description="index_health was never materialized."
            )
        found = find(study.result, opened.settings.health)
        return dg.AssetCheckResult(
            passed=found.passed,
            severity=dg.AssetCheckSeverity.WARN,
            description=found.told,
            metadata={key: float(value) for key, value in found.numbers.items()},
        )

    return check


@dg.asset_check(
    asset=embedders.STUDY,
    name="every_embedder_is_compared",
    description="Every model of comparison.embedders could be loaded. Warns, and never blocks.",
)
def every_embedder_is_compared(project: ProjectResource) -> dg.AssetCheckResult:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            study = store.newest(connection, embedders.STUDY)
    named = opened.settings.comparison.embedders
    failed = study.result["failed"] if named and study is not None else {}
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"not compared": table_metadata(("embedder", "why"), list(failed.items()))},
    )


STUDY_CHECKS: list[dg.AssetChecksDefinition] = [
    *(health_check(name, find) for name, find in health_page.FINDINGS.items()),
    every_embedder_is_compared,
]
