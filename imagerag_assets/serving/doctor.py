"""imagerag doctor: what is installed, reachable and licensed, and what to do. The looking is `checkup`'s."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from imagerag_assets.serving.terminal import SettingsFile, out, plain

_MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[bold red]fail[/]"}


def doctor(
    settings: SettingsFile = None,
    deep: Annotated[bool, typer.Option("--deep", help="Load the models and use each once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, with every package's licence.")] = False,
) -> None:
    """Look at everything that Imagerag stands on. Exit code 1 when something fails."""
    from imagerag_assets.serving.checkup import check_up

    findings = []
    for one in check_up(settings, deep=deep):
        findings.append(one)
        if not as_json:
            out.print(
                f"{_MARKS[one.state]} [bold]{plain(one.name)}[/]: {plain(one.found)}", highlight=False, soft_wrap=True
            )
            if one.remedy:
                out.print(f"     → {plain(one.remedy)}", highlight=False, soft_wrap=True)
    if as_json:
        print(json.dumps([asdict(one) for one in findings], ensure_ascii=False, indent=2))
    if any(one.state == "fail" for one in findings):
        raise typer.Exit(1)
