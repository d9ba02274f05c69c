"""Running the benchmarks: every method on every query, once per state of the index."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from imagerag_assets.evaluation.runs import evaluate
from imagerag_assets.project import Project
from imagerag_assets.retrieval.methods import METHODS
from imagerag_assets.stages import benchmark_queries
from imagerag_assets_tests.pictures import write_pictures
from imagerag_assets_tests.stages.graph import run_all


def silent(_progress: object) -> None:
    pass


def write_benchmark(folder: Path) -> Path:
    """One query by text and one by a picture of the collection itself."""
    folder.mkdir()
    queries = [{"_id": "text", "text": "4005"}, {"_id": "example", "image": "picture-0001.png"}]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels.tsv").write_text(
        "query-id\tcorpus-id\tscore\ntext\tpicture-0005.png\t1\nexample\tpicture-0002.png\t1\n"
    )
    return folder


def test_every_method_answers_every_query_and_an_example_does_not_find_itself(
    make_project: Callable[..., Project], tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path / "shop", range(6))
    benchmark = write_benchmark(tmp_path / "benchmark")
    collections = [{"name": "shop", "source": str(pictures), "benchmark": str(benchmark)}]
    project = make_project({}, collections=collections)
    run_all(project)
    benchmark_queries.run(project)

    assert evaluate(project, "first", silent).new == 2 * len(METHODS)
    with project.database.connect() as connection:
        found = connection.execute(
            "select query_id, method, array_agg(corpus_id order by rank) from retrieval_runs group by 1, 2"
        ).fetchall()
        timed = connection.execute("select count(*), min(milliseconds) from query_latencies").fetchone()
    ranked = {(query, method): uris for query, method, uris in found}
    assert ranked["text", "text"][0] == "picture-0005.png"
    assert "picture-0001.png" not in ranked["example", "clip"]
    assert len(ranked["example", "clip"]) == 5
    assert timed is not None
    assert timed[0] == 2 * len(METHODS)
    assert timed[1] > 0

    again = evaluate(project, "second", silent)
    assert (again.new, again.skipped) == (0, 2 * len(METHODS))

    (pictures / "picture-0004.png").unlink()
    run_all(project)
    assert evaluate(project, "third", silent).new == 2 * len(METHODS)
