"""Only new work is done: counted at the models themselves."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from psycopg import sql

from imagerag_assets.database.connection import one_row
from imagerag_assets.database.stages import Selection, StageReport, data_version
from imagerag_assets.errors import ItemError
from imagerag_assets.models import ocr
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.models.text_encoder import TextEncoder
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.stages import vlm_descriptions
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import draw, write_pictures
from imagerag_assets_tests.stages.graph import run_all

MakeProject = Callable[..., Project]


@dataclass(frozen=True)
class Calls:
    """What went through the models."""

    ocr: int
    images: int
    texts: int


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Project], tuple[dict[str, StageReport], Calls]]:
    """Runs the graph and counts the calls of the real models."""
    reads = 0
    real = ocr.read

    def counting(*arguments: object) -> ocr.OcrText:
        nonlocal reads
        reads += 1
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(ocr, "read", counting)

    def run(project: Project) -> tuple[dict[str, StageReport], Calls]:
        before = (reads, DualEncoder.images_encoded, TextEncoder.texts_encoded)
        reports = run_all(project)
        after = (reads, DualEncoder.images_encoded, TextEncoder.texts_encoded)
        return reports, Calls(*(now - then for now, then in zip(after, before, strict=True)))

    return run


Counted = Callable[[Project], tuple[dict[str, StageReport], Calls]]


def uris(project: Project, text: str) -> list[str]:
    return [result.uri for result in search(project, Query(text), method="text")]


def test_only_what_is_new_changed_or_removed_costs_anything(
    make_project: MakeProject, counted: Counted, tmp_path: Path
) -> None:
    # So many that what changes below is less than calibration measures anew for.
    folder = write_pictures(tmp_path / "shop", range(40))
    project = make_project({"shop": folder})

    _, first = counted(project)
    # Each image is encoded for its description and once for its only tile; then the new collection measures its legs.
    assert (first.ocr, first.images) == (40, 80)
    assert first.texts > 40

    reports, nothing = counted(project)
    assert nothing == Calls(0, 0, 0)
    assert all(report.worked == report.removed == report.failed == 0 for report in reports.values())

    write_pictures(folder, range(101, 102))
    reports, added = counted(project)
    assert added == Calls(ocr=1, images=2, texts=1)
    assert (reports["pgvector_index"].new, reports["pgvector_index"].skipped) == (1, 40)
    assert uris(project, "4101")[0] == "picture-0101.png"

    for number in range(10):
        (folder / f"picture-{number:04d}.png").rename(folder / f"renamed-{number:04d}.png")
    reports, renamed = counted(project)
    assert renamed == Calls(0, 0, 0)
    assert (reports["raw_images"].new, reports["raw_images"].removed) == (10, 10)
    assert uris(project, "4005")[0] == "renamed-0005.png"

    draw(500).save(folder / "picture-0015.png")
    (folder / "picture-0020.png").unlink()
    reports, changed = counted(project)
    assert changed == Calls(ocr=1, images=2, texts=1)
    assert (reports["raw_images"].updated, reports["raw_images"].removed) == (1, 1)
    assert uris(project, "4500")[0] == "picture-0015.png"
    assert uris(project, "4015") == []
    assert uris(project, "4020") == []


def test_a_changed_vocabulary_redoes_descriptions_and_what_depends_on_them_only(
    make_project: MakeProject, counted: Counted, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "shop", range(12))
    project = make_project({"shop": folder})
    counted(project)

    words = {
        "template": "a {}",
        "tags_per_group": 1,
        "minimum": 0.0,
        "groups": {"category": ["noise", "pattern"]},
    }
    (tmp_path / "words.yaml").write_text(yaml.safe_dump(words))
    url = project.settings.database.url
    changed = make_project({"shop": folder}, url=url, models={"vocabulary": tmp_path / "words.yaml"})
    reports, calls = counted(changed)

    assert calls == Calls(ocr=0, images=12, texts=12)
    worked = {name for name, report in reports.items() if report.worked}
    assert worked == {"vlm_descriptions", "description_confidence", "description_embeddings", "pgvector_index"}
    assert reports["vlm_descriptions"].updated == 12


def test_a_changed_rule_of_deduplication_changes_the_groups_and_the_index_only(
    make_project: MakeProject, counted: Counted, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "shop", range(12))
    draw(3).save(folder / "copy.jpg", quality=95)
    project = make_project({"shop": folder})
    counted(project)
    assert groups(project) == 12

    strict = {"phash_distance": 0, "dhash_distance": 0, "colour_distance": 0.0, "cosine": 1.0}
    changed = make_project({"shop": folder}, url=project.settings.database.url, dedup=strict)
    reports, calls = counted(changed)
    assert calls == Calls(0, 0, 0)
    assert {name for name, report in reports.items() if report.worked} == {"deduped_set", "pgvector_index"}
    assert (reports["deduped_set"].updated, reports["pgvector_index"].updated) == (1, 1)
    assert groups(changed) == 13


def groups(project: Project) -> int:
    with project.database.connect() as connection:
        row = connection.execute("select count(distinct canonical) from deduped_set").fetchone()
    assert row is not None
    return int(row[0])


def test_a_changed_benchmark_is_evaluated_again_and_no_image_is_touched(
    make_project: MakeProject, counted: Counted, tmp_path: Path
) -> None:
    from imagerag_assets.stages import benchmark_queries, retrieval_runs

    folder, benchmark = write_pictures(tmp_path / "shop", range(6)), tmp_path / "benchmark"
    benchmark.mkdir()
    (benchmark / "queries.jsonl").write_text('{"_id": "q", "text": "part 4001"}')
    (benchmark / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq\tpicture-0001.png\t1\n")
    collection = {"name": "shop", "source": str(folder), "benchmark": str(benchmark)}
    project = make_project({}, collections=[collection])

    def run() -> tuple[Calls, set[str]]:
        reports, calls = counted(project)
        reports |= {
            "benchmark_queries": benchmark_queries.run(project),
            "retrieval_runs": retrieval_runs.run(project, RunOptions(), "run"),
        }
        return calls, {name for name, report in reports.items() if report.worked or report.removed}

    assert {"benchmark_queries", "retrieval_runs", "pgvector_index"} <= run()[1]
    assert run() == (Calls(0, 0, 0), set())
    with (benchmark / "qrels.tsv").open("a") as qrels:
        qrels.write("q\tpicture-0002.png\t1\n")
    assert run() == (Calls(0, 0, 0), {"benchmark_queries", "retrieval_runs"})


def test_a_run_can_be_limited_to_one_collection_or_one_shard(make_project: MakeProject, tmp_path: Path) -> None:
    one, other = write_pictures(tmp_path / "one", range(6)), write_pictures(tmp_path / "other", range(10, 16))
    project = make_project({"one": one, "other": other})

    reports = run_all(project, RunOptions(Selection(collections=("one",))))
    assert reports["raw_images"].new == reports["clip_embeddings"].new == 6

    run_all(project, RunOptions(Selection(shards=())))
    with project.database.connect() as connection:
        shards = [row[0] for row in connection.execute("select shard from contents order by content").fetchall()]
        connection.execute("delete from tiles")
    from imagerag_assets.stages import tiles

    report = tiles.run(project, RunOptions(Selection(shards=(shards[0],))))
    assert report.new == shards.count(shards[0])


def test_what_is_pending_after_a_change_of_settings_stays_searchable(make_project: MakeProject, tmp_path: Path) -> None:
    from imagerag_assets.stages import pgvector_index

    one, other = write_pictures(tmp_path / "one", range(3)), write_pictures(tmp_path / "other", range(10, 13))
    folders = {"one": one, "other": other}
    project = make_project(folders)
    run_all(project)
    url = project.settings.database.url

    retiled = make_project(folders, url=url, tiling={"detail": 60})
    report = pgvector_index.run(retiled, RunOptions())
    assert (report.removed, report.skipped) == (0, 6)
    reports = run_all(retiled, RunOptions(Selection(collections=("one",))))
    assert (reports["pgvector_index"].updated, reports["pgvector_index"].removed) == (3, 0)
    assert uris(retiled, "4011") == ["picture-0011.png"]

    reread = make_project(folders, url=url, tiling={"detail": 60}, ocr={"engine": "tesseract"})
    run_all(reread, RunOptions(Selection(collections=("one",))))
    assert uris(reread, "4011") == ["picture-0011.png"]
    assert run_all(reread)["pgvector_index"].removed == 0


def test_a_bad_item_is_recorded_and_retried_and_does_not_stop_the_batch(
    make_project: MakeProject, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "shop", range(8))
    project = make_project({"shop": folder}, retries={"attempts": 2, "first_wait_seconds": 0})
    from imagerag_assets.stages import ocr_text, raw_images

    raw_images.run(project, RunOptions())
    hidden = folder / "picture-0003.png"
    shutil.move(hidden, tmp_path / "away.png")

    report = ocr_text.run(project, RunOptions())
    assert (report.new, report.failed, report.pending) == (7, 1, 1)
    with project.database.connect() as connection:
        row = connection.execute("select error_class, attempts, message from stage_failures").fetchone()
    assert row is not None
    assert row[:2] == ("not_found", 1)
    assert "picture-0003.png" in row[2]

    assert ocr_text.run(project, RunOptions()).failed == 1
    # Both attempts are used up: it stays pending and is left alone.
    assert ocr_text.run(project, RunOptions()).failed == 0

    project = make_project(
        {"shop": folder}, url=project.settings.database.url, retries={"attempts": 3, "first_wait_seconds": 0}
    )
    shutil.move(tmp_path / "away.png", hidden)
    report = ocr_text.run(project, RunOptions())
    assert (report.new, report.pending) == (1, 0)
    with project.database.connect() as connection:
        assert connection.execute("select count(*) from stage_failures").fetchone() == (0,)


def unread(project: Project) -> int:
    """How many descriptions and rows of the index know no text, whether OCR failed or found none."""
    with project.database.connect() as connection:
        images = generations.live(connection).table("images")
        query = sql.SQL(
            "select count(*) from vlm_descriptions v join {} i using (content) where v.visible_text = '' and i.ocr = ''"
        )
        return int(one_row(connection.execute(query.format(images)))[0])


def test_a_description_made_before_ocr_succeeded_is_made_again_with_the_text(
    make_project: MakeProject, counted: Counted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "shop", range(5))
    project = make_project({"shop": folder}, retries={"first_wait_seconds": 0})
    real = ocr.read
    calls = itertools.count()

    def failing_once(*arguments: object) -> ocr.OcrText:
        read = real(*arguments)  # type: ignore[arg-type]
        if read.text and next(calls) == 0:
            raise ItemError("ocr_timeout", "Tesseract took longer than 120 s.")
        return read

    with monkeypatch.context() as patch:
        patch.setattr(ocr, "read", failing_once)
        reports = run_all(project)
    assert (reports["ocr_text"].failed, reports["vlm_descriptions"].new) == (1, 5)
    without_text = unread(project)
    with project.database.connect() as connection:
        before = data_version(connection, vlm_descriptions.stage(project))

    reports, again = counted(project)
    assert again == Calls(ocr=1, images=1, texts=1)
    assert (reports["vlm_descriptions"].updated, reports["pgvector_index"].updated) == (1, 1)
    assert unread(project) == without_text - 1
    with project.database.connect() as connection:
        assert data_version(connection, vlm_descriptions.stage(project)) != before
    assert counted(project)[1] == Calls(0, 0, 0)


def test_a_failure_is_forgotten_when_its_image_is_gone(make_project: MakeProject, tmp_path: Path) -> None:
    from imagerag_assets.stages import ocr_text, raw_images

    folder = write_pictures(tmp_path / "shop", range(3))
    project = make_project({"shop": folder})
    raw_images.run(project, RunOptions())
    (folder / "picture-0001.png").unlink()
    assert ocr_text.run(project, RunOptions()).failed == 1

    raw_images.run(project, RunOptions())
    ocr_text.run(project, RunOptions())
    with project.database.connect() as connection:
        assert connection.execute("select count(*) from stage_failures").fetchone() == (0,)


def test_a_changed_context_costs_nothing_while_the_describer_is_not_told_of_it(
    make_project: MakeProject, counted: Counted, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "shop", range(3))
    project = make_project({"shop": folder})
    counted(project)
    collections = [{"name": "shop", "source": str(folder), "context": "Photos of a shop."}]
    told = make_project({}, url=project.settings.database.url, collections=collections)

    assert counted(told)[1] == Calls(0, 0, 0)
