"""imagerag tune: which settings would search better, by the train and validation queries of the benchmarks."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, out, plain


def tune(
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Propose values for fusion and dedup.similarity, measured on queries that did not choose them. Changes nothing."""
    from imagerag_assets.evaluation.studies.tuning import HEADER, better, left_alone, proposal_rows, tuning_proposal
    from imagerag_assets.project import open_project

    project = open_project(settings)
    with project.database.connect() as connection:
        result = tuning_proposal(connection, project).result
    if as_json:
        print(json.dumps({**result, "better": better(result)}, indent=2))
        return
    if result["proposals"]:
        table = Table(*HEADER, title="Proposals")
        for row in proposal_rows(result):
            table.add_row(*map(plain, row))
        out.print(table)
    for note in result["notes"]:
        out.print(plain(note), soft_wrap=True)
    found = better(result)
    if not found:
        out.print("Nothing is significantly better than what is set.")
        return
    out.print("Significantly better. To put it to use, write into the settings:")
    for section in sorted({name.partition(".")[0] for name in found}):
        out.print(f"{section}:", highlight=False)
        for name, value in found.items():
            if name.startswith(f"{section}."):
                out.print(f"  {name.partition('.')[2]}: {value:g}", highlight=False)
    if others := left_alone(result):
        told = "Better by themselves too, and not to be added: together they were not seen to gain more."
        out.print(f"{told} {plain(', '.join(others))}", soft_wrap=True)
