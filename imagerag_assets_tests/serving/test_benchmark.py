"""imagerag benchmark: from questions to judgements at a keyboard, imports, and what is wrong with what is there."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from imagerag_assets.errors import ImageragError, SettingsError
from imagerag_assets.evaluation.benchmarks import load_benchmark
from imagerag_assets.evaluation.benchmarks.pooling import read_pool
from imagerag_assets.project import Project
from imagerag_assets.serving.cli import app
from imagerag_assets_tests.evaluation.corpus import add_thumbnails
from imagerag_assets_tests.retrieval.corpus import Picture, build, content_of

FILES = ("[red]mug.png", "invoice.png", "stairs.png")
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def shop(make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An index of three pictures with thumbnails; its settings file is in the folder of its source."""
    folder = tmp_path_factory.mktemp("shop")
    project = make_shared_project({"shop": folder})
    build(project, [Picture(uri, description=uri.partition(".")[0]) for uri in FILES])
    with project.database.connect() as connection:
        connection.execute("delete from contents where content = any(%s)", ([content_of(uri) for uri in FILES],))
        add_thumbnails(connection, FILES, "PNG")
    collections = [{"name": "shop", "source": str(folder), "benchmark": "benchmarks/mine"}]
    settings = {"database": {"url": project.settings.database.url}, "collections": collections}
    (folder / "imagerag.yaml").write_text(yaml.safe_dump(settings))
    (folder / "questions.txt").write_text("red mug\nan invoice\n")
    return project


@pytest.fixture
def root(shop: Project) -> Path:
    folder = shop.source_folder("shop")
    assert folder is not None
    return folder


@pytest.fixture
def benchmark(root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `imagerag benchmark …`; what it says goes to the console's own file."""
    monkeypatch.delenv("IMAGERAG_DATABASE_URL", raising=False)

    def run(*arguments: str, keys: str = "") -> Result:
        return CliRunner().invoke(app, ["benchmark", *arguments, "--settings", str(root / "imagerag.yaml")], input=keys)

    return run


def said(result: Result) -> str:
    return " ".join(result.output.split())


def new(benchmark: Run, root: Path, name: str, *arguments: str) -> Path:
    questions = str(root / "questions.txt")
    made = benchmark("new", name, "--collection", "shop", "--queries", questions, *arguments)
    assert made.exit_code == 0, made.exception
    return root / "benchmarks" / name


def test_questions_become_a_benchmark_that_is_judged_by_keys_and_measured(benchmark: Run, root: Path) -> None:
    folder = new(benchmark, root, "other", "--splits", "40/20/40")
    pooled = read_pool(folder)
    assert {len(images) for images in pooled.values()} == {3}

    first = benchmark("judge", "other", keys="3\nu\n2\ns\n0\nq\n")
    assert "1 of 6" in said(first)
    assert f"Taken back: {pooled['q0001'][0].corpus_id}." in said(first)
    assert "benchmark: benchmarks/other" in said(first)
    marks = [(one.corpus_id, one.score) for one in load_benchmark(folder).qrels]
    assert marks == [(pooled["q0001"][0].corpus_id, 2), (pooled["q0001"][2].corpus_id, 0)]

    last = benchmark("judge", "other", keys="1\n1\n1\n1\n")
    assert "Every pooled image is judged." in said(last)
    assert len(load_benchmark(folder).qrels) == 6
    assert load_benchmark(folder).rules.splits is not None
    refused = benchmark(
        "new", "other", "--collection", "shop", "--queries", str(root / "questions.txt"), "--depth", "5"
    )
    assert "depth: 10 (asked for: 5)" in str(refused.exception)
    again = new(benchmark, root, "other")
    assert len(load_benchmark(again).qrels) == 6
    assert "0 images to judge from 2 queries" in said(benchmark("pool", "other"))


def test_a_keyboard_needs_no_enter_and_a_terminal_shows_the_picture(benchmark: Run, root: Path) -> None:
    folder = new(benchmark, root, "typed")
    here, there = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", "COLUMNS": "100"}
    for name in ("TMUX", "TERM_PROGRAM", "NO_COLOR"):
        environment.pop(name, None)
    child = subprocess.Popen(
        [sys.executable, "-m", "imagerag_assets.serving.cli", "benchmark", "judge", "typed"],
        stdin=there, stdout=there, stderr=there, cwd=root, env=environment,
    )  # fmt: skip
    os.close(there)
    shown = press_until(here, b"2", lambda text: text.count(b"0 1 2 3 s u q") > 1)
    press_until(here, b"q", lambda _text: child.poll() is not None)
    os.close(here)
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())
    assert "▀▀▀▀" in text
    assert "red mug" in text
    assert load_benchmark(folder).qrels[0].score == 2


def press_until(keyboard: int, key: bytes, done: Callable[[bytes], bool]) -> bytes:
    """Press a key every half second: what comes before the child listens is thrown away. Gives what it has shown."""
    shown, end = b"", time.monotonic() + 60
    while not done(shown):
        assert time.monotonic() < end, shown[-500:]
        if select.select([keyboard], [], [], 0.5)[0]:
            try:
                shown += os.read(keyboard, 65536)
            except OSError:
                # The other side is gone.
                time.sleep(0.1)
        else:
            os.write(keyboard, key)
    return shown


def test_check_says_what_is_wrong_and_ends_with_1(benchmark: Run, root: Path) -> None:
    folder = new(benchmark, root, "mine")
    told = benchmark("check")
    assert told.exit_code == 0, told.exception
    assert "No query has an image that is judged relevant" in said(told)
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq0001\tinvoice.png\tgood\n")
    wrong = benchmark("check")
    assert wrong.exit_code == 1
    assert "'good' is not a whole number" in said(wrong)
    (folder / "qrels.tsv").write_text("query-id\tcorpus-id\tscore\nq0001\tinvoice.png\t1\n")
    assert "1 judgements now remember" in said(benchmark("remember", "mine"))
    assert load_benchmark(folder).qrels[0].content == content_of("invoice.png")


def test_a_log_is_imported_and_what_is_left_out_is_told(benchmark: Run, root: Path, tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("query,uri,count\nmug,mug,9\nmug,[red]mug.png,9\nmug,invoice,9\n")
    done = benchmark("import", str(tmp_path / "clicks.csv"), "--collection", "shop", "--name", "clicked")
    assert done.exit_code == 0, done.exception
    assert "1 queries and 2 judgements from a query log" in said(done)
    assert {one.corpus_id for one in load_benchmark(root / "benchmarks" / "clicked").qrels} == {
        "[red]mug.png", "invoice.png",
    }  # fmt: skip


@pytest.mark.parametrize("splits", ["40", "a/b/c", "1/1/0", "0/0/1", "1/2/3/4"])
def test_splits_that_make_no_sense_are_told(benchmark: Run, root: Path, splits: str) -> None:
    told = benchmark(
        "new", "x", "--collection", "shop", "--queries", str(root / "questions.txt"), "--splits", splits
    )  # fmt: skip
    assert isinstance(told.exception, SettingsError)
    assert "40/20/40" in str(told.exception)


def test_what_is_not_there_is_told(benchmark: Run, root: Path) -> None:
    for arguments in (
        ("judge", "nothing"),
        ("pool", "nothing"),
        ("new", "x", "--collection", "attic", "--queries", "none.txt"),
        ("new", "x", "--collection", "shop", "--queries", "none.txt"),
    ):
        assert isinstance(benchmark(*arguments).exception, ImageragError), arguments
