"""Precision and recall of deduplication per transformation: python -m benchmarks.duplicates FOLDER [--encoder MODEL].

FOLDER holds `images/` and `pairs.tsv` (a, b, transform: b was made from a). All variants of one image are duplicates of
each other; every other pair is not. The plain ways are a pHash at most 10 bits away (imagededup's default, here by
imagehash) and vectors with a cosine of at least 0.95.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imagerag_assets.database.connection import Connection, stop_embedded
from imagerag_assets.project import Project
from imagerag_assets.settings import Settings
from imagerag_assets.stages import clip_embeddings, deduped_set, ocr_text, raw_images, tiles
from imagerag_assets.stages.common import RunOptions

PHASH_BITS = 10
COSINE = 0.95
Matrix = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """`same`: n × n, which images are one picture; `pairs`: (row of a, row of b) by transformation."""

    same: Matrix
    pairs: dict[str, list[tuple[int, int]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds images/ and pairs.tsv")
    parser.add_argument("--encoder", default="bundled", help="image–text model: a folder or a hub id")
    parser.add_argument("--text", action="store_true", help="read the images' text too (slow)")
    arguments = parser.parse_args()
    # Not below a folder that only its owner may enter: as root the server runs as a user of its own.
    with tempfile.TemporaryDirectory(prefix="imagerag-bench-") as name:
        data = Path(name)
        data.chmod(0o755)
        project = Project(
            Settings.model_validate({
                "root": data,
                "data_dir": data,
                "collections": [{"name": "images", "source": str((arguments.folder / "images").resolve())}],
                "models": {"image_text": arguments.encoder},
            })
        )  # fmt: skip
        try:
            _compare(project, arguments.folder / "pairs.tsv", arguments.text)
        finally:
            project.database.close()
            stop_embedded(data / "postgres")


def _compare(project: Project, pairs: Path, text: bool) -> None:
    for stage in (raw_images, tiles, clip_embeddings, *([ocr_text] if text else [])):
        stage.run(project, RunOptions())
    started = time.monotonic()
    deduped_set.run(project, RunOptions())
    seconds = time.monotonic() - started
    with project.database.connect() as connection:
        names, found = _found(connection)
    truth = _truth(pairs, names)
    print(_table(found, truth))
    print(f"\n{len(names)} images; ours took {seconds:.1f} s, and again with nothing new ", end="")
    started = time.monotonic()
    deduped_set.run(project, RunOptions())
    print(f"{time.monotonic() - started:.2f} s")


def _found(connection: Connection) -> tuple[list[str], dict[str, Matrix]]:
    """(file names, n × n matrices of the pairs that each way calls duplicates)."""
    rows = connection.execute(
        "select r.uri, d.canonical, c.phash::bigint, e.embedding from raw_images r join deduped_set d using (content) "
        "join contents c using (content) join clip_embeddings e using (content) where e.tile_no = 0 order by r.uri"
    ).fetchall()
    canonical = np.array([row[1] for row in rows])
    phash = np.array([row[2] for row in rows], dtype=np.int64).view(np.uint64)
    vectors = np.stack([row[3].to_numpy() for row in rows])
    return [row[0] for row in rows], {
        "ours": canonical[:, None] == canonical[None, :],
        f"pHash ≤ {PHASH_BITS}": np.bitwise_count(phash[:, None] ^ phash[None, :]) <= PHASH_BITS,
        f"cosine ≥ {COSINE}": vectors @ vectors.T >= COSINE,
    }


def _truth(file: Path, names: list[str]) -> Truth:
    row_of = {Path(name).name: row for row, name in enumerate(names)}
    base = np.arange(len(names))
    pairs: dict[str, list[tuple[int, int]]] = {}
    with file.open(encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines, delimiter="\t"):
            a, b = row_of[line["a"]], row_of[line["b"]]
            base[b] = a
            pairs.setdefault(line["transform"], []).append((a, b))
    return Truth(base[:, None] == base[None, :], pairs)


def _table(found: dict[str, Matrix], truth: Truth) -> str:
    lines = ["| transformation | pairs | " + " | ".join(found) + " |", "| --- | ---: |" + " ---: |" * len(found)]
    for transform, pairs in sorted(truth.pairs.items()):
        a, b = np.array(pairs).T
        cells = []
        for matrix in found.values():
            # Precision: of all that is called a duplicate of an image made this way.
            called, right = _count(matrix[b], b), _count(matrix[b] & truth.same[b], b)
            cells.append(f"{_share(right, called)} / {matrix[a, b].mean():.3f}")
        lines.append(f"| {transform} | {len(pairs)} | " + " | ".join(cells) + " |")
    all_pairs = np.triu(np.ones_like(truth.same), 1)
    real = int((truth.same & all_pairs).sum())
    cells = []
    for matrix in found.values():
        called, right = int((matrix & all_pairs).sum()), int((matrix & truth.same & all_pairs).sum())
        cells.append(f"**{_share(right, called)} / {right / real:.3f}** ({called - right} false)")
    lines.append(f"| all pairs | {real} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _count(rows: Matrix, own: NDArray[np.int64]) -> int:
    """Pairs in these rows of a matrix, those of an image with itself aside."""
    return int(rows.sum() - rows[np.arange(len(own)), own].sum())


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "–"


if __name__ == "__main__":
    main()
