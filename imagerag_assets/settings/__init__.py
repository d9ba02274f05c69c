"""Everything that can be set: imagerag.yaml and the environment."""

from imagerag_assets.settings.collections import SAMPLE_COLLECTIONS, SAMPLE_SCHEME, Collection
from imagerag_assets.settings.file import FILE_NAME, load_settings
from imagerag_assets.settings.images import Dedup, Limits, Ocr, Tiling
from imagerag_assets.settings.index import Fusion, Gate, GateMetric
from imagerag_assets.settings.models import BUNDLED, Answerer, Backend, Describer, Escalation, Judge
from imagerag_assets.settings.project import Settings
from imagerag_assets.settings.section import usable_cores
from imagerag_assets.settings.serving import Serving
from imagerag_assets.settings.studies import Comparison, Embedder, Health, Tuning
from imagerag_assets.settings.work import Budget, Retries

__all__ = [
    "BUNDLED",
    "FILE_NAME",
    "SAMPLE_COLLECTIONS",
    "SAMPLE_SCHEME",
    "Answerer",
    "Backend",
    "Budget",
    "Collection",
    "Comparison",
    "Dedup",
    "Describer",
    "Embedder",
    "Escalation",
    "Fusion",
    "Gate",
    "GateMetric",
    "Health",
    "Judge",
    "Limits",
    "Ocr",
    "Retries",
    "Serving",
    "Settings",
    "Tiling",
    "Tuning",
    "load_settings",
    "usable_cores",
]
