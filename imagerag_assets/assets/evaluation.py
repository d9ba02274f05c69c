"""The evaluation's assets: benchmark_queries, retrieval_runs, dbt's models up to eval_metrics, and eval_report."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir
from graphlib import TopologicalSorter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliInvocation,
    DbtCliResource,
    dbt_assets,
)
from filelock import FileLock

from imagerag_assets.assets.common import (
    EVALUATION,
    NO_CONFIG,
    OWNERS,
    ProjectResource,
    clear_failure,
    count_metadata,
    picture,
    progress_to_log,
    table_metadata,
    tell,
)
from imagerag_assets.assets.dbt_builds import tidied
from imagerag_assets.assets.dbt_docs import write_dbt_docs
from imagerag_assets.assets.deduped_set import deduped_set
from imagerag_assets.assets.pgvector_index import pgvector_index
from imagerag_assets.assets.raw_images import raw_images
from imagerag_assets.database.connection import Connection, dbt_environment
from imagerag_assets.errors import SettingsError
from imagerag_assets.evaluation.benchmarks import never_ingested
from imagerag_assets.evaluation.benchmarks.findings import findings
from imagerag_assets.evaluation.metrics import count_unmeasured, metrics_markdown, metrics_plot_png, metrics_table
from imagerag_assets.evaluation.report import INDEX, write_report
from imagerag_assets.evaluation.studies.sections import study_sections
from imagerag_assets.retrieval.search import SEARCH_VERSION
from imagerag_assets.stages import benchmark_queries as queries_stage
from imagerag_assets.stages import retrieval_runs as runs_stage
from imagerag_assets.stages.common import RunOptions

DBT_FOLDER = Path(__file__).parents[2] / "dbt_eval"
_METRICS = "eval_metrics"
_LINEAGE = "dagster/column_lineage"


@dg.asset(
    deps=[raw_images],
    group_name=EVALUATION,
    kinds={"python", "postgres"},
    owners=OWNERS,
    code_version="1",
    config_schema=NO_CONFIG,
    description="Queries and qrels of every collection that has a benchmark, in BEIR's convention.",
)
def benchmark_queries(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        report = queries_stage.run(opened)
        tell(context, report)
        with opened.database.connect() as connection:
            for one in findings(connection):
                if one.level == "error":
                    context.log.warning(f"benchmark_queries: {one.benchmark}: {one.message}")
            rows = connection.execute(
                "select q.benchmark, q.kind, count(distinct q.query_id), count(*) filter (where r.score > 0) "
                "from benchmark_queries q left join qrels r using (benchmark, query_id) group by 1, 2 order by 1, 2"
            ).fetchall()
            return dg.MaterializeResult(
                data_version=dg.DataVersion(queries_stage.data_version(connection)),
                metadata={
                    **count_metadata(report),
                    "queries": table_metadata(("benchmark", "kind", "queries", "relevant images"), rows),
                    # Their judgements are checked once their images are there.
                    "not indexed yet": ", ".join(never_ingested(connection)) or "none",
                },
            )


@dg.asset(
    deps=[pgvector_index, benchmark_queries, deduped_set],
    group_name=EVALUATION,
    kinds={"python", "postgres", "pgvector"},
    owners=OWNERS,
    code_version=str(SEARCH_VERSION),
    config_schema=NO_CONFIG,
    description="The ranked results and the latency of every search method on every benchmark query.",
)
def retrieval_runs(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        options = RunOptions(on_progress=progress_to_log(context))
        report = runs_stage.run(opened, options, context.run.run_id)
        tell(context, report)
        with opened.database.connect() as connection:
            return dg.MaterializeResult(
                data_version=dg.DataVersion(runs_stage.data_version(connection)),
                metadata=count_metadata(report),
            )


class Translator(DagsterDbtTranslator):
    """dbt's models under their own names, in the evaluation's group."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        if dbt_resource_props["resource_type"] == "model":
            return dg.AssetKey(dbt_resource_props["name"])
        return super().get_asset_key(dbt_resource_props)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:  # noqa: ARG002
        return EVALUATION

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str]:  # noqa: ARG002
        return OWNERS


def dbt_resource(folder: Path = DBT_FOLDER) -> DbtCliResource:
    """Dbt from this interpreter's environment, which need not be on the PATH."""
    return DbtCliResource(project_dir=str(folder), dbt_executable=str(Path(sys.executable).parent / "dbt"))


