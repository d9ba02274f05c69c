"""How images are read, cut, and told to be the same."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from imagerag_assets.settings.section import Section, check_language_codes, usable_cores


class Limits(Section):
    """What is refused into quarantine."""

    max_pixels: int = Field(default=200_000_000, ge=1)
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1)
    max_frames: int = Field(default=10_000, ge=1)
    """Of an animation, of which only the first frame is used."""
    max_pages: int = Field(default=1_000, ge=1)
    """Of a PDF or TIFF, each of which becomes an image."""
    decode_seconds: float = Field(default=60.0, gt=0)
    """For one page or image, in a process that is killed when the time is up."""
    pdf_dpi: int = Field(default=150, ge=10, le=1200)
    """Resolution that a PDF's pages are drawn at; less where a page would pass max_pixels."""


class Tiling(Section):
    """How small a detail of a large image is to be found, and what it may cost."""

    detail: int = Field(default=85, ge=16, le=4096)
    """Side in pixels of the smallest detail. With the encoder's input size it decides the tiles' side (tiling.py)."""
    overlap: float = Field(default=0.125, ge=0.0, le=0.5)
    """Share of a tile's side that its neighbour repeats, so that what lies on a seam is seen whole."""
    max_tiles: int = Field(default=40, ge=1, le=10_000)
    """Most tiles of one image, the whole included: each costs an encoding and a row of the index."""


class Ocr(Section):
    """Who reads the text in images. docs/ocr.md has the figures behind the defaults."""

    engine: Literal["rapidocr", "tesseract", "both"] = "rapidocr"
    languages: tuple[str, ...] = ("eng", "fra")
    """Tesseract's language codes, for collections without ocr_languages. RapidOCR's one model knows fifty languages."""
    page_segmentation: int = Field(default=11, ge=0, le=13)
    """Tesseract's --psm. 11 (sparse text) reads labels and dialogs that 3 (pages) misses."""
    workers: int = Field(default_factory=usable_cores, ge=1)

    @field_validator("languages")
    @classmethod
    def _known_form(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_language_codes(value)


class Dedup(Section):
    """When two images show the same picture.

    Hashes and vectors name pairs worth a look; the thumbnails, laid over each other, decide. Never the same are two
    whose colours or whose words differ: two dialogs may look alike and say different things.
    """

    phash_distance: int = Field(default=8, ge=0, le=64)
    dhash_distance: int = Field(default=8, ge=0, le=64)
    """Near by either hash: worth a look, whatever the vectors say."""
    cosine: float = Field(default=0.85, ge=-1.0, le=1.0)
    far_phash_distance: int = Field(default=20, ge=0, le=64)
    """Near by vector, and by hash not further than this: worth a look. A crop is found so."""
    orientations: Literal["upright", "rotated", "mirrored"] = "mirrored"
    """Which copies count: as they stand, turned by right angles too, or mirrored too."""
    similarity: float = Field(default=0.87, ge=0.0, le=1.0)
    """Least correlation of two thumbnails, in the large and in the details, that show the same picture."""
    group_similarity: float = Field(default=0.75, ge=0.0, le=1.0)
    """Least correlation with its canonical image of an image that got into the group by way of others."""
    colour_distance: float = Field(default=10.0, ge=0.0, le=255.0)
    """Greatest mean difference of the colours, in 8-bit chroma steps: a blue mug is not a red one."""
    word_overlap: float = Field(default=0.6, ge=0.0, le=1.0)
    """Least share of the shorter text's words that the other must have."""

    @model_validator(mode="after")
    def _groups_reach_further_than_pairs(self) -> Dedup:
        if self.group_similarity > self.similarity:
            raise ValueError("dedup.group_similarity must be at most dedup.similarity")
        return self
