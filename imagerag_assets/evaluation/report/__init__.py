"""The report: a self-contained HTML page per evaluation and an index of all. Its numbers are dbt's.

Read by `evaluations`, `tables` and `drilldown`, drawn by `plots` (Plotly, inside the page), put together by `page`.
"""

from imagerag_assets.evaluation.report.page import INDEX, write_report
from imagerag_assets.evaluation.report.section import Section

__all__ = ["INDEX", "Section", "write_report"]
