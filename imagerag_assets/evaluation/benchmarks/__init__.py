"""Benchmarks in BEIR's convention: made, imported, read, checked and stored. Searches are timed elsewhere (`runs`)."""

from imagerag_assets.evaluation.benchmarks.files import load_benchmark, read_benchmark
from imagerag_assets.evaluation.benchmarks.model import ALL, Benchmark, Judgement, Query
from imagerag_assets.evaluation.benchmarks.store import never_ingested, refuse_unknown, store_benchmark

__all__ = [
    "ALL",
    "Benchmark",
    "Judgement",
    "Query",
    "load_benchmark",
    "never_ingested",
    "read_benchmark",
    "refuse_unknown",
    "store_benchmark",
]
