"""imagerag.yaml and the environment → one validated `Settings`. Nothing is opened or loaded here.

Paths in the file are relative to the file's own folder. The environment wins for what is secret or local to a machine:
`IMAGERAG_SETTINGS` (path of the file), `IMAGERAG_DATABASE_URL`, `IMAGERAG_DATA_DIR`.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from imagerag_assets.errors import SettingsError

SAMPLE_SCHEME = "sample://"
"""A source or benchmark inside the sample corpus, which is drawn on first use."""
SAMPLE_COLLECTIONS = ("products", "real_estate", "it_support", "manufacturing")
FILE_NAME = "imagerag.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Collection(_Section):
    """A named set of images with one source."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    source: str
    """A folder (searched recursively) or `sample://<collection>`."""
    context: str = ""
    """One sentence told to the describer: what these images are for."""
    benchmark: str | None = None
    """A folder with queries.jsonl and qrels.tsv, or `sample://<collection>`."""


class DatabaseSettings(_Section):
    url: str = "embedded"
    """`embedded`, or a postgresql:// URL of a server with pgvector 0.8 or later."""

    @field_validator("url")
    @classmethod
    def _scheme(cls, value: str) -> str:
        if value != "embedded" and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError('must be "embedded" or start with postgresql://')
        return value


