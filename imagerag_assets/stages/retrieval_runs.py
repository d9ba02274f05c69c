"""retrieval_runs: every search method on every benchmark query."""

from __future__ import annotations

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import StageReport
from imagerag_assets.evaluation.runs import evaluate, evaluation_fingerprint
from imagerag_assets.project import Project
from imagerag_assets.stages.common import RunOptions


def run(project: Project, options: RunOptions, run_id: str) -> StageReport:
    return evaluate(project, run_id, options.on_progress)


def data_version(connection: Connection, project: Project) -> str:
    return evaluation_fingerprint(connection, project)
