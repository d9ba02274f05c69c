"""The sample collection `manufacturing`: inspection and workshop photos of machine parts and circuit boards.

A scene module (see `scene.SceneModule`). A part is a height field (`solids`) that serves every size; light, wear and
shadow are computed from the heights (`light`, `damage`), and `photos` puts the picture together.
"""

from imagerag_assets.sample.manufacturing.captions import captions, region_captions
from imagerag_assets.sample.manufacturing.photos import draw
from imagerag_assets.sample.manufacturing.queries import QUERIES
from imagerag_assets.sample.manufacturing.scenes import corpus_scenes, random_scene
from imagerag_assets.sample.manufacturing.vocabulary import COLLECTION

__all__ = ["COLLECTION", "QUERIES", "captions", "corpus_scenes", "draw", "random_scene", "region_captions"]