def dbt_manifest(folder: Path = DBT_FOLDER) -> Path:
    """A manifest as new as the models. Parsing takes seconds, so it is done only when something changed.

    Any number of processes may ask at once: one parses, and what another reads is always a whole manifest.
    Raises `SettingsError` where the package was installed without its dbt project.
    """
    if not (folder / "dbt_project.yml").is_file():
        raise SettingsError(
            f"There is no dbt project in {folder}. The graph computes its metrics with the folder dbt_eval, which is "
            "not part of the installed package: clone the repository and install it with pip install --editable."
        )
    target = folder / "target"
    target.mkdir(exist_ok=True)
    manifest = target / "manifest.json"
    patterns = ("*.yml", "models/**/*", "macros/**/*", "tests/**/*")
    newest = max(file.stat().st_mtime for pattern in patterns for file in folder.glob(pattern))
    with FileLock(target / "manifest.lock"):
        if not manifest.is_file() or manifest.stat().st_mtime < newest:
            with TemporaryDirectory(dir=target, prefix="parse-") as parsed:
                dbt_resource(folder).cli(["--quiet", "parse"], target_path=Path(parsed)).wait()
                # dbt's own cache saves every later build the parsing.
                for name in ("partial_parse.msgpack", manifest.name):
                    (Path(parsed) / name).replace(target / name)
    return manifest


TRANSLATOR = Translator(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))


@dbt_assets(
    manifest=dbt_manifest(),
    dagster_dbt_translator=TRANSLATOR,
    exclude="resource_type:unit_test",
    name="dbt_eval",
)
def dbt_eval(context: dg.AssetExecutionContext, dbt: DbtCliResource, project: ProjectResource) -> Iterator[Any]:
    """Compute the metrics of every evaluation that has none yet; when all have, dbt is not even started."""
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            due = count_unmeasured(connection)
        if not due and (passed := _last_build_that_passed(context)):
            context.log.info("dbt_eval: nothing to do, every evaluation has its metrics")
            yield from _unchanged(context, opened.database.connect, passed)
            return
        build = dbt_build(dbt, opened.database.url, context=context)
        build.manifest = _of_database(build.manifest, os.environ["IMAGERAG_DBT_DBNAME"])
        # From which columns of the assets before it each column is made. dagster-dbt looks that up in threads, each of
        # which changes the working folder and changes it back to what it found: often to that of another thread. The
        # steps that follow would open the settings of that folder.
        with tidied(build.target_path), chdir(Path.cwd()):
            for event in build.stream().fetch_column_metadata():
                yield _with_metrics(event, opened.database.connect)


def dbt_build(dbt: DbtCliResource, database_url: str, *options: str, **more: Any) -> DbtCliInvocation:
    """Begin to build and test the models in that database. What is left out is for `dbt build` by hand."""
    os.environ.update(dbt_environment(database_url))
    # dbt's default indirect selection would leave out tests that look at two models.
    return dbt.cli([*options, "build", "--exclude", "resource_type:unit_test"], **more)


@dg.asset(
    # The studies are shown as they were left: one that fails must not cost the report.
    deps=[dg.AssetKey(_METRICS), dg.AssetKey("eval_curves")],
    group_name=EVALUATION,
    kinds={"python", "html"},
    owners=OWNERS,
    code_version="4",
    config_schema=NO_CONFIG,
    description=(
        "One self-contained HTML page about the newest evaluation, one about the candidate's, and an index of all, "
        "with what is wrong with the benchmarks. The headline table and plot are here too."
    ),
)
def eval_report(context: dg.AssetExecutionContext, project: ProjectResource) -> dg.MaterializeResult[None]:
    with clear_failure():
        opened = project.open()
        with opened.database.connect() as connection:
            folder = opened.settings.data_path / "reports"
            before = set(folder.glob("evaluation-*.html"))
            page = write_report(connection, folder, study_sections(connection, opened.settings))
            docs = write_dbt_docs(dbt_resource(), dbt_manifest(), folder / "dbt" / "index.html")
            context.log.info(f"eval_report: {page}")
            return dg.MaterializeResult(
                data_version=dg.DataVersion(runs_stage.data_version(connection)),
                metadata={
                    "report": dg.MetadataValue.path(str(page)),
                    "all reports": dg.MetadataValue.path(str(folder / INDEX)),
                    "served by imagerag serve at": f"/reports/{page.name}",
                    "report_bytes": page.stat().st_size,
                    "documentation of the metrics": dg.MetadataValue.path(str(docs)),
                    "findings": table_metadata(
                        ("benchmark", "level", "what was found"),
                        [(one.benchmark, one.level, one.message) for one in findings(connection)],
                    ),
                    **_metrics_metadata(connection, plot=page not in {*before, folder / INDEX}),
                },
            )


