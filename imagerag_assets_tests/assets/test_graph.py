"""The graph as Dagster sees it, and real runs of it: from nothing, with nothing to do, with one new thing each."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest
import yaml
from psycopg import sql

from imagerag_assets.assets.common import ProjectResource
from imagerag_assets.automation.checks import CHECKS
from imagerag_assets.database.connection import Connection, Database
from imagerag_assets.definitions import build_defs, defs
from imagerag_assets.retrieval import generations
from imagerag_assets_tests.pictures import draw, write_pictures

STAGES = {
    "raw_images",
    "tiles",
    "ocr_text",
    "vlm_descriptions",
    "clip_embeddings",
    "description_confidence",
    "description_embeddings",
    "deduped_set",
    "pgvector_index",
}
STUDIES = {"method_comparison", "embedder_comparison", "index_health", "tuning_proposal"}
OURS = (
    STAGES | {"benchmark_queries", "retrieval_runs", "eval_report", "candidate_comparison", "live_generation"} | STUDIES
)
DBT = {
    "stg_results", "stg_grades", "stg_judgements", "stg_missing_judgements", "query_metrics", "eval_metrics",
    "eval_curves", "cost_by_model", "cost_by_day", "cost_by_collection",
}  # fmt: skip
COUNTS = {"new", "updated", "removed", "skipped", "failed", "pending", "seconds", "rate_per_second", "cost_usd"}
PICTURES = 12


def test_the_assets_have_the_names_that_the_users_say() -> None:
    assert {key.to_user_string() for key in defs.resolve_asset_graph().executable_asset_keys} == OURS | DBT


def test_every_asset_tells_what_it_is_who_owns_it_and_where_it_belongs() -> None:
    for spec in defs.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description, name
        assert {"python", "dbt"} & spec.kinds, name
        assert spec.owners == ["team:imagerag"], name
        assert re.fullmatch(r"[1-5]_[a-z]+", spec.group_name or ""), name
        assert spec.code_version, name
        # Beyond that age the UI says so.
        assert spec.freshness_policy is not None, name


def test_the_edges_are_those_that_the_data_needs() -> None:
    graph = defs.resolve_asset_graph()

    def upstream(name: str) -> set[str]:
        return {key.to_user_string() for key in graph.get(dg.AssetKey(name)).parent_keys}

    def downstream(name: str) -> set[str]:
        return {key.to_user_string() for key in graph.get(dg.AssetKey(name)).child_keys}

    assert upstream("raw_images") == set()
    assert upstream("tiles") == {"raw_images"}
    assert upstream("clip_embeddings") == {"raw_images", "tiles"}
    assert upstream("vlm_descriptions") == {"raw_images", "ocr_text"}
    assert upstream("description_confidence") == {"raw_images", "ocr_text", "vlm_descriptions", "clip_embeddings"}
    assert upstream("description_embeddings") == {"vlm_descriptions", "description_confidence"}
    assert upstream("deduped_set") == {"raw_images", "clip_embeddings", "ocr_text"}
    assert upstream("pgvector_index") == STAGES - {"pgvector_index"}
    assert upstream("eval_report") == {"eval_metrics", "eval_curves"}
    assert "retrieval_runs" in upstream("stg_results")
    assert upstream("candidate_comparison") == {"eval_metrics", "retrieval_runs"}
    assert upstream("live_generation") == {"candidate_comparison"}
    # Nothing of the graph waits for a study.
    assert {name for study in STUDIES for name in downstream(study)} == set()
    assert upstream("method_comparison") == {"eval_metrics"}
    assert upstream("index_health") == {"pgvector_index"}


@dataclass(frozen=True)
class Shop:
    """A settings file over a folder of pictures and a database of its own."""

    settings: Path
    folder: Path
    database: Database
    instance: dg.DagsterInstance

    def run(self, assets: tuple[str, ...] = (), **config: Any) -> dg.ExecuteInProcessResult:
        resource = ProjectResource(settings_file=str(self.settings))
        folder = Path.cwd()
        result = (
            build_defs(resources={"project": resource})
            .resolve_job_def("index_and_evaluate")
            .execute_in_process(
                instance=self.instance,
                raise_on_error=False,
                asset_selection=[dg.AssetKey(name) for name in assets] or None,
                run_config={"ops": {name: {"config": values} for name, values in config.items()}},
            )
        )
        # Where settings are found by the working folder, all steps have to see the same.
        assert Path.cwd() == folder
        return result

    def check(self, asset: str, name: str | None = None) -> dg.AssetCheckResult:
        """The result of the asset's only check, or of the named one."""
        (found,) = (
            one
            for one in CHECKS
            for key in one.check_keys
            if key.asset_key == dg.AssetKey(asset) and name in (None, key.name)
        )
        result = found(project=ProjectResource(settings_file=str(self.settings)))
        assert isinstance(result, dg.AssetCheckResult)
        return result


