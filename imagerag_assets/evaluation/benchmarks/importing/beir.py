"""BEIR's folder: queries.jsonl, corpus.jsonl, and qrels.tsv or a file per split in qrels/."""

from __future__ import annotations

from pathlib import Path

from imagerag_assets.errors import BenchmarkError
from imagerag_assets.evaluation.benchmarks.files import load_benchmark
from imagerag_assets.evaluation.benchmarks.importing.foreign import (
    Foreign,
    ForeignJudgement,
    Named,
    json_lines,
    names_of,
)

CORPUS = "corpus.jsonl"


def read_beir(folder: Path, source: Path | None) -> Foreign:
    """Read the folder. Raises `BenchmarkError` for what is malformed; nothing is left out quietly."""
    benchmark = load_benchmark(folder, source)
    judgements = [ForeignJudgement(one.query_id, one.corpus_id, one.score) for one in benchmark.qrels]
    judged = {one.corpus_id for one in judgements}
    images: dict[str, Named] = {}
    if (folder / CORPUS).is_file():
        for where, values in json_lines(folder / CORPUS):
            name = str(values.get("_id", ""))
            named = Named((*names_of(values), name))
            if name in judged and images.setdefault(name, named) != named:
                raise BenchmarkError(f"{where}: the corpus id {name!r} is another image's in an earlier line.")
    return Foreign("BEIR", list(benchmark.queries), judgements, images)
