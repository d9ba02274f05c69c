"""Short ways to fill the tables that dbt and the report read."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from PIL import Image
from psycopg.types.json import Jsonb

from imagerag_assets.database.bulk import upsert
from imagerag_assets.database.connection import Connection, Database, dbt_environment
from imagerag_assets.evaluation.benchmarks import Benchmark, Judgement, Query

DBT_FOLDER = Path(__file__).parents[2] / "dbt_eval"
PARSED = "partial_parse.msgpack"
Rankings = Mapping[tuple[str, str, str], Sequence[str] | Mapping[str, float]]
"""(benchmark, method, query) → paths, best first; or their scores, the best path first."""


def run_dbt(database: Database, target: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run dbt on dbt_eval, with everything that it writes in `target`."""
    parsed = DBT_FOLDER / "target" / PARSED
    if parsed.is_file() and not (target / PARSED).exists():
        # dbt parses again what has changed since, and nothing else: that saves seconds.
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(parsed, target)
    folders = ("--project-dir", str(DBT_FOLDER), "--profiles-dir", str(DBT_FOLDER))
    environment = {"DBT_TARGET_PATH": str(target), "DBT_LOG_PATH": str(target), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "dbt.cli.main", *arguments, *folders],
        env={**os.environ, **dbt_environment(database.url), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def measure(database: Database, target: Path) -> None:
    """Build the models and run the data tests as the product does."""
    done = run_dbt(database, target, "build", "--exclude-resource-type", "unit_test")
    assert done.returncode == 0, done.stdout


def compute(database: Database, target: Path) -> None:
    """Build the models without the data tests, which take longer than they."""
    done = run_dbt(database, target, "run", "--select", "+eval_metrics")
    assert done.returncode == 0, done.stdout


def content_of(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def add_images(connection: Connection, collection: str, groups: Mapping[str, str]) -> None:
    """Add a file per path; `groups` gives the path of its canonical image, its own for most."""
    files = [(collection, uri, content_of(uri), 1, "0", "f") for uri in groups]
    columns = ("collection", "uri", "content", "size_bytes", "version", "fingerprint")
    upsert(connection, "raw_images", columns, ("collection", "uri"), files)
    duplicates = {
        content_of(uri): (content_of(uri), content_of(canonical), "perceptual", 1.0, "f")
        for uri, canonical in groups.items()
    }
    names = ("content", "canonical", "relation", "distance", "fingerprint")
    upsert(connection, "deduped_set", names, ("content",), duplicates.values())


def add_thumbnails(connection: Connection, uris: Iterable[str], fmt: str) -> None:
    """Give each path's content a thumbnail of its own colour."""
    for uri in uris:
        buffer = io.BytesIO()
        red, green, blue = bytes.fromhex(content_of(uri)[:6])
        Image.new("RGB", (160, 120), (red, green, blue)).save(buffer, fmt)
        connection.execute(
            "insert into contents (content, fingerprint, format, mode, width, height, size_bytes, exif, "
            "phash, dhash, colours, thumbnail) "
            "values (%s, 'f', 'PNG', 'RGB', 160, 120, 1, '{}', 0::bit(64), 0::bit(64), %s, %s)",
            (content_of(uri), bytes(32), buffer.getvalue()),
        )


def benchmark(qrels: Mapping[str, Mapping[str, int]]) -> Benchmark:
    """Make a benchmark with the same text for every query; `qrels` gives grades by query and path."""
    return Benchmark(
        tuple(Query(query_id, "a query", None, "by_look", "en") for query_id in qrels),
        tuple(Judgement(query, uri, grade) for query in qrels for uri, grade in qrels[query].items()),
        digest=repr(qrels),
    )


def add_evaluation(
    connection: Connection,
    rankings: Rankings,
    groups: Mapping[str, str],
    timed: Iterable[tuple[str, str, str]] = (),
) -> int:
    """Store an evaluation. Where no scores are given every one is the same: only the rank may decide."""
    connection.execute(
        "insert into generations (fingerprint, status, parameters) values ('g', 'live', '{}') on conflict do nothing"
    )
    row = connection.execute(
        "insert into evaluations (fingerprint, generation, run_id, created_at, package_version, search_version, "
        "metrics_version, benchmarks) select 'f', generation, 'the-run-of-it', clock_timestamp(), '9.8.7', 41, 42, "
        "(select jsonb_object_agg(benchmark, digest) from benchmarks) from generations returning evaluation"
    ).fetchone()
    assert row is not None
    legs = Jsonb({"clip": {"rank": 3, "score": 0.5}})
    results = [
        (row[0], name, method, query, rank, uri, content_of(groups[uri]), score, legs)
        for (name, method, query), ranking in rankings.items()
        for rank, (uri, score) in enumerate(_scored(ranking).items(), start=1)
    ]
    columns = (
        "evaluation",
        "benchmark",
        "method",
        "query_id",
        "rank",
        "corpus_id",
        "group_id",
        "score",
        "legs",
    )
    upsert(connection, "retrieval_runs", columns, columns[:5], results)
    times = [(row[0], *run, 12.0) for run in (*rankings, *timed)]
    names = ("evaluation", "benchmark", "method", "query_id", "milliseconds")
    upsert(connection, "query_latencies", names, names[:4], times)
    return int(row[0])


def _scored(ranking: Sequence[str] | Mapping[str, float]) -> Mapping[str, float]:
    return ranking if isinstance(ranking, Mapping) else dict.fromkeys(ranking, 1.0)
