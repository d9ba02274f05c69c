"""imagerag review: the descriptions that are not to be trusted, for a person to look at."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, out, plain


def review(
    collection: Annotated[list[str] | None, typer.Option(help="Only of these collections.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the least trusted first.")] = 50,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the descriptions that are not to be trusted, the least trusted first, and why."""
    from imagerag_assets.project import open_project
    from imagerag_assets.stages.review import by_collection, doubtful

    project = open_project(settings)
    for name in collection or ():
        project.settings.collection(name)
    with project.database.connect() as connection:
        found = doubtful(connection, project, collection or (), limit)
        if as_json:
            print(json.dumps([asdict(one) | {"why": one.why} for one in found], ensure_ascii=False, indent=2))
            return
        totals = by_collection(connection, project)
    table = Table("image", "confidence", "description", "why")
    for one in found:
        said = f"{one.general[:160]}{' (described anew)' if one.escalated else ''}"
        table.add_row(plain(f"{one.collection}/{one.uri}"), f"{one.confidence:.2f}", plain(said), plain(one.why))
    out.print(table)
    shown = [one for one in totals if not collection or one.collection in collection]
    flagged, measured = sum(one.flagged for one in shown), sum(one.measured for one in shown)
    out.print(
        f"{flagged:,} of {measured:,} measured descriptions are below descriptions.trust "
        f"({project.settings.descriptions.trust}). docs/trust.md says what that means.", soft_wrap=True,
    )  # fmt: skip
