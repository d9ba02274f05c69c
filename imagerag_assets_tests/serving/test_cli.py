"""The command line: a small folder from nothing to metrics, and one clear message for everything that goes wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from PIL import Image, ImageDraw, ImageFont
from psycopg import sql

from imagerag_assets.methods import METHODS
from imagerag_assets.models.dual_encoder import DualEncoder
from imagerag_assets.models.text_encoder import TextEncoder
from imagerag_assets.project import Project
from imagerag_assets.serving import cli
from imagerag_assets.stages import raw_images
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import draw, write_pictures


@dataclass(frozen=True)
class Ended:
    """What a command printed and how it ended. `text` is both streams with single spaces: the terminal wraps lines."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return " ".join((self.out + " " + self.err).split())


Run = Callable[..., Ended]
MakeProject = Callable[..., Project]


@pytest.fixture
def imagerag(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs the command in this process, which has Dagster and the models loaded already."""
    for name in ("IMAGERAG_SETTINGS", "IMAGERAG_DATABASE_URL", "IMAGERAG_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster_home"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["imagerag", *arguments])
        for encoder, name in (
            (DualEncoder, "images_encoded"),
            (DualEncoder, "texts_encoded"),
            (TextEncoder, "texts_encoded"),
        ):
            monkeypatch.setattr(encoder, name, 0)
        capsys.readouterr()
        code = 0
        with warnings.catch_warnings():
            try:
                cli.main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def write(tmp_path: Path, new_database_url: Callable[[], str]) -> Callable[..., str]:
    """Writes settings over a folder of six pictures and returns the file's path; `values` replace or add keys."""

    def make(**values: Any) -> str:
        folder = write_pictures(tmp_path / "shop", range(6))
        settings = {
            "data_dir": str(tmp_path / "data"),
            "database": {"url": new_database_url()},
            "collections": [{"name": "shop", "source": str(folder)}],
            **values,
        }
        file = tmp_path / "imagerag.yaml"
        file.write_text(yaml.safe_dump(settings))
        return str(file)

    return make


def write_benchmark(folder: Path, images: list[str]) -> Path:
    folder.mkdir()
    lines = [json.dumps({"_id": f"q{number}", "text": f"part {4000 + number}"}) for number in range(len(images))]
    (folder / "queries.jsonl").write_text("\n".join(lines))
    qrels = "".join(f"q{number}\t{image}\t1\n" for number, image in enumerate(images))
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    return folder


def child(settings: str, *arguments: str, **environment: str) -> Ended:
    """The command in a process of its own, for what this process has loaded for good."""
    done = subprocess.run(
        [sys.executable, "-m", "imagerag_assets.serving.cli", *arguments, "--settings", settings],
        capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip
    return Ended(done.returncode, done.stdout, done.stderr)


def is_one_message(ended: Ended, *parts: str) -> None:
    """Exit code 1 and one message with all the parts; nothing that only a programmer can read."""
    assert ended.code == 1, ended.text
    assert ended.text.count("Error:") + ended.text.count("The run failed:") == 1, ended.text
    assert "Traceback" not in ended.text
    for part in parts:
        assert part in ended.text


def test_a_folder_becomes_an_index_that_is_searched_and_measured(imagerag: Run, write: Callable[..., str]) -> None:
    root = Path(write()).parent
    benchmark = write_benchmark(root / "benchmark", ["picture-0000.png", "picture-0001.png"])
    settings = write(collections=[{"name": "shop", "source": str(root / "shop"), "benchmark": str(benchmark)}])
    page = Image.new("RGB", (500, 120), "white")
    ImageDraw.Draw(page).text((20, 30), "INVOICE 7731", font=ImageFont.load_default(48), fill="black")
    page.save(root / "shop" / "invoice.png")
    first = imagerag("materialize", "--settings", settings)
    assert first.code == 0, first.text
    # Seven pictures, each for its description and for its only tile; the wide invoice has three tiles more.
    assert "the models saw 17 images" in first.text
    assert "raw_images 7, " in first.text
    assert "pgvector_index: 7 new" in first.text
    assert "Traceback" not in first.text

    second = imagerag("materialize", "--settings", settings)
    assert second.code == 0
    assert "nothing was new, no model was loaded" in second.text
    assert "ocr_text: nothing to do, 7 unchanged" in second.text

    found = json.loads(imagerag("search", "Invoice 7731", "--method", "text", "--json", "--settings", settings).out)
    assert found[0]["uri"] == "invoice.png"
    assert found[0]["legs"]["text"]["rank"] == 1
    assert found[0]["collection"] == "shop"

    everything = ("search", "picture", "--json", "--settings", settings)
    pages = [json.loads(imagerag(*everything, "--limit", "4", "--offset", at).out) for at in ("0", "4")]
    assert len({one["uri"] for page in pages for one in page}) == 7
    only = json.loads(imagerag(*everything, "--where", "uri~voice", "--where", "format=PNG", "--exact").out)
    assert [one["uri"] for one in only] == ["invoice.png"]

    picture = root / "query.png"
    draw(4).save(picture)
    for method in ("clip", "hybrid"):
        options = ("--image", str(picture), "--method", method, "--limit", "2", "--json", "--settings", settings)
        by_example = json.loads(imagerag("search", *options).out)
        assert len(by_example) == 2
        assert by_example[0]["uri"] == "picture-0004.png"

    table = imagerag("search", "[red]7731[/red]", "--method", "text", "--settings", settings, "--collection", "shop")
    assert table.code == 0
    assert "shop/invoice.png" in table.text

    metrics = json.loads(imagerag("metrics", "--json", "--settings", settings).out)
    assert {(row["benchmark"], row["method"]) for row in metrics} == {
        (name, method) for name in ("all", "shop") for method in METHODS
    }
    assert all(0 <= row["precision_at_5"] <= row["precision_at_5_ceiling"] <= 1 for row in metrics)
    assert "hybrid" in imagerag("metrics", "--settings", settings).text


def test_a_run_that_needed_no_model_tells_what_it_did(imagerag: Run, write: Callable[..., str]) -> None:
    settings = write()
    shop = Path(settings).parent / "shop"
    (shop / "broken.png").write_bytes(b"no picture")
    stages = ("materialize", "raw_images", "ocr_text", "--settings", settings)
    told = "new, updated or removed: raw_images 6, ocr_text 6; no model was loaded; failed: 1, the checks"
    assert told in imagerag(*stages).text
    assert "nothing was new, no model was loaded. Run" in imagerag(*stages).text
    (shop / "picture-0001.png").unlink()
    assert "new, updated or removed: raw_images 1; no model was loaded. Run" in imagerag(*stages).text


def test_an_unknown_key_is_told_with_the_file_and_what_was_meant(imagerag: Run, write: Callable[..., str]) -> None:
    settings = write(tilling={"size": 512})
    for command in ("materialize", "metrics", "demo"):
        is_one_message(
            imagerag(command, "--settings", settings), settings, "tilling: unknown key", "did you mean tiling?"
        )


def test_a_missing_settings_file_is_told(imagerag: Run, tmp_path: Path) -> None:
    is_one_message(imagerag("metrics", "--settings", str(tmp_path / "no.yaml")), "no.yaml does not exist")


def test_a_missing_folder_is_told(imagerag: Run, write: Callable[..., str], tmp_path: Path) -> None:
    settings = write(collections=[{"name": "shop", "source": str(tmp_path / "gone")}])
    is_one_message(
        imagerag("materialize", "--settings", settings),
        "collections.shop.source", f"the folder {tmp_path / 'gone'} does not exist", "correct the path",
    )  # fmt: skip


def test_a_database_that_refuses_is_told(imagerag: Run, write: Callable[..., str]) -> None:
    settings = write(database={"url": "postgresql://me:hunter2@127.0.0.1:1/images"})
    for arguments in (("materialize",), ("metrics",), ("search", "mug", "--method", "text")):
        ended = imagerag(*arguments, "--settings", settings)
        is_one_message(ended, "database.url", "host=127.0.0.1 port=1", "Check that the server runs")
        assert "hunter2" not in ended.text


def test_a_database_without_pgvector_is_told(
    imagerag: Run, write: Callable[..., str], new_database_url: Callable[[], str]
) -> None:
    url = new_database_url()
    with psycopg.connect(url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("alter database {} set extension_control_path = '/nonexistent'").format(name))
    is_one_message(
        imagerag("materialize", "--settings", write(database={"url": url})),
        "database.url", "no usable pgvector", "Install pgvector 0.8",
    )  # fmt: skip


def test_a_missing_language_pack_is_told(imagerag: Run, write: Callable[..., str]) -> None:
    is_one_message(
        imagerag("materialize", "--settings", write(ocr={"engine": "tesseract", "languages": ["eng", "xyz"]})),
        "ocr.languages", "no language pack for xyz", "apt-get install tesseract-ocr-xyz", "change the setting",
    )  # fmt: skip


def test_a_missing_language_pack_and_a_model_that_is_not_there_are_told(
    write: Callable[..., str], tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    is_one_message(
        child(write(ocr={"engine": "tesseract"}), "materialize", TESSDATA_PREFIX=str(empty)),
        "Tesseract has no language pack for eng, fra", "apt-get install tesseract-ocr-eng",
    )  # fmt: skip
    settings = write(models={"image_text": "nobody/no-such-model"})
    is_one_message(
        child(settings, "materialize", HF_HUB_OFFLINE="1", HF_HOME=str(empty)),
        "models.image_text", "nobody/no-such-model", "set models.image_text to a local folder",
    )  # fmt: skip


def test_a_benchmark_that_judges_images_that_do_not_exist_is_told(
    imagerag: Run, write: Callable[..., str], tmp_path: Path
) -> None:
    benchmark = write_benchmark(tmp_path / "benchmark", ["picture-0000.png", "gone.png"])
    settings = write(collections=[{"name": "shop", "source": str(tmp_path / "shop"), "benchmark": str(benchmark)}])
    ended = imagerag("materialize", "raw_images", "benchmark_queries", "--settings", settings)
    assert ended.code == 0, "other benchmarks are measured"
    assert "benchmark_queries: shop: Not measured: 1 judgements name images" in ended.text
    assert "'gone.png' (query 'q1')" in ended.text
    settings = write(
        collections=[{"name": "shop", "source": str(tmp_path / "shop"), "benchmark": str(tmp_path / "none")}]
    )
    is_one_message(
        imagerag("materialize", "raw_images", "benchmark_queries", "--settings", settings),
        "collections.shop.benchmark", "none does not exist", "queries.jsonl and qrels.tsv",
    )  # fmt: skip


def test_an_unknown_asset_is_told_with_the_known_ones(imagerag: Run, write: Callable[..., str]) -> None:
    is_one_message(
        imagerag("materialize", "raw_image", "--settings", write()),
        "no asset raw_image",
        "raw_images",
        "pgvector_index",
    )


def test_a_search_that_cannot_be_is_told(imagerag: Run, write: Callable[..., str], tmp_path: Path) -> None:
    settings = write()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    is_one_message(imagerag("search", "--settings", settings), "Nothing to look for", "--image")
    is_one_message(imagerag("search", "mug", "--settings", settings), "no live index yet", "imagerag materialize")
    is_one_message(imagerag("search", "mug", "--collection", "attic", "--settings", settings), "'attic'", "shop")
    is_one_message(imagerag("search", "mug", "--where", "width", "--settings", settings), "'width'", "width>=1000")
    is_one_message(imagerag("search", "--image", "none.png", "--settings", settings), "--image", "no file none.png")
    is_one_message(imagerag("search", "--image", "broken.png", "--settings", settings), "broken.png", "text, not")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("serch", "mug"), "No such command 'serch'"),
        (("search", "mug", "--method", "magic"), "'magic' is not one of"),
        (("search", "mug", "--limit", "0"), "greater than or equal to 1"),
        (("materialize", "--sttings", "x"), "No such option"),
    ],
)
def test_wrong_usage_ends_with_code_2(imagerag: Run, arguments: tuple[str, ...], part: str) -> None:
    ended = imagerag(*arguments)
    assert ended.code == 2
    assert part in ended.text.replace(" │", "").replace("│ ", "")
    assert "Traceback" not in ended.text


def test_quarantine_lists_what_cannot_be_used_with_the_reason(
    imagerag: Run, make_project: MakeProject, tmp_path: Path
) -> None:
    folder = write_pictures(tmp_path / "shop", range(1))
    (folder / "[red]notes.txt").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    project = make_project({"shop": folder})
    raw_images.run(project, RunOptions())
    settings = {"database": {"url": project.settings.database.url}, "collections": [{"name": "shop", "source": "shop"}]}
    (tmp_path / "imagerag.yaml").write_text(yaml.safe_dump(settings))

    listed = imagerag("quarantine").text
    assert "[red]notes.txt" in listed
    assert "empty" in listed
    (one,) = json.loads(imagerag("quarantine", "--collection", "shop", "--reason", "not_an_image", "--json").out)
    assert (one["uri"], one["reason"], one["attempts"]) == ("[red]notes.txt", "not_an_image", 1)
    assert imagerag("quarantine", "--collection", "cars").code == 1
