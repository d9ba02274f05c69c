"""The sample corpus is written once, whole, and the same on every machine with the same libraries."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from imagerag_assets.sample import corpus, corpus_files
from imagerag_assets.sample.corpus import CorpusSummary, Job, write_corpus

COLLECTION = "it_support"


Written = tuple[Path, CorpusSummary, list[tuple[int, int]]]
WHOLE_PLAN = corpus.plan


@pytest.fixture(scope="module", autouse=True)
def short_plan() -> Iterator[None]:
    """Write an eighth of the scenes, with all copies, broken files and examples (for speed)."""

    def shortened(collection: str) -> list[Job]:
        jobs = WHOLE_PLAN(collection)
        return [job for i, job in enumerate(jobs) if i % 8 == 0 or job.copies or job.source[0] != "scene"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus, "plan", shortened)
        yield


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    folder = tmp_path_factory.mktemp("corpus")
    steps: list[tuple[int, int]] = []
    summary = write_corpus(folder, lambda done, total: steps.append((done, total)), collections=(COLLECTION,))
    return folder, summary, steps


def picture() -> Image.Image:
    pixels = np.zeros((60, 90, 3), dtype=np.uint8)
    pixels[:20, :30] = 250
    return Image.fromarray(pixels)


def test_every_listed_file_is_there_and_nothing_else(written: Written) -> None:
    folder, summary, _ = written
    manifest = json.loads((folder / corpus.MANIFEST).read_text())
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there == {*manifest["files"], corpus.MANIFEST}
    images = [path for path in there if path.startswith("images/")]
    assert len(images) == summary.pictures[COLLECTION] + summary.broken
    for path, digest in manifest["files"].items():
        assert hashlib.sha256((folder / path).read_bytes()).hexdigest() == digest


def test_progress_counts_every_scene(written: Written) -> None:
    _, _, steps = written
    assert [done for done, _ in steps] == list(range(1, len(steps) + 1))
    assert steps[-1][0] == steps[-1][1]


def test_a_second_call_does_nothing(written: Written) -> None:
    folder, summary, _ = written
    before = (folder / corpus.MANIFEST).stat().st_mtime_ns
    again = write_corpus(folder, collections=(COLLECTION,))
    assert summary.written
    assert not again.written
    assert again.digest == summary.digest
    assert (folder / corpus.MANIFEST).stat().st_mtime_ns == before


def test_pictures_can_be_read_and_broken_files_cannot(written: Written) -> None:
    folder, _, _ = written
    manifest = json.loads((folder / corpus.MANIFEST).read_text())
    broken = {entry["path"] for entry in manifest["broken"]}
    for path in manifest["files"]:
        if not path.startswith("images/"):
            continue
        if path in broken:
            with pytest.raises((OSError, SyntaxError)):
                Image.open(folder / path).load()
        else:
            Image.open(folder / path).verify()


def test_near_duplicates_are_relevant_wherever_their_original_is(written: Written) -> None:
    folder, summary, _ = written
    manifest = json.loads((folder / corpus.MANIFEST).read_text())
    assert (summary.near_duplicates, summary.identical_copies) == (9, 2)
    qrels = read_qrels(folder)
    for entry in manifest["copies"]:
        original, copy = Path(entry["original"]).name, Path(entry["copy"]).name
        assert {q for q, docs in qrels.items() if original in docs} == {q for q, docs in qrels.items() if copy in docs}
        same = (folder / entry["original"]).read_bytes() == (folder / entry["copy"]).read_bytes()
        assert same == (entry["kind"] == "identical")


def test_the_benchmark_refers_to_files_that_exist(written: Written) -> None:
    folder, summary, _ = written
    base = folder / "benchmarks" / COLLECTION
    rows = [json.loads(line) for line in (base / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
    qrels = read_qrels(folder)
    assert len(rows) == summary.queries[COLLECTION]
    assert {row["_id"] for row in rows} >= set(qrels)
    for row in rows:
        assert set(row["metadata"]) == {"kind", "language"}
        assert bool(row["text"]) != ("image" in row)
        if "image" in row:
            assert (base / row["image"]).is_file()
    for documents in qrels.values():
        assert all((folder / "images" / COLLECTION / name).is_file() for name in documents)


def read_qrels(folder: Path, collection: str = COLLECTION) -> dict[str, set[str]]:
    qrels: dict[str, set[str]] = {}
    with (folder / "benchmarks" / collection / "qrels.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            qrels.setdefault(row["query-id"], set()).add(row["corpus-id"])
            assert row["score"] == "1"
    return qrels


@pytest.fixture
def damaged(written: Written, tmp_path: Path) -> tuple[Path, set[str]]:
    """A copy of the corpus with a picture renamed, one cut short, an identical copy lost; their scenes' files."""
    folder = tmp_path / "corpus"
    shutil.copytree(written[0], folder)
    manifest = json.loads((folder / corpus.MANIFEST).read_text())
    identical = next(entry for entry in manifest["copies"] if entry["kind"] == "identical")
    copied = {path for entry in manifest["copies"] for path in (entry["original"], entry["copy"])}
    renamed, shortened = [path for path in manifest["files"] if path.startswith("images/") and path not in copied][:2]
    (folder / renamed).rename(folder / "elsewhere.jpg")
    (folder / shortened).write_bytes((folder / shortened).read_bytes()[:100])
    (folder / identical["copy"]).unlink()
    return folder, {renamed, shortened, identical["original"], identical["copy"]}


