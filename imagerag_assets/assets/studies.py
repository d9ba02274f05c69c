"""method_comparison, embedder_comparison, index_health and tuning_proposal: studies that nothing waits for.

Each is kept in the database under the fingerprint of what it depends on: with the same inputs an asset reads it back.
"""

from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource

from imagerag_assets.assets.common import (
    NO_CONFIG,
    OWNERS,
    STUDIES,
    ProjectResource,
    clear_failure,
    count_metadata,
    picture,
    progress_to_log,
    table_metadata,
    tell,
)
from imagerag_assets.assets.dbt_builds import tidied
from imagerag_assets.assets.deduped_set import deduped_set
from imagerag_assets.assets.embeddings import clip_embeddings
from imagerag_assets.assets.evaluation import benchmark_queries, dbt_build
from imagerag_assets.assets.pgvector_index import pgvector_index
from imagerag_assets.evaluation.metrics import count_unmeasured
from imagerag_assets.evaluation.studies import embedders, health, health_page, methods, tuning
from imagerag_assets.evaluation.studies.store import Study
from imagerag_assets.project import Project
from imagerag_assets.stages import embedder_comparison as comparison_stage
from imagerag_assets.stages.common import RunOptions

_NONE = dg.DataVersion("none")


@dg.asset(
    deps=[dg.AssetKey("eval_metrics")],
    group_name=STUDIES,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version="1",
    config_schema=NO_CONFIG,
    description="The guide's table: description only, CLIP only and hybrid by collection, beside the guide's figures.",
)
def method_comparison(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure(), project.open().database.connect() as connection:
        study = methods.method_comparison(connection)
        if study is None:
            return dg.MaterializeResult(
                data_version=_NONE, metadata={"comparison": "No evaluation has been measured yet."}
            )
        _tell(context, methods.STUDY, study)
        numbers = {
            f"{row['method']}_{name}": float(row[name])
            for row in study.result["rows"]
            if row["benchmark"] == "all"
            for name in ("precision_at_5", "recall_at_10")
        }
        return _told(study, {"comparison": dg.MetadataValue.md(methods.method_markdown(study)), **numbers})


@dg.asset(
    deps=[clip_embeddings, benchmark_queries, deduped_set, pgvector_index, dg.AssetKey("eval_metrics")],
    group_name=STUDIES,
    kinds={"python", "pytorch", "dbt"},
    owners=OWNERS,
    code_version="1",
    config_schema=NO_CONFIG,
    description=(
        "The embedders of comparison.embedders beside the configured one on the same benchmarks, by exact search; with "
        "zero-shot accuracy where a benchmark has labels.csv."
    ),
)
def embedder_comparison(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, project: ProjectResource
) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        options = RunOptions(on_progress=progress_to_log(context), run_id=context.run.run_id)
        prepared = comparison_stage.prepare(opened, options)
        if prepared is None:
            context.log.info("embedder_comparison: nothing to do, comparison.embedders names no embedder")
            told = "comparison.embedders names no embedder to put beside the configured one (docs/evaluation.md)."
            return dg.MaterializeResult(data_version=_NONE, metadata={"comparison": told})
        tell(context, prepared.report)
        study = prepared.study
        if study is None:
            _measure(dbt, opened)
            with opened.database.connect() as connection:
                study = embedders.table(connection, prepared.state, prepared.compared, prepared.labels, prepared.failed)
        return _told(
            study,
            {
                **count_metadata(prepared.report),
                "comparison": dg.MetadataValue.md(embedders.comparison_markdown(study)),
                "not compared": len(prepared.failed),
            },
        )


@dg.asset(
    deps=[pgvector_index],
    group_name=STUDIES,
    kinds={"python", "postgres", "pgvector"},
    owners=OWNERS,
    code_version="1",
    config_schema=NO_CONFIG,
    description=(
        "Whether the HNSW indexes find what an exact search finds: recall on live vectors, filtered searches, use of "
        "the index, and a sweep of ef_search."
    ),
)
def index_health(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            study = health.index_health(connection, opened)
        _tell(context, health.STUDY, study)
        rules, result = opened.settings.health, study.result
        findings = {name: finding(result, rules) for name, finding in health_page.FINDINGS.items()}
        shown = [health_page.health_markdown(result)]
        if study.made:
            shown.append(picture(health_page.sweep_plot_png(result), "recall over latency"))
        return _told(
            study,
            {
                "images": result["images"],
                "health": dg.MetadataValue.md("\n\n".join(shown)),
                **{name: one.told for name, one in findings.items()},
                **{name: float(value) for one in findings.values() for name, value in one.numbers.items()},
            },
        )


@dg.asset(
    deps=[pgvector_index, benchmark_queries, deduped_set],
    group_name=STUDIES,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version="1",
    config_schema=NO_CONFIG,
    description=(
        "Other values of fusion and dedup.similarity, chosen on train queries and measured on validation queries. It "
        "proposes; a person applies."
    ),
)
def tuning_proposal(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            study = tuning.tuning_proposal(connection, opened)
        _tell(context, tuning.STUDY, study)
        result = study.result
        return _told(
            study,
            {
                "proposals": table_metadata(tuning.HEADER, tuning.proposal_rows(result)),
                "better": len(tuning.better(result)),
                "notes": dg.MetadataValue.md("\n\n".join(result["notes"])),
            },
        )


def _measure(dbt: DbtCliResource, opened: Project) -> None:
    """Have dbt measure what was evaluated. Not as an asset's step: what is only compared is nobody's upstream."""
    with opened.database.connect() as connection:
        due = count_unmeasured(connection)
    if due:
        build = dbt_build(dbt, opened.database.url, "--quiet")
        with tidied(build.target_path):
            build.wait()


def _tell(context: dg.AssetExecutionContext, name: str, study: Study) -> None:
    context.log.info(f"{name}: made" if study.made else f"{name}: nothing to do, what it depends on is the same")


def _told(study: Study, metadata: dict[str, Any]) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(data_version=dg.DataVersion(study.fingerprint), metadata=metadata)
