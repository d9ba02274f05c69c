"""imagerag keys: who may call the HTTP API."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, err, out, plain

app = typer.Typer(help="Make, list and revoke the keys of the HTTP API.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Machine-readable.")]


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who or what it is for.", show_default=False)],
    scope: Annotated[str, typer.Option(help="read (search, ask, images), write (upload), or both: read,write.")],
    settings: SettingsFile = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it. It is shown this once: the database has only its hash."""
    from imagerag_assets.project import open_project
    from imagerag_assets.serving.api import keys

    scopes = [one.strip() for one in scope.split(",") if one.strip()]
    with open_project(settings).database.connect() as connection:
        key, token = keys.create(connection, name, scopes)
    if as_json:
        print(json.dumps({"key": token, "key_id": key.key_id, "name": key.name, "scopes": key.scopes}))
        return
    err.print(f"The key {plain(key.name)} ({key.key_id}) may {' and '.join(key.scopes)}. It is shown this once:")
    print(token)


@app.command(name="list")
def list_keys(settings: SettingsFile = None, as_json: Json = False) -> None:
    """List all keys, without their secrets."""
    from imagerag_assets.project import open_project
    from imagerag_assets.serving.api import keys

    with open_project(settings).database.connect() as connection:
        found = keys.all_keys(connection)
    if as_json:
        print(json.dumps([asdict(key) for key in found], ensure_ascii=False, indent=2, default=str))
        return
    table = Table("id", "name", "scopes", "made", "last used", "revoked")
    for key in found:
        times = (f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (key.created_at, key.last_used_at, key.revoked_at))
        table.add_row(key.key_id, plain(key.name), ", ".join(key.scopes), *times)
    out.print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id or name, as the list shows them.", show_default=False)],
    settings: SettingsFile = None,
) -> None:
    """Take a key out of use, at once and for good."""
    from imagerag_assets.project import open_project
    from imagerag_assets.serving.api import keys

    with open_project(settings).database.connect() as connection:
        gone = keys.revoke(connection, key)
    out.print(f"The key {plain(gone.name)} ({gone.key_id}) is revoked.")
