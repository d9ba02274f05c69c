"""What every command shares: where it prints, and the settings file that it is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

# Piped output keeps whole words: a terminal's own width is used when there is one.
out = Console(width=None if sys.stdout.isatty() else 140)
err = Console(stderr=True)

SettingsFile = Annotated[
    Path | None,
    typer.Option("--settings", "-s", help="Settings file; default $IMAGERAG_SETTINGS or ./imagerag.yaml."),
]


NOTHING_FOUND = 3
"""Exit code of a command that worked and found nothing, or nothing good enough. 1 is an error, 2 wrong usage."""


def fail(message: str, code: int = 1) -> typer.Exit:
    """Print the one message that says what is wrong; raise what this returns."""
    err.print(f"[bold red]Error:[/] {plain(message)}", highlight=False, soft_wrap=True)
    return typer.Exit(code)


def plain(text: str) -> str:
    """Text that is no markup for the terminal."""
    from rich.markup import escape

    return escape("".join(char for char in text if char.isprintable() or char == "\n"))


def readable_size(size: float) -> str:
    """Bytes as people say them: 1.5 GiB."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
