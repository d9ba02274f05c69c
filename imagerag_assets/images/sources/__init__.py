"""Where a collection's files are, what is there now, and their bytes. Whether they are images is not known here."""

from imagerag_assets.images.sources.opening import local_folder, open_source, sample_folder
from imagerag_assets.images.sources.source import PASSING, ListedFile, ReadFile, Source

__all__ = ["PASSING", "ListedFile", "ReadFile", "Source", "local_folder", "open_source", "sample_folder"]
