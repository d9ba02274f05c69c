"""imagerag batches: what is out at the Batch API, and letting go of what will never come back."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, out, plain

_OUT = """
    select b.batch, coalesce(b.server_batch, ''), b.state, b.model, b.address, b.created_at, count(i.item), sum(i.usd)
    from description_batches b left join description_batch_items i using (batch)
    where b.state <> 'ended' group by b.batch order by b.created_at, b.batch
"""


def batches(
    forget: Annotated[
        str | None, typer.Option(help="Take this batch for lost: its images are asked for, and paid, again.")
    ] = None,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show the batches of descriptions that have not come back."""
    from imagerag_assets.project import open_project
    from imagerag_assets.stages import batch_records

    with open_project(settings).database.connect() as connection:
        if forget is not None:
            count = batch_records.forget(connection, forget)
            out.print(plain(f"{forget} is forgotten: {count} images are pending again."))
            return
        rows = connection.execute(_OUT).fetchall()
    header = ("batch", "at the server", "state", "model", "address", "since", "images", "USD at most")
    if as_json:
        print(json.dumps([dict(zip(header, map(str, row), strict=True)) for row in rows], indent=2))
        return
    table = Table(*header)
    for row in rows:
        table.add_row(*(plain(str(value)) for value in row))
    out.print(table if rows else "No batch is out.")
