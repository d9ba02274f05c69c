"""imagerag status: how far every stage is, what the index holds, what stopped. The counting is `stages.status`'s."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, out, plain, readable_size

if TYPE_CHECKING:
    from imagerag_assets.automation.instance import LastRun
    from imagerag_assets.stages.status import StageStatus, Status


def status(
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Say how far every stage is with every collection, and what the index holds."""
    from imagerag_assets.automation.instance import last_run
    from imagerag_assets.project import open_project
    from imagerag_assets.stages.status import status as count

    project = open_project(settings)
    told, run = count(project), last_run(project.settings.data_path)
    if as_json:
        print(json.dumps(_as_json(told, run), ensure_ascii=False, indent=2, default=str))
        return
    _print_stages(told.stages)
    _print_generations(told)
    _print_times(told, run)
    for one in told.batches:
        out.print(
            f"A batch of {one.images:,} descriptions is out at {plain(one.address)} since {one.since:%Y-%m-%d %H:%M}, "
            f"{one.usd:.4f} USD at most. {plain(one.says)}".strip(),
            soft_wrap=True,
        )
    for stop in told.budget_stops:
        out.print(f"[yellow]{stop.stage} stopped at {stop.at:%Y-%m-%d %H:%M}:[/] {plain(stop.reason)}", soft_wrap=True)


def _as_json(told: Status, run: LastRun | None) -> dict[str, Any]:
    return {**asdict(told), "last_run": None if run is None else asdict(run)}


def _print_stages(stages: tuple[StageStatus, ...]) -> None:
    table = Table(title="Stages: raw_images in files, all others in images")
    for name in ("stage", "collection", "done", "pending", "stale", "failed", "quarantined"):
        table.add_column(name, justify="left" if name in ("stage", "collection") else "right")
    last = ""
    for one in stages:
        if last not in ("", one.stage):
            table.add_section()
        first_column = "" if one.stage == last else one.stage
        last = one.stage
        # Only a look at the source can tell what raw_images has pending, and only it has a quarantine.
        of_files = one.stage == "raw_images"
        numbers = [one.done, *((None, None, None) if of_files else (one.pending, one.stale, one.failed))]
        numbers.append(one.quarantined if of_files else None)
        table.add_row(first_column, plain(one.collection), *("–" if n is None else f"{n:,}" for n in numbers))
    out.print(table)


def _print_generations(told: Status) -> None:
    if not told.generations:
        out.print("There is no index yet: imagerag materialize makes one.")
        return
    table = Table("", "status", "images", "tiles", "on disk", "live since", title="Generations of the index")
    for one in told.generations:
        since = f"{one.live_at:%Y-%m-%d %H:%M}" if one.live_at else "–"
        size = readable_size(one.size_bytes)
        table.add_row(str(one.number), one.status, f"{one.images:,}", f"{one.tiles:,}", size, since)
    out.print(table)


def _print_times(told: Status, run: LastRun | None) -> None:
    for scan in told.scans:
        out.print(
            f"{scan.collection}: looked at {scan.started_at:%Y-%m-%d %H:%M}, {scan.listed:,} files, "
            f"{scan.ignored:,} ignored, {scan.removed:,} removed"
        )
    if run is not None:
        out.print(f"Last run: {run.status.lower()}, {run.job} at {run.created_at:%Y-%m-%d %H:%M} ({run.run_id})")
    if told.evaluation is not None:
        one = told.evaluation
        out.print(f"Last evaluation: {one.created_at:%Y-%m-%d %H:%M}, of generation {one.generation}")
