"""Two pairs of models at once, while the settings ask for another generation than the live one.

The stages that depend on the models run for both then: the live index goes on by difference, and the candidate becomes
whole beside it.

What depends on a model alone is kept under its name, so neither takes the other's results away. What is shared by all
generations (the groups of duplicates) is made with the live one's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from imagerag_assets.database import stages
from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import Stage, StageReport, fingerprint
from imagerag_assets.errors import ModelError
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.stages.common import RunOptions

Run = Callable[[Project, RunOptions], StageReport]


def serving(project: Project) -> Project | None:
    """The project with the live generation's models: itself before the first, None where they are not to be had.

    None too for a generation of another version's tables: nothing can be added to it.
    """
    with project.database.connect() as connection:
        live = generations.find_live(connection)
    if live is not None and not generations.is_readable(live):
        return None
    try:
        return generations.project_of(project, live) if live else project
    except ModelError:
        return None


def for_both(run: Run, stage: Callable[[Project], Stage]) -> Run:
    """The stage with the settings' models, and with the live generation's where its results are others."""

    def both(project: Project, options: RunOptions) -> StageReport:
        report = run(project, options)
        live = serving(project)
        if live is not None and stage(live).fingerprint != stage(project).fingerprint:
            return added(report, run(live, options))
        with project.database.connect() as connection:
            # Nothing will retry what failed with models that no stage runs with any more.
            connection.execute("delete from stage_failures where stage = %s", (f"{stage(project).name} beside",))
        return report

    return both


def for_live(run: Run) -> Run:
    """The stage with the live generation's models, and with the settings' where those are not to be had."""
    return lambda project, options: run(serving(project) or project, options)


def live_first(run: Run, beside: Run, stage: Callable[[Project], Stage]) -> Run:
    """`run` with the live generation's models, then `beside` with the settings' where they are a candidate's."""

    def both(project: Project, options: RunOptions) -> StageReport:
        live = serving(project) or project
        report = run(live, options)
        if stage(live).fingerprint != stage(project).fingerprint:
            return added(report, beside(project, options))
        return report

    return both


def data_version(connection: Connection, project: Project, stage: Callable[[Project], Stage]) -> str:
    """Of the stage's rows that either generation reads."""
    live = serving(project)
    found = {stage(one).fingerprint: stage(one) for one in (project, live) if one is not None}
    versions = sorted(stages.data_version(connection, one) for one in found.values())
    return versions[0] if len(versions) == 1 else fingerprint(versions=versions)


def added(one: StageReport, other: StageReport) -> StageReport:
    """The counts of both, under the first's name."""
    counts = [field.name for field in fields(StageReport) if field.name not in ("stage", "stopped")]
    sums = {name: getattr(one, name) + getattr(other, name) for name in counts}
    return StageReport(one.stage, stopped=one.stopped or other.stopped, **sums)
