"""Screenshots sent to a help desk: windows, errors, crash screens, photos of screens, in English and French.

What is offered to the corpus writer and the training. `scenes` decides what there is; `dialogs`, `screens`
and `devices` paint it on a `painter` in a common `chrome`; `content` has the words.
"""

from imagerag_assets.sample.it_support.captions import captions, region_captions
from imagerag_assets.sample.it_support.queries import QUERIES
from imagerag_assets.sample.it_support.scenes import COLLECTION, corpus_scenes, draw, random_scene

__all__ = ["COLLECTION", "QUERIES", "captions", "corpus_scenes", "draw", "random_scene", "region_captions"]
