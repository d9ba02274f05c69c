"""Search: tokens, the index's generations and their upkeep, the search statement, and the fusion of its legs.

In a notebook: `from imagerag_assets.retrieval import Query, open_project, search`.
"""

from imagerag_assets.project import open_project
from imagerag_assets.retrieval.gallery import Results
from imagerag_assets.retrieval.search import Query, Result, search

__all__ = ["Query", "Result", "Results", "open_project", "search"]
