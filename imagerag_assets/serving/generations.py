"""imagerag generations: which there are, how two compare, and which one search reads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from imagerag_assets.serving.comparisons import NEEDED, comparison_json, comparison_table
from imagerag_assets.serving.terminal import SettingsFile, out, plain

if TYPE_CHECKING:
    from imagerag_assets.database.connection import Connection

app = typer.Typer(
    help="Generations of the index: list and compare them, promote one, go back to the last.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(help="A generation's number, as `list` shows it.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable.")]

_LIST = """
    select g.generation, g.status, g.parameters, g.created_at, g.live_at, g.retired_at, g.held,
           max(e.evaluation) as evaluation
    from generations g left join evaluations e using (generation) where not g.parameters ? 'compared'
    group by g.generation order by g.generation
"""


@app.command(name="list")
def list_generations(settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Show every generation with its models and what became of it, and why one waits."""
    from imagerag_assets.evaluation.gate import why_waiting
    from imagerag_assets.project import open_project
    from imagerag_assets.retrieval.generations import find_live

    project = open_project(settings)
    with project.database.connect() as connection:
        rows = _rows(connection)
        waits, live = why_waiting(connection, project), find_live(connection)
    if as_json:
        told = [row | {"waits": waits if row["status"] in ("candidate", "building") else ""} for row in rows]
        print(json.dumps(told, default=str, indent=2))
        return
    table = Table("", "status", "image–text model", "text model", "m / ef", "live since", "evaluation", "held back")
    for row in rows:
        parameters = row["parameters"]
        models = parameters.get("models") or {}
        table.add_row(
            str(row["generation"]), row["status"],
            plain(models.get("image_text") or parameters["image_model"]),
            plain(models.get("text") or parameters["text_model"]),
            f"{parameters['m']} / {parameters['ef_construction']}",
            f"{row['live_at']:%Y-%m-%d %H:%M}" if row["live_at"] else "", str(row["evaluation"] or ""),
            plain(row["held"]),
        )  # fmt: skip
    out.print(table)
    if live is None:
        out.print("None is live, or its tables are gone: imagerag materialize builds or promotes one.")
    if waits:
        out.print(plain(waits), soft_wrap=True)


@app.command()
def compare(before: Number, after: Number, settings: SettingsFile = None, as_json: AsJson = False) -> None:
    """Compare the newest evaluations of two generations on the same queries, to see whether the second is better."""
    from imagerag_assets.errors import GenerationError
    from imagerag_assets.evaluation.gate import compare_generations
    from imagerag_assets.methods import METHODS
    from imagerag_assets.project import open_project
    from imagerag_assets.retrieval.generations import numbered

    with open_project(settings).database.connect() as connection:
        for number in (before, after):
            if numbered(connection, number) is None:
                raise GenerationError(f"There is no generation {number}. imagerag generations list shows all.")
        found = compare_generations(connection, before, after, METHODS)
    if not found:
        raise GenerationError(
            f"Generations {before} and {after} have no measured query in common. Materialize retrieval_runs and "
            "eval_metrics, with a benchmark, while both are there."
        )
    if as_json:
        print(json.dumps(comparison_json(found), indent=2))
        return
    out.print(comparison_table(found, f"Generation {before} → generation {after}"))
    out.print(NEEDED)


@app.command()
def promote(number: Number, settings: SettingsFile = None) -> None:
    """Make a generation live, whatever the gate says of it. The one that was live is kept."""
    from imagerag_assets.evaluation.current import report_what_is_live
    from imagerag_assets.project import open_project
    from imagerag_assets.retrieval.switching import promote_by_hand

    project = open_project(settings)
    with project.database.connect() as connection:
        promote_by_hand(connection, number)
    report_what_is_live(project)
    out.print(f"Generation {number} is live. {_NEXT}", soft_wrap=True)


@app.command()
def rollback(settings: SettingsFile = None) -> None:
    """Make the generation live again that was live before this one, as it was then."""
    from imagerag_assets.evaluation.current import report_what_is_live
    from imagerag_assets.project import open_project
    from imagerag_assets.retrieval.switching import roll_back

    project = open_project(settings)
    with project.database.connect() as connection:
        chosen = roll_back(connection)
    report_what_is_live(project)
    out.print(f"Generation {chosen.number} is live again. {_NEXT}", soft_wrap=True)


_NEXT = (
    "What has changed since it was last brought up to date comes with the next: imagerag materialize. "
    "The settings are as they were: while they name other models, those stay a candidate, which the gate does not "
    "promote by itself."
)


def _rows(connection: Connection) -> list[dict[str, Any]]:
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_LIST).fetchall()
