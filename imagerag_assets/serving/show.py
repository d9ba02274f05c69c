"""imagerag show: everything that is known of one image, with its small picture where the terminal can."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, out, plain, readable_size

if TYPE_CHECKING:
    from imagerag_assets.retrieval.images import StoredImage


def show(
    image: Annotated[
        str, typer.Argument(help="collection/path, or eight or more digits of the content's hash.", show_default=False)
    ],
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show one image and everything that is known of it."""
    from imagerag_assets.errors import UnknownImageError
    from imagerag_assets.project import open_project
    from imagerag_assets.retrieval.images import find_image, thumbnail_of
    from imagerag_assets.serving.inline import show_picture
    from imagerag_assets.serving.terminal import NOTHING_FOUND, fail

    project = open_project(settings)
    thumbnail = b""
    with project.database.connect() as connection:
        try:
            found = find_image(connection, project, image)
        except UnknownImageError as error:
            raise fail(str(error), NOTHING_FOUND) from None
        if found.state != "quarantined" and found.content is not None and not as_json:
            thumbnail = thumbnail_of(connection, found.content)[0]
    if as_json:
        print(json.dumps(asdict(found), ensure_ascii=False, indent=2, default=str))
        return
    show_picture(out, thumbnail)
    table = Table.grid(padding=(0, 2))
    for name, value in _facts(found):
        if value:
            table.add_row(f"[bold]{name}[/]", plain(value))
    out.print(table)


def _facts(one: StoredImage) -> list[tuple[str, str]]:
    size = f"{one.width} × {one.height} pixels" if one.width else ""
    described = [f"{one.category}: " if one.category else "", one.general]
    return [
        ("image", f"{one.collection}/{one.uri}"),
        ("state", one.state if one.trouble is None else f"{one.state}, {one.trouble.reason}: {one.trouble.message}"),
        ("content", one.content or ""),
        ("picture", ", ".join(part for part in (one.format, size, readable_size(one.size_bytes or 0)) if part)),
        ("tiles", str(one.tiles or "")),
        ("description", "".join(described)),
        ("confidence", "" if one.confidence is None else f"{one.confidence:.2f}"),
        ("elements", ", ".join(one.key_elements)),
        ("tags", ", ".join(one.tags)),
        ("text", one.ocr),
        ("metadata", "\n".join(f"{key}: {value}" for key, value in (one.metadata or {}).items())),
        (
            "files",
            "\n".join(f"{file.collection}/{file.uri}{' (removed)' * bool(file.removed_at)}" for file in one.files),
        ),
        ("duplicates", "\n".join(f"{file.collection}/{file.uri}" for file in one.duplicates)),
        ("first seen", f"{one.first_seen:%Y-%m-%d %H:%M}" if one.first_seen else ""),
    ]