def test_only_what_is_missing_or_damaged_is_drawn_and_with_the_same_bytes(
    damaged: tuple[Path, set[str]], written: Written
) -> None:
    folder, touched = damaged
    images = [
        path for path in json.loads((folder / corpus.MANIFEST).read_text())["files"] if path.startswith("images/")
    ]
    before = {path: (folder / path).stat().st_ino for path in images if path not in touched}
    steps: list[tuple[int, int]] = []
    again = write_corpus(folder, lambda done, total: steps.append((done, total)), collections=(COLLECTION,))
    assert again.written
    assert again.digest == written[1].digest
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert {path: (folder / path).stat().st_ino for path in before} == before
    assert not write_corpus(folder, collections=(COLLECTION,)).written


def test_what_a_killed_writer_left_is_cleared(damaged: tuple[Path, set[str]], written: Written) -> None:
    folder, _ = damaged
    left = folder / "images" / COLLECTION / ".s-0001.png.0123.part"
    left.write_bytes(b"half a picture")
    (folder / corpus.MANIFEST).write_text("{half a manifest")
    assert write_corpus(folder, collections=(COLLECTION,)).digest == written[1].digest
    assert not left.exists()


def test_files_of_an_older_version_go(damaged: tuple[Path, set[str]], written: Written) -> None:
    folder, _ = damaged
    manifest = json.loads((folder / corpus.MANIFEST).read_text())
    old = f"images/{COLLECTION}/old-name.png"
    manifest.update(generator_version="0", files={**manifest["files"], old: "0"})
    (folder / old).write_bytes(b"a picture of the older version")
    (folder / corpus.MANIFEST).write_text(json.dumps(manifest))
    assert write_corpus(folder, collections=(COLLECTION,)).digest == written[1].digest
    assert not (folder / old).exists()


_WRITE_A_FEW = f"""
from pathlib import Path
import sys
from imagerag_assets.sample import corpus
whole = corpus.plan
corpus.plan = lambda collection: whole(collection)[:6]
if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    print(corpus.write_corpus(Path(sys.argv[1]), collections=({COLLECTION!r},)).written)
"""


def test_of_processes_that_start_together_one_draws(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_WRITE_A_FEW)
    environment = {**os.environ, "PYTHONPATH": str(Path(corpus.__file__).parents[2])}
    children = [
        subprocess.Popen(
            [sys.executable, str(script), str(tmp_path / "corpus")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )
        for _ in range(2)
    ]  # fmt: skip
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    with ThreadPoolExecutor(2) as threads:
        told = list(threads.map(lambda child: child.communicate("go\n")[0], children))
    assert sorted(told) == ["False\n", "True\n"]


@pytest.mark.parametrize("collection", corpus.COLLECTIONS)
def test_every_query_has_relevant_files_and_no_two_files_share_a_path(collection: str, tmp_path: Path) -> None:
    jobs = WHOLE_PLAN(collection)
    paths = [path for job in jobs for path in (job.path, *(copy.path for copy in job.copies))]
    assert len(set(paths)) == len(paths)
    count, _ = corpus.write_benchmark(tmp_path, collection, jobs)
    qrels = read_qrels(tmp_path, collection)
    assert len(qrels) == count
    assert max(len(documents) for documents in qrels.values()) <= 20


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_a_picture_stored_turned_is_shown_upright(orientation: int) -> None:
    for seed in range(200):
        data = corpus_files.encode(picture(), "jpg", np.random.default_rng(seed), quality=95)
        stored = Image.open(io.BytesIO(data))
        if stored.getexif().get(0x112) == orientation:
            shown = np.asarray(ImageOps.exif_transpose(stored))
            assert shown.shape == (60, 90, 3)
            assert shown[:10, :20].mean() > 200 > 50 > shown[40:, 60:].mean()
            assert stored.getexif().get_ifd(0x8769)[0x9003].startswith("202")
            return
    pytest.fail("no seed gave this orientation")


def test_the_bomb_claims_gigapixels_in_a_small_file_that_pillow_refuses() -> None:
    data = corpus_files.decompression_bomb()
    assert len(data) < 1_000_000
    assert struct.unpack(">II", data[16:24]) == (60_000, 60_000)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", sorted(corpus_files.ALTERATIONS))
def test_an_altered_picture_keeps_its_proportions(kind: str) -> None:
    altered = corpus_files.ALTERATIONS[kind](picture(), np.random.default_rng(1))
    assert 0.49 < altered.width / 90 <= 1
    assert altered.width / altered.height == pytest.approx(1.5, rel=0.06)