def _of_database(manifest: Mapping[str, Any], database: str) -> dict[str, Any]:
    """The manifest is made once for all projects, without a server: it names another database than the build's."""

    def placed(node: dict[str, Any]) -> dict[str, Any]:
        relation = node.get("relation_name")
        named = f'"{node["database"]}".'
        return {
            **node,
            "database": database,
            "relation_name": relation and relation.replace(named, f'"{database}".', 1),
        }

    moved = {kind: {key: placed(node) for key, node in manifest[kind].items()} for kind in ("nodes", "sources")}
    return {**manifest, **moved}


def _last_build_that_passed(context: dg.AssetExecutionContext) -> str:
    """The run of the last build, if every one of dbt's tests passed in it; empty otherwise.

    A build that failed its tests has left its rows behind: they must be tested again, not passed over.
    """
    runs = set()
    for key in context.selected_asset_check_keys:
        history = context.instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
        # The newest record is this run's own plan.
        last = next((record for record in history if record.run_id != context.run.run_id), None)
        if last is None or last.status is not AssetCheckExecutionRecordStatus.SUCCEEDED:
            return ""
        runs.add(last.run_id)
    return max(runs, default="")


def _unchanged(
    context: dg.AssetExecutionContext, connect: Any, passed: str
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """The models as they are, and their tests as they passed on the same rows."""
    # Dagster wants upstream models first.
    for key in TopologicalSorter(context.assets_def.asset_deps).static_order():
        if key not in context.selected_asset_keys:
            continue
        with connect() as connection:
            metadata = _lineage_as_before(context, key)
            if key.path[-1] == _METRICS:
                metadata.update(_metrics_metadata(connection, plot=False))
            yield dg.MaterializeResult(
                asset_key=key, metadata=metadata, data_version=dg.DataVersion(runs_stage.data_version(connection))
            )
    for check in sorted(context.selected_asset_check_keys, key=str):
        yield dg.AssetCheckResult(
            passed=True, asset_key=check.asset_key, check_name=check.name, metadata={"same_rows_passed_in_run": passed}
        )


def _lineage_as_before(context: dg.AssetExecutionContext, key: dg.AssetKey) -> dict[str, Any]:
    """What the columns are made from, which the UI looks up in the newest materialization."""
    event = context.instance.get_latest_materialization_event(key)
    last = event.asset_materialization if event else None
    return {_LINEAGE: last.metadata[_LINEAGE]} if last and _LINEAGE in last.metadata else {}


def _with_metrics(event: Any, connect: Any) -> Any:
    """Put the table, the plot and the headline numbers on eval_metrics: dbt itself reports only row counts."""
    if not isinstance(event, dg.Output):
        return event
    with connect() as connection:
        metadata = dict(event.metadata)
        if event.output_name == _METRICS:
            metadata.update(_metrics_metadata(connection, plot=True))
        version = dg.DataVersion(runs_stage.data_version(connection))
        return dg.Output(event.value, event.output_name, metadata, version)


def _metrics_metadata(connection: Connection, *, plot: bool) -> dict[str, Any]:
    """The headline numbers and the table, and the plot of what was not plotted before."""
    numbers = {
        f"{row['method']}_{name}": float(row[name])
        for row in metrics_table(connection)
        if row["benchmark"] == "all"
        for name in ("precision_at_5", "recall_at_10", "ndcg_at_10", "mrr", "latency_p50_ms", "latency_p95_ms")
        if row[name] is not None
    }
    shown = [metrics_markdown(connection)]
    if plot:
        shown.append(picture(metrics_plot_png(connection), "metrics per method"))
    return {**numbers, "metrics": dg.MetadataValue.md("\n\n".join(shown))}
