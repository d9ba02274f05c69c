"""Benchmarks from elsewhere: BEIR and MTEB folders and query logs, each in its own module, turned into our folder."""

from imagerag_assets.evaluation.benchmarks.importing.importing import ImportReport, import_benchmark

__all__ = ["ImportReport", "import_benchmark"]