class Models(_Section):
    image_text: str = "bundled"
    """Image–text dual encoder: `bundled`, a local folder, or a hub id."""
    image_text_revision: str | None = None
    text: str = "bundled"
    """Text encoder of the description space: `bundled` (all-MiniLM-L6-v2), a local folder, or a hub id."""
    text_revision: str | None = None
    describer: Literal["zero_shot"] = "zero_shot"
    vocabulary: Path | None = None
    """A YAML file of words for the zero-shot describer; None is the one that comes with the package."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    batch_size: int = Field(default=32, ge=1, le=4096)
    allow_remote_code: bool = False


class Limits(_Section):
    """What is refused into quarantine."""

    max_pixels: int = Field(default=200_000_000, ge=1)
    max_bytes: int = Field(default=256 * 1024 * 1024, ge=1)


class Tiling(_Section):
    """Images whose long side passes `min_side` pixels get overlapping tiles of `size` pixels."""

    min_side: int = Field(default=1500, ge=64)
    size: int = Field(default=1024, ge=64)
    overlap: int = Field(default=128, ge=0)

    @model_validator(mode="after")
    def _overlap_is_smaller(self) -> Tiling:
        if self.overlap * 2 > self.size:
            raise ValueError("tiling.overlap must be at most half of tiling.size")
        return self


class Ocr(_Section):
    languages: tuple[str, ...] = ("eng", "fra")
    """Tesseract's language codes."""
    page_segmentation: int = Field(default=11, ge=0, le=13)
    """Tesseract's --psm. 11 (sparse text) reads labels and dialogs that 3 (pages) misses."""
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)

    @field_validator("languages")
    @classmethod
    def _known_form(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any(not code.replace("_", "").isalnum() for code in value):
            raise ValueError("needs one or more Tesseract language codes such as eng or chi_sim")
        return value


class Dedup(_Section):
    """When two images are duplicates: by near hashes, or by nearly parallel vectors and hashes that are not far.

    Never when the words that OCR is sure of differ: two dialogs may look alike and say different things.
    """

    phash_distance: int = Field(default=6, ge=0, le=64)
    dhash_distance: int = Field(default=8, ge=0, le=64)
    colour_distance: float = Field(default=12.0, ge=0.0, le=255.0)
    """Greatest mean difference of the colours, in 8-bit chroma steps: the hashes see none, and a blue mug is not a red
    one."""
    cosine: float = Field(default=0.965, ge=-1.0, le=1.0)
    far_phash_distance: int = Field(default=16, ge=0, le=64)
    """For parallel vectors: a model that sees too little must not fold images that differ."""
    word_overlap: float = Field(default=0.6, ge=0.0, le=1.0)
    """Least share of the shorter text's words that the other must have."""


class Index(_Section):
    """pgvector's HNSW parameters and the width of a search."""

    m: int = Field(default=16, ge=2, le=100)
    ef_construction: int = Field(default=64, ge=4, le=1000)
    ef_search: int = Field(default=100, ge=1, le=1000)
    candidates: int = Field(default=200, ge=10, le=10_000)
    """How many images each leg hands to the fusion."""
    relevance: float = Field(default=0.9, ge=0.0, le=1.0)
    """Results below it are not good enough: the share of queries without an answer that find nothing this good."""


class Retries(_Section):
    """How often a failed item is tried again, and how long after."""

    attempts: int = Field(default=3, ge=1)
    first_wait_seconds: float = Field(default=60.0, ge=0.0)


def sample_collections() -> tuple[Collection, ...]:
    """The four collections of the sample corpus, each with its benchmark."""
    contexts = {
        "products": "Product photos of an online shop.",
        "real_estate": "Photos and plans of an estate agent.",
        "it_support": "Screenshots sent to a help desk, in English and French.",
        "manufacturing": "Inspection photos of machine parts.",
    }
    return tuple(
        Collection(name=name, source=SAMPLE_SCHEME + name, benchmark=SAMPLE_SCHEME + name, context=contexts[name])
        for name in SAMPLE_COLLECTIONS
    )


class Settings(_Section):
    """Everything that can be set. `root` is the folder that relative paths start from."""

    root: Path = Field(default_factory=Path.cwd, exclude=True)
    data_dir: Path = Path(".imagerag")
    """The database, the sample corpus, the reports: whatever this project writes."""
    database: DatabaseSettings = DatabaseSettings()
    collections: tuple[Collection, ...] = Field(default_factory=sample_collections, min_length=1)
    models: Models = Models()
    limits: Limits = Limits()
    tiling: Tiling = Tiling()
    ocr: Ocr = Ocr()
    dedup: Dedup = Dedup()
    index: Index = Index()
    retries: Retries = Retries()

    @model_validator(mode="after")
    def _names_are_unique(self) -> Settings:
        names = [collection.name for collection in self.collections]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"collections: the name {twice[0]!r} is used twice")
        return self

    @property
    def data_path(self) -> Path:
        """Absolute path of `data_dir`."""
        return (self.root / self.data_dir).resolve()

    def collection(self, name: str) -> Collection:
        """The collection of that name; `SettingsError` that lists the known ones otherwise."""
        for collection in self.collections:
            if collection.name == name:
                return collection
        known = ", ".join(collection.name for collection in self.collections)
        raise SettingsError(f"There is no collection {name!r}. The settings have: {known}.")


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings file (default: $IMAGERAG_SETTINGS, else imagerag.yaml in the working folder, else defaults).

    Raises `SettingsError` naming the file, the key and the remedy.
    """
    named = path or (Path(os.environ["IMAGERAG_SETTINGS"]) if os.environ.get("IMAGERAG_SETTINGS") else None)
    file = (named or Path(FILE_NAME)).absolute()
    if named is not None and not file.is_file():
        raise SettingsError(f"The settings file {file} does not exist. Create it, or unset IMAGERAG_SETTINGS.")
    values = _read_yaml(file) if file.is_file() else {}
    if "root" in values:
        raise SettingsError(f"{file} is not valid:\n  root: unknown key{_suggestion(('root',))}")
    values["root"] = file.parent
    if url := os.environ.get("IMAGERAG_DATABASE_URL"):
        values["database"] = {"url": url}
    if folder := os.environ.get("IMAGERAG_DATA_DIR"):
        values["data_dir"] = folder
    try:
        return Settings(**values)
    except ValidationError as error:
        raise SettingsError(_explain(file, error)) from None


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} is not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{file} must hold keys and values at its top level, not a {type(values).__name__}.")
    return {str(key): value for key, value in values.items()}


def _explain(file: Path, error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in problem["loc"]) or "settings"
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {where}: unknown key{_suggestion(problem['loc'])}")
        else:
            lines.append(f"  {where}: {problem['msg'].removeprefix('Value error, ')}")
    return f"{file} is not valid:\n" + "\n".join(lines)


def _suggestion(location: tuple[int | str, ...]) -> str:
    """What the unknown key was probably meant to be."""
    section: Any = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue
        field = section.model_fields[part]
        section = Collection if part == "collections" else field.annotation
    known = sorted(set(section.model_fields) - {"root"})
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known keys: {', '.join(known)}"
