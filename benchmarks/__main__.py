"""Run every comparison, print what was found, and write BENCHMARKS.md.

python -m benchmarks [--quick] [--only ROW …] [--rounds N]. A quick run does less of everything and writes no page.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from importlib import import_module

from rich.console import Console

from benchmarks.bench import Missing, new_bench
from benchmarks.comparison import Comparison, run_comparison, run_scaling
from benchmarks.page import print_row, write_page
from benchmarks.results import RowResult, empty_row, read_results, write_results
from benchmarks.rows import ROWS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small amounts, one round; writes nothing")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=ROWS, metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--rounds", type=int, help="interleaved rounds per comparison (5; 1 when quick)")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (1 if arguments.quick else 5)
    console = Console(width=140)
    for name in arguments.only:
        row = run_row(name, arguments.quick, rounds)
        print_row(console, row)
        if not arguments.quick:
            # After every row: a run that is stopped keeps what it has.
            results = read_results()
            results.rows[name] = row
            write_results(results)
            write_page(results)


def run_row(name: str, quick: bool, rounds: int) -> RowResult:
    """Everything that one file of `rows/` compares."""
    row = empty_row(name, quick, rounds)
    with new_bench(quick) as bench:
        try:
            for one in import_module(f"benchmarks.rows.{name}").make(bench):
                if isinstance(one, Comparison):
                    # A quick run times nothing that anybody reads: it needs no warm-up.
                    row.comparisons.append(run_comparison(replace(one, warm_up=one.warm_up and not quick), rounds))
                else:
                    row.scalings.append(run_scaling(one, rounds))
        except Missing as missing:
            row.missing = str(missing)
    return row


if __name__ == "__main__":
    main()
