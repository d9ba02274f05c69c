"""Everything that can be set: imagerag.yaml and the environment."""

from imagerag_assets.settings.collections import SAMPLE_COLLECTIONS, SAMPLE_SCHEME, Collection
from imagerag_assets.settings.file import FILE_NAME, load_settings
from imagerag_assets.settings.images import Dedup, Limits, Ocr, Tiling
from imagerag_assets.settings.index import Gate, GateMetric
from imagerag_assets.settings.models import BUNDLED, Answerer, Backend, Describer
from imagerag_assets.settings.project import Settings
from imagerag_assets.settings.section import usable_cores
from imagerag_assets.settings.serving import Serving
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
    "Dedup",
    "Describer",
    "Gate",
    "GateMetric",
    "Limits",
    "Ocr",
    "Retries",
    "Serving",
    "Settings",
    "Tiling",
    "load_settings",
    "usable_cores",
]
