"""imagerag batches: what is out at the Batch API, and letting go of what will never come back."""

from __future__ import annotations

import json
from dataclasses import astuple
from typing import Annotated

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, out, plain


def batches(
    forget: Annotated[
        str | None, typer.Option(help="Take this batch for lost: its images are asked for, and paid, again.")
    ] = None,
    cancel: Annotated[
        str | None, typer.Option(help="Have this batch stopped: what has run is paid and collected by the next run.")
    ] = None,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show the batches of descriptions that have not come back."""
    from imagerag_assets.project import open_project
    from imagerag_assets.stages import batch_records, description_batches

    project = open_project(settings)
    if cancel is not None:
        description_batches.cancel(project, cancel)
        out.print(plain(f"{cancel} is being cancelled. The next run collects what has run of it."))
        return
    with project.database.connect() as connection:
        if forget is not None:
            count = batch_records.forget(connection, forget)
            out.print(plain(f"{forget} is forgotten: {count} images are pending again."))
            return
        found = [tuple(map(str, astuple(one))) for one in batch_records.batches_out(connection)]
    header = ("batch", "at the server", "state", "model", "address", "since", "images", "USD at most", "says")
    if as_json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in found], indent=2))
        return
    table = Table(*header)
    for row in found:
        table.add_row(*map(plain, row))
    out.print(table if found else "No batch is out.")
