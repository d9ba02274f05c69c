"""Run every comparison and print a table: python -m benchmarks [--rounds N]."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.compare import Comparison
from benchmarks.embedding import compare_embedding
from benchmarks.writing import compare_writing
from imagerag_assets.database.connection import Database, start_embedded, stop_embedded


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds per comparison")
    rounds = parser.parse_args().rounds
    # Not below a folder that only its owner may enter: as root the server runs as a user of its own.
    with tempfile.TemporaryDirectory(prefix="imagerag-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        database = Database(start_embedded(folder / "postgres"))
        try:
            comparisons = [compare_writing(database, rounds), compare_embedding(rounds)]
        finally:
            database.close()
            stop_embedded(folder / "postgres")
    _print(comparisons)


def _print(comparisons: list[Comparison]) -> None:
    table = Table("stage", "plain way", "ours", "ratio", "per round", title="Medians; an absolute time means little")
    for one in comparisons:
        spread = f"{min(one.ratios):.1f}–{max(one.ratios):.1f}"
        table.add_row(one.name, f"{one.plain_seconds:.3f} s", f"{one.ours_seconds:.3f} s", f"{one.ratio:.1f}×", spread)
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
