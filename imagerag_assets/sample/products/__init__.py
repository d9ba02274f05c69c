"""The sample collection `products`: an online shop's photos, some with printed brands, cards or banners.

A scene module (see `scene.SceneModule`); nothing is written here but its surface.
"""

from imagerag_assets.sample.products.captions import captions, region_captions
from imagerag_assets.sample.products.photos import draw
from imagerag_assets.sample.products.queries import QUERIES
from imagerag_assets.sample.products.scenes import COLLECTION, corpus_scenes, random_scene

__all__ = ["COLLECTION", "QUERIES", "captions", "corpus_scenes", "draw", "random_scene", "region_captions"]
