"""All the sections together, with what holds between them."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationInfo, field_validator, model_validator

from imagerag_assets.errors import SettingsError
from imagerag_assets.settings.collections import Collection, sample_collections
from imagerag_assets.settings.images import Dedup, Limits, Ocr, Tiling
from imagerag_assets.settings.index import DatabaseSettings, Fusion, Gate, Index
from imagerag_assets.settings.models import BUNDLED, Descriptions, Models
from imagerag_assets.settings.section import Section
from imagerag_assets.settings.serving import Serving
from imagerag_assets.settings.studies import Comparison, Health, Tuning
from imagerag_assets.settings.work import Budget, Retries


class Settings(Section):
    """Everything that can be set. `root` is the folder that relative paths start from."""

    root: Path = Field(default_factory=Path.cwd, exclude=True)
    data_dir: Path = Path(".imagerag")
    """The database, the sample corpus, the reports: whatever this project writes."""
    database: DatabaseSettings = DatabaseSettings()
    collections: tuple[Collection, ...] = Field(default_factory=sample_collections, min_length=1)
    models: Models = Models()
    descriptions: Descriptions = Descriptions()
    limits: Limits = Limits()
    tiling: Tiling = Tiling()
    ocr: Ocr = Ocr()
    dedup: Dedup = Dedup()
    index: Index = Index()
    fusion: Fusion = Fusion()
    retries: Retries = Retries()
    budget: Budget = Budget()
    gate: Gate = Gate()
    comparison: Comparison = Comparison()
    health: Health = Health()
    tuning: Tuning = Tuning()
    serving: Serving = Serving()

    @field_validator("models")
    @classmethod
    def _model_paths_are_absolute(cls, value: Models, info: ValidationInfo) -> Models:
        """Whoever reads `models` finds absolute paths and hub ids, and need not know the root."""
        root: Path = info.data["root"]
        return value.model_copy(
            update={
                "image_text": _model_place(root, value.image_text),
                "text": _model_place(root, value.text),
                "vocabulary": _at_root(root, value.vocabulary) if value.vocabulary else None,
            }
        )

    @field_validator("comparison")
    @classmethod
    def _compared_paths_are_absolute(cls, value: Comparison, info: ValidationInfo) -> Comparison:
        root: Path = info.data["root"]
        placed = tuple(one.model_copy(update={"model": _model_place(root, one.model)}) for one in value.embedders)
        return value.model_copy(update={"embedders": placed})

    @model_validator(mode="after")
    def _names_are_unique(self) -> Settings:
        names = [collection.name for collection in self.collections]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"collections: the name {twice[0]!r} is used twice")
        if unknown := sorted(set(self.budget.collections_usd) - set(names)):
            raise ValueError(f"budget.collections_usd: there is no collection {unknown[0]!r}")
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


def _at_root(root: Path, path: str | Path) -> Path:
    try:
        return (root / Path(path).expanduser()).resolve()
    except RuntimeError:
        raise ValueError(f"the home folder that {path} starts with is not known; write the whole path") from None


def _model_place(root: Path, model: str) -> str:
    """The absolute path of a model's folder; `bundled` and hub ids (`name`, `owner/name`) as they are."""
    if model == BUNDLED:
        return model
    is_path = model.startswith((".", "/", "~")) or model.count("/") > 1
    return str(_at_root(root, model)) if is_path or _at_root(root, model).is_dir() else model
