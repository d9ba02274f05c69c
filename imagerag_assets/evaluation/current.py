"""The report of what is live now, written anew when that is another generation than before."""

from __future__ import annotations

from pathlib import Path

from imagerag_assets.evaluation.report import write_report
from imagerag_assets.evaluation.studies.sections import study_sections
from imagerag_assets.project import Project


def report_what_is_live(project: Project) -> Path:
    """Write the report; returns the page of the live generation, the index where nothing of it is measured.

    For whoever has put another generation in its place, after the transaction that did: the newest page must be about
    what search reads.
    """
    with project.database.connect() as connection:
        return write_report(
            connection, project.settings.data_path / "reports", study_sections(connection, project.settings)
        )