@dataclass(frozen=True)
class Told:
    """What one run told of its assets."""

    success: bool
    metadata: dict[str, dict[str, dg.MetadataValue]]
    versions: dict[str, str]
    checks: dict[str, bool] = field(default_factory=dict)

    def number(self, asset: str, name: str) -> float:
        value = self.metadata[asset][name].value
        assert isinstance(value, int | float)
        return value

    def markdown(self, asset: str, name: str) -> str:
        value = self.metadata[asset][name]
        assert isinstance(value, dg.MarkdownMetadataValue)
        return str(value.value)


def told(result: dg.ExecuteInProcessResult) -> Told:
    metadata, versions, checks = {}, {}, {}
    for event in result.all_events:
        if event.is_step_materialization:
            found = event.step_materialization_data.materialization
            metadata[found.asset_key.to_user_string()] = dict(found.metadata)
            versions[found.asset_key.to_user_string()] = (found.tags or {})["dagster/data_version"]
        elif event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            evaluation = event.asset_check_evaluation_data
            checks[f"{evaluation.asset_key.to_user_string()}.{evaluation.check_name}"] = evaluation.passed
    return Told(result.success, metadata, versions, checks)


MakeShop = Callable[[Path], Shop]


@pytest.fixture(scope="module")
def make_shop(server_url: str) -> Iterator[MakeShop]:
    made: list[tuple[str, Shop]] = []

    def make(root: Path) -> Shop:
        name = f"graph_{len(made)}"
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        url = server_url.replace("/postgres?", f"/{name}?")
        folder = write_pictures(root / "shop", range(PICTURES - 2))
        benchmark = root / "benchmark"
        benchmark.mkdir()
        queries = [{"_id": f"q{number}", "text": f"part {4000 + number}"} for number in range(3)]
        (benchmark / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries))
        qrels = "".join(f"q{number}\tpicture-{number:04d}.png\t1\n" for number in range(3))
        (benchmark / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
        values = {
            "data_dir": str(root / "data"),
            "database": {"url": url},
            "collections": [
                {"name": "shop", "source": str(folder), "benchmark": str(benchmark)},
                {"name": "office", "source": str(write_pictures(root / "office", range(50, 52)))},
            ],
        }
        (root / "imagerag.yaml").write_text(yaml.safe_dump(values))
        shop = Shop(root / "imagerag.yaml", folder, Database(url), dg.DagsterInstance.ephemeral())
        made.append((name, shop))
        return shop

    yield make
    for name, shop in made:
        shop.database.close()
        shop.instance.dispose()
        with psycopg.connect(server_url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@dataclass(frozen=True)
class Runs:
    """Runs of the whole graph over the same folder: the third finds a new picture, the fourth a changed benchmark."""

    shop: Shop
    first: Told
    second: Told
    third: Told
    fourth: Told


@pytest.fixture(scope="module")
def runs(make_shop: MakeShop, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    shop = make_shop(tmp_path_factory.mktemp("graph"))
    first, second = told(shop.run()), told(shop.run())
    draw(99).save(shop.folder / "new.png")
    third = told(shop.run())
    with (shop.settings.parent / "benchmark" / "qrels.tsv").open("a") as qrels:
        qrels.write("q0\tnew.png\t1\n")
    return Runs(shop, first, second, third, told(shop.run()))


def test_everything_is_materialized_and_every_check_passes(runs: Runs) -> None:
    assert runs.first.success
    assert set(runs.first.metadata) == OURS | DBT
    ours = {key for key in runs.first.checks if key.partition(".")[0] in STAGES}
    assert ours == {
        "raw_images.nothing_lost",
        "raw_images.quarantine_is_small",
        "vlm_descriptions.budget_not_reached",
        "description_confidence.budget_not_reached",
        "description_confidence.descriptions_are_trusted",
        "pgvector_index.index_is_complete",
        *(f"{stage}.no_failed_items" for stage in STAGES - {"raw_images", "deduped_set", "pgvector_index"}),
    }
    # dbt's own tests are checks too.
    assert len(runs.first.checks) > len(ours)
    assert all(runs.first.checks.values())


def test_every_materialization_tells_its_counts(runs: Runs) -> None:
    for asset in STAGES | {"benchmark_queries", "retrieval_runs"}:
        assert set(runs.first.metadata[asset]) >= COUNTS, asset
    for asset in STAGES:
        assert runs.first.number(asset, "new") == PICTURES, asset
        assert runs.first.number(asset, "failed") == runs.first.number(asset, "pending") == 0
        assert runs.second.number(asset, "new") == runs.second.number(asset, "updated") == 0, asset
        assert runs.second.number(asset, "skipped") == PICTURES, asset
        assert runs.third.number(asset, "new") == 1, asset
        # A twelfth more is enough for a collection's confidences to be measured again.
        left = runs.third.number(asset, "updated") if asset == "description_confidence" else 0
        assert runs.third.number(asset, "skipped") == PICTURES - left, asset
    assert runs.first.number("ocr_text", "rate_per_second") > 0
    assert runs.first.number("benchmark_queries", "new") == 3


def test_every_materialization_shows_what_it_made(runs: Runs) -> None:
    pictures = {("raw_images", "newest"), ("clip_embeddings", "nearest"), ("eval_metrics", "metrics")}
    for asset, name in pictures:
        assert "](data:image/png;base64,iVBOR" in runs.first.markdown(asset, name)
    assert re.search(r"PART 40\d\d", runs.first.markdown("ocr_text", "texts"))
    assert "| shop | 10 | 10 |" in runs.first.markdown("ocr_text", "collections")
    assert "| office | 2 | 2 |" in runs.first.markdown("clip_embeddings", "collections")
    assert "picture-0050.png" in runs.first.markdown("vlm_descriptions", "descriptions")
    assert "200 × 120" in runs.first.markdown("tiles", "most_tiles")
    assert "| shop | 10 | 10 | 10 |" in runs.first.markdown("pgvector_index", "collections")
    assert (runs.third.number("pgvector_index", "images"), runs.third.number("pgvector_index", "generation")) == (13, 1)


def test_the_metrics_are_on_the_asset_itself_as_a_table_and_as_numbers(runs: Runs) -> None:
    table = runs.first.markdown("eval_metrics", "metrics")
    for method in ("clip", "description", "text", "rrf", "hybrid"):
        assert re.search(rf"\| shop \| {method} \| 3 \|", table)
        assert 0 <= runs.first.number("eval_metrics", f"{method}_precision_at_5") <= 1
    # What is printed on a picture finds it: the lexical leg needs no training.
    assert runs.first.number("eval_metrics", "text_recall_at_10") > 0
    assert table.startswith(runs.second.markdown("eval_metrics", "metrics"))
    report = Path(str(runs.first.metadata["eval_report"]["report"].value))
    assert report.is_file()
    page = report.read_text(encoding="utf-8")
    assert "<html" in page
    assert re.search(
        r'<h2 id="section-1">Index health</h2>.*searches use the index</td><td class="words">yes<', page, re.S
    )
    assert re.search(r'<h2 id="section-\d">Proposals for the settings</h2>', page)
    assert (report.parent / "index.html").is_file()
    for metric in ("recall_at_10", "ndcg_at_10", "mrr", "latency_p95_ms"):
        assert runs.first.number("eval_report", f"hybrid_{metric}") >= 0


def test_the_columns_of_dbts_models_are_traced_to_those_before_them(runs: Runs) -> None:
    columns = runs.first.metadata["eval_metrics"]["dagster/column_schema"]
    assert isinstance(columns, dg.TableSchemaMetadataValue)
    assert {"ndcg_at_10", "map_at_10"} <= {column.name for column in columns.schema.columns}
    # The second did not start dbt.
    for run in (runs.first, runs.second):
        lineage = run.metadata["eval_metrics"]["dagster/column_lineage"]
        assert isinstance(lineage, dg.TableColumnLineageMetadataValue)
        (source,) = lineage.column_lineage.deps_by_column["mrr"]
        assert (source.asset_key, source.column_name) == (dg.AssetKey("query_metrics"), "reciprocal_rank")


def test_a_run_that_changed_nothing_leaves_every_data_version(runs: Runs) -> None:
    assert runs.second.versions == runs.first.versions


def test_a_new_picture_gives_everything_but_the_benchmark_a_new_data_version(runs: Runs) -> None:
    unchanged = {name for name, version in runs.third.versions.items() if runs.first.versions[name] == version}
    # Nobody asked for embedders to be compared, nor is tuning repeated for a single picture.
    assert unchanged == {"benchmark_queries", "live_generation", "embedder_comparison", "tuning_proposal"}


def test_a_changed_benchmark_is_measured_again_and_nothing_else_is_touched(runs: Runs) -> None:
    unchanged = {name for name, version in runs.fourth.versions.items() if runs.third.versions[name] == version}
    assert unchanged == STAGES | {"live_generation", "embedder_comparison", "index_health"}
    for asset in STAGES:
        assert runs.fourth.number(asset, "new") == runs.fourth.number(asset, "updated") == 0, asset
    assert runs.fourth.number("benchmark_queries", "new") == 3
    assert runs.fourth.number("retrieval_runs", "new") == 15


def test_a_run_with_nothing_to_do_stores_no_picture_and_says_so(runs: Runs) -> None:
    told = {(asset, name): str(value.value) for asset, of in runs.second.metadata.items() for name, value in of.items()}
    assert [key for key, value in told.items() if "data:image" in value] == []
    for key in (("raw_images", "newest"), ("clip_embeddings", "nearest"), ("deduped_set", "pairs")):
        assert told[key].startswith("Nothing was new, changed or removed")
    assert sum(map(len, told.values())) < 30_000
    assert "](data:image/png;base64,iVBOR" in runs.first.markdown("eval_report", "metrics")
    assert "](data:image/png;base64,iVBOR" in runs.third.markdown("raw_images", "newest")
    # Only the evaluation is new.
    assert "](data:image/png;base64,iVBOR" in runs.fourth.markdown("eval_metrics", "metrics")
    assert "data:image" not in runs.fourth.markdown("raw_images", "newest")


def test_the_guides_table_has_the_numbers_of_dbt_beside_the_guides_own(runs: Runs) -> None:
    table = runs.first.markdown("method_comparison", "comparison")
    for method in ("clip", "description", "hybrid"):
        for name in ("precision_at_5", "recall_at_10"):
            number = runs.first.number("method_comparison", f"{method}_{name}")
            assert number == runs.first.number("eval_metrics", f"{method}_{name}")
        assert f"{number:.3f}" in table
    assert re.search(r"\| shop \| hybrid \| 3 \| .* \| 0.84 \| 0.91 \| 80 \|", table)
    assert re.search(r"\| CLIP only \| Recall@10 \| 3 \|", table)


def test_the_look_at_the_index_is_drawn_once_and_checked_each_time(runs: Runs) -> None:
    assert "](data:image/png;base64,iVBOR" in runs.first.markdown("index_health", "health")
    assert "data:image" not in runs.second.markdown("index_health", "health")
    assert runs.first.number("index_health", "clip_recall_at_10") == 1.0
    checks = {name for name in runs.second.checks if name.startswith("index_health.")}
    assert len(checks) == 4
    assert "no embedder" in str(runs.first.metadata["embedder_comparison"]["comparison"].value)
    assert "0 for train and 0 for validation" in runs.first.markdown("tuning_proposal", "notes")


def test_a_second_run_measures_nothing_twice(runs: Runs) -> None:
    assert runs.second.number("retrieval_runs", "new") == 0
    with runs.shop.database.connect() as connection:
        assert connection.execute("select count(*) from evaluations").fetchone() == (3,)
        count = connection.execute("select count(distinct evaluation) from imagerag_eval.eval_metrics").fetchone()
    assert count == (3,)


def test_passing_over_dbt_repeats_the_checks_that_passed(runs: Runs) -> None:
    assert runs.second.checks == runs.first.checks
    assert any(name.startswith("eval_metrics.") for name in runs.second.checks)


def test_a_build_whose_tests_failed_is_not_passed_over(runs: Runs) -> None:
    models = ("stg_grades", "stg_judgements", "stg_missing_judgements", "stg_results", "query_metrics", "eval_metrics")
    # An instance that has seen no build: dbt has to run, and then finds the impossible number.
    shop = replace(runs.shop, instance=dg.DagsterInstance.ephemeral())
    with shop.database.connect() as connection:
        connection.execute("update imagerag_eval.eval_metrics set mrr = mrr + 7")
    assert not shop.run(models).success
    # Passed over, it would succeed.
    assert not shop.run(models).success
    with shop.database.connect() as connection:
        connection.execute("update imagerag_eval.eval_metrics set mrr = mrr - 7")


@pytest.fixture
def connection(runs: Runs) -> Iterator[Connection]:
    with runs.shop.database.connect() as opened:
        yield opened


def test_a_job_runs_the_checks_of_one_meaning_and_materializes_nothing(runs: Runs) -> None:
    job = build_defs(resources={"project": ProjectResource(settings_file=str(runs.shop.settings))}).resolve_job_def(
        "checks_complete"
    )
    done = told(job.execute_in_process(instance=runs.shop.instance))
    assert done.success
    assert done.metadata == {}
    assert done.checks == {"raw_images.nothing_lost": True, "pgvector_index.index_is_complete": True}


def test_the_check_of_a_stage_warns_while_an_item_fails(runs: Runs, connection: Connection) -> None:
    assert runs.shop.check("ocr_text").passed
    connection.execute(
        "insert into stage_failures (stage, item, fingerprint, error_class, message, next_try) "
        "values ('ocr_text', 'abc', 'f', 'ocr_failed', 'a | pipe <b>', now())"
    )
    connection.commit()
    failing = runs.shop.check("ocr_text")
    assert (failing.passed, failing.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "ocr&#95;failed" in str(failing.metadata["newest"].value)
    assert "a &#124; pipe &#60;b&#62;" in str(failing.metadata["newest"].value)
    assert runs.shop.check("tiles").passed
    connection.execute(
        "insert into stage_failures (stage, item, fingerprint, error_class, message, last_try, next_try) "
        "select 'ocr_text', 'older ' || n, 'f', 'ocr_failed', '', now() - make_interval(hours => n), now() "
        "from generate_series(1, 30) n"
    )
    connection.commit()
    many = runs.shop.check("ocr_text")
    assert many.metadata["failed"].value == 31
    shown = str(many.metadata["newest"].value)
    assert shown.count("ocr&#95;failed") == 20
    assert "older 19" in shown
    assert "older 20" not in shown
    connection.execute("delete from stage_failures")
    connection.commit()
    assert runs.shop.check("ocr_text").passed


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        ("delete from {images} where uris[1] = 'picture-0003.png'", "embedded_but_missing"),
        ("delete from {tiles} where image_id = (select min(image_id) from {images})", "with_other_tiles"),
        (
            "update {images} set content = repeat('0', 64) where uris[1] = 'picture-0003.png'",
            "removed_but_indexed",
        ),
    ],
)
def test_the_check_of_the_index_fails_when_it_is_not_complete(
    runs: Runs, connection: Connection, damage: str, fault: str
) -> None:
    assert runs.shop.check("pgvector_index").passed
    live = generations.live(connection)
    names = {name: live.table(name) for name in ("images", "tiles")}
    for name in names:
        connection.execute(sql.SQL("create table backup_{} as table {}").format(sql.SQL(name), names[name]))
    connection.execute(sql.SQL(damage).format(**names))
    connection.commit()
    result = runs.shop.check("pgvector_index")
    assert not result.passed
    assert result.severity == dg.AssetCheckSeverity.ERROR
    assert result.metadata[fault].value == 1

    connection.execute(sql.SQL("delete from {}").format(names["images"]))
    connection.execute(
        sql.SQL("insert into {} overriding system value select * from backup_images").format(names["images"])
    )
    connection.execute(sql.SQL("insert into {} select * from backup_tiles").format(names["tiles"]))
    connection.execute("drop table backup_images, backup_tiles")
    connection.commit()
    assert runs.shop.check("pgvector_index").passed


def test_the_check_of_the_quarantine_warns_when_a_tenth_is_in_it(runs: Runs, connection: Connection) -> None:
    connection.execute(
        "insert into quarantine (collection, uri, size_bytes, version, fingerprint, reason, message) "
        "select 'shop', 'bad' || n, 0, '0', 'f', 'empty', '' from generate_series(1, 2) n"
    )
    connection.commit()
    warning = runs.shop.check("raw_images", "quarantine_is_small")
    assert (warning.passed, warning.severity) == (False, dg.AssetCheckSeverity.WARN)
    connection.execute("delete from quarantine where uri = 'bad2'")
    connection.commit()
    assert runs.shop.check("raw_images", "quarantine_is_small").passed
    connection.execute("delete from quarantine")
    connection.commit()


def test_the_check_of_the_listing_fails_when_an_image_is_nowhere(runs: Runs, connection: Connection) -> None:
    assert runs.shop.check("raw_images", "nothing_lost").passed
    connection.execute("create temporary table backup as select * from raw_images where removed_at is null limit 1")
    connection.execute("alter table backup drop column file")
    connection.execute("delete from raw_images r using backup b where r.uri = b.uri and r.collection = b.collection")
    connection.commit()
    failed = runs.shop.check("raw_images", "nothing_lost")
    assert (failed.passed, failed.metadata["lost"].value) == (False, 1)
    names = connection.execute("select * from backup").description or []
    columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in names)
    connection.execute(sql.SQL("insert into raw_images ({0}) select {0} from backup").format(columns))
    connection.commit()
    assert runs.shop.check("raw_images", "nothing_lost").passed


def test_the_run_config_limits_a_run_to_a_collection(make_shop: MakeShop, tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    only = {"collections": ["office"]}
    limited = told(shop.run(("raw_images", "tiles"), raw_images=only, tiles=only))
    assert limited.success
    assert limited.number("raw_images", "new") == limited.number("tiles", "new") == 2
    everything = told(shop.run(("raw_images", "tiles"), tiles=only))
    assert everything.number("raw_images", "new") == 10
    assert everything.number("tiles", "new") == 0
    failure = failure_of(shop.run(("raw_images",), raw_images={"collections": ["attic"]}))
    assert failure == "There is no collection 'attic'. The settings have: shop, office."


@pytest.mark.parametrize(
    ("asset", "values"),
    [
        ("raw_images", {"shards": [1]}),
        *(
            (asset, {"collections": ["shop"]})
            for asset in ("deduped_set", "pgvector_index", "benchmark_queries", "retrieval_runs", "eval_report")
        ),
    ],
)
def test_a_part_that_an_asset_cannot_be_limited_to_is_refused(asset: str, values: dict[str, Any]) -> None:
    job = defs.resolve_job_def("index_and_evaluate")
    config = {"ops": {asset: {"config": values}}}
    with pytest.raises(dg.DagsterInvalidConfigError, match=next(iter(values))):
        dg.validate_run_config(job, config)


def test_a_fresh_project_can_be_run_for_one_of_its_collections(make_shop: MakeShop, tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    benchmark = tmp_path / "office-benchmark"
    benchmark.mkdir()
    (benchmark / "queries.jsonl").write_text('{"_id": "q", "text": "part 4050"}')
    (benchmark / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\tpicture-0050.png\t1\n")
    values = yaml.safe_load(shop.settings.read_text())
    values["collections"][1]["benchmark"] = str(benchmark)
    shop.settings.write_text(yaml.safe_dump(values))

    only = {"collections": ["office"]}
    first = told(shop.run(raw_images=only, tiles=only, ocr_text=only, clip_embeddings=only))
    assert first.success
    assert first.metadata["benchmark_queries"]["not indexed yet"].value == "shop"
    assert measured(shop) == {"office"}
    with shop.database.connect() as connection:
        assert connection.execute("select count(*) from imagerag_eval.stg_missing_judgements").fetchone() == (0,)

    everything = told(shop.run())
    assert everything.success
    assert everything.metadata["benchmark_queries"]["not indexed yet"].value == "none"
    assert measured(shop) == {"office", "shop"}


def measured(shop: Shop) -> set[str]:
    """The benchmarks of the newest evaluation."""
    with shop.database.connect() as connection:
        rows = connection.execute(
            "select distinct benchmark from imagerag_eval.query_metrics where evaluation = "
            "(select max(evaluation) from evaluations)"
        ).fetchall()
    return {row[0] for row in rows}


def failure_of(result: dg.ExecuteInProcessResult) -> str:
    """The message of the only step that failed, which must be a Failure and no other error."""
    assert not result.success
    (event,) = (event for event in result.all_events if event.is_step_failure)
    data = event.step_failure_data
    assert data.user_failure_data is not None, data.error
    return str(data.user_failure_data.description)


def test_what_a_person_can_mend_fails_the_run_with_that_one_message(make_shop: MakeShop, tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    shop.folder.rename(tmp_path / "away")
    message = failure_of(shop.run(("raw_images", "tiles")))
    assert message.startswith(f"collections.shop.source: the folder {shop.folder} does not exist.")
    assert "Traceback" not in message
