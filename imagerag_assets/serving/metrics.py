"""imagerag metrics: the newest evaluation, all that there are, and how any two compare."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from imagerag_assets.serving.comparisons import NEEDED, comparison_json, comparison_table
from imagerag_assets.serving.terminal import SettingsFile, out, plain

if TYPE_CHECKING:
    from imagerag_assets.database.connection import Connection
    from imagerag_assets.evaluation.history import Evaluation
    from imagerag_assets.project import Project

app = typer.Typer(help="Print the newest evaluation; list all, and compare any two.", invoke_without_command=True)

Number = Annotated[int, typer.Argument(help="An evaluation's number, as `list` shows it.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]

_MADE_WITH = {
    "generation": "generation",
    "package_version": "version",
    "search_version": "search code",
    "metrics_version": "metrics",
}
"""What two evaluations may differ in, and how it is called."""
_NEWEST = ("precision_at_5", "precision_at_5_ceiling", "recall_at_10", "ndcg_at_10", "mrr")


@app.callback()
def newest(context: typer.Context, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Print the newest evaluation of what is live."""
    from imagerag_assets.evaluation.metrics import metrics_table
    from imagerag_assets.project import open_project

    if asked := context.invoked_subcommand:
        if settings or as_json:
            raise typer.BadParameter(f"Options stand after {asked}: imagerag metrics {asked} … --settings … --json")
        return
    project = open_project(settings)
    if not as_json:
        print_newest(project)
        return
    with project.database.connect() as connection:
        print(json.dumps(metrics_table(connection, by_kind=True, by_language=True), default=str, indent=2))


@app.command(name="list")
def list_evaluations(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show every evaluation: when it was made, of which generation, by which code and with which benchmarks."""
    from imagerag_assets.evaluation.history import evaluations
    from imagerag_assets.project import open_project

    with open_project(settings).database.connect() as connection:
        found = evaluations(connection)
    if as_json:
        print(json.dumps([asdict(one) for one in found], default=str, indent=2))
        return
    table = Table("", "made", "generation", "version", "search", "metrics", "benchmarks", "run", "measured")
    for one in found:
        table.add_row(
            str(one.evaluation), f"{one.evaluated_at:%Y-%m-%d %H:%M}", f"{one.generation} ({one.status})",
            one.package_version or "", str(one.search_version or ""), str(one.metrics_version or ""),
            plain(" ".join(f"{name}:{digest[:8]}" for name, digest in sorted((one.benchmarks or {}).items()))),
            plain(one.run_id[:8]), "yes" if one.measured else "no",
        )  # fmt: skip
    out.print(table)


@app.command()
def compare(before: Number, after: Number, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Compare two evaluations on the same queries, judged alike, to see whether the second is better."""
    from imagerag_assets.errors import EvaluationError
    from imagerag_assets.evaluation.significance import compare_methods
    from imagerag_assets.methods import METHODS
    from imagerag_assets.project import open_project

    with open_project(settings).database.connect() as connection:
        one, other = (_measured(connection, number) for number in (before, after))
        found = compare_methods(connection, before, after, METHODS)
    if not found:
        raise EvaluationError(
            f"Evaluations {before} and {after} have no query in common that both judged alike: their benchmarks differ."
        )
    if as_json:
        made = {"before": asdict(one), "after": asdict(other), "differences": _differences(one, other)}
        print(json.dumps({**made, "comparisons": comparison_json(found)}, default=str, indent=2))
        return
    out.print(comparison_table(found, f"Evaluation {before} → evaluation {after}"))
    out.print(NEEDED)
    told = _differences(one, other)
    out.print(
        f"Between them: {plain('; '.join(told))}." if told
        else "Both are of the same generation, code and benchmarks: what differs is in the settings or the images.",
        soft_wrap=True,
    )  # fmt: skip


def print_newest(project: Project) -> None:
    """The table of the newest evaluation, or what to do to have one."""
    from imagerag_assets.evaluation.metrics import metrics_table, milliseconds

    with project.database.connect() as connection:
        rows = metrics_table(connection)
    if not rows:
        out.print(
            "Nothing is measured of what is live. Give a collection a benchmark, and: imagerag materialize",
            soft_wrap=True,
        )
        return
    table = Table(title=f"Evaluation {rows[0]['evaluation']}, of generation {rows[0]['generation']}")
    for name in ("collection", "method", "queries", "P@5", "ceiling", "Recall@10", "nDCG@10", "MRR", "p50 ms"):
        table.add_column(name, no_wrap=True, justify="left" if name in ("collection", "method") else "right")
    last = None
    for row in rows:
        if last is not None and row["benchmark"] != last:
            table.add_section()
        last = row["benchmark"]
        numbers = (f"{row[name]:.3f}" for name in _NEWEST)
        table.add_row(
            row["benchmark"], row["method"], str(row["queries"]), *numbers, milliseconds(row["latency_p50_ms"])
        )
    out.print(table)


def _measured(connection: Connection, number: int) -> Evaluation:
    from imagerag_assets.errors import EvaluationError
    from imagerag_assets.evaluation.history import evaluations

    found = next((one for one in evaluations(connection) if one.evaluation == number), None)
    if found is None:
        raise EvaluationError(f"There is no evaluation {number}. imagerag metrics list shows all.")
    if not found.measured:
        raise EvaluationError(
            f"Evaluation {number} has not been measured: nothing in it was judged, or dbt has not run since. "
            "Materialize eval_metrics."
        )
    return found


def _differences(before: Evaluation, after: Evaluation) -> list[str]:
    """What they were made with that is not the same, for people. Of what is not known of one, nothing is said."""
    pairs = [(called, getattr(before, name), getattr(after, name)) for name, called in _MADE_WITH.items()]
    told = [f"{called} {one} → {other}" for called, one, other in pairs if None not in (one, other) and one != other]
    if before.benchmarks is not None and after.benchmarks is not None:
        names = sorted({*before.benchmarks, *after.benchmarks})
        told += [
            f"benchmark {name} {'changed' if name in before.benchmarks and name in after.benchmarks else 'in one only'}"
            for name in names
            if before.benchmarks.get(name) != after.benchmarks.get(name)
        ]
    return told
