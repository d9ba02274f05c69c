"""retrieval_runs: every search method on every benchmark query, in the live generation and its candidate."""

from __future__ import annotations

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.stages import StageReport, fingerprint
from imagerag_assets.evaluation.runs import evaluate
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.stages.common import RunOptions


def run(project: Project, options: RunOptions, run_id: str) -> StageReport:
    return evaluate(project, run_id, options.on_progress)


def data_version(connection: Connection) -> str:
    """Of what is saved, not of what an evaluation would see now; and of which generation it is told of."""
    live = generations.find_live(connection)
    # Embedders that are only compared are no generation of the index.
    row = connection.execute(
        "select max(evaluation) from evaluations where generation not in "
        "(select generation from generations where parameters ? 'compared')"
    ).fetchone()
    return fingerprint(evaluation=row and row[0], live=live and live.number)
