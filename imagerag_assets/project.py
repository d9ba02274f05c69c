"""What a stage, a command or a notebook works with: the settings, the database, and the models, each opened once."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from imagerag_assets.database.connection import PATIENT, Database
from imagerag_assets.settings import Backend, Settings, load_settings

if TYPE_CHECKING:
    from imagerag_assets.images.sources import Source
    from imagerag_assets.models.describers.local import LocalDescriber
    from imagerag_assets.models.dual_encoder import DualEncoder
    from imagerag_assets.models.text_encoder import TextEncoder


class Project:
    """Opens lazily: a run with nothing to do loads no model."""

    def __init__(
        self, settings: Settings, database_wait_seconds: float = PATIENT, *, beside: Project | None = None
    ) -> None:
        self.settings = settings
        self.beside = beside
        """The project of the settings file, where this one is the same but for its models; None for itself."""
        self._database_wait_seconds = database_wait_seconds
        self._sources: dict[str, Source] = {}

    @cached_property
    def database(self) -> Database:
        """The migrated database. Raises `DatabaseError`."""
        return (
            self.beside.database if self.beside else Database.from_settings(self.settings, self._database_wait_seconds)
        )

    def with_models(self, models: Mapping[str, str | None]) -> Project:
        """The same project with other encoders: image_text, image_text_revision, backend, text, text_revision."""
        # Generations that were built before there were backends do not name theirs.
        chosen = self.settings.models.model_copy(update={"backend": "torch", **models})
        return Project(self.settings.model_copy(update={"models": chosen}), beside=self.beside or self)

    def encoders(self) -> dict[str, str | None]:
        """What `with_models` takes to come back to this project's encoders: hub models at the commit that is used."""
        from imagerag_assets.models.checkpoints import pinned_revision

        models = self.settings.models
        return {
            "image_text": models.image_text,
            "image_text_revision": pinned_revision(self.dual_encoder_identity()),
            "backend": models.backend,
            "text": models.text,
            "text_revision": pinned_revision(self.text_encoder_identity()),
        }

    def stage_name(self, name: str) -> str:
        """What failures and claims of a stage go by: with other models the same item may fail otherwise."""
        return f"{name} beside" if self.beside else name

    def dual_encoder(self) -> DualEncoder:
        """The image–text model of the settings, loaded once per process. Raises `ModelError`."""
        from imagerag_assets.models.dual_encoder import load_dual_encoder

        models = self.settings.models
        return load_dual_encoder(
            models.image_text, models.image_text_revision, models.device, models.allow_remote_code, models.backend
        )

    def dual_encoder_identity(self) -> str:
        """Changes when the image–text model's weights do, or how it computes. Loads nothing."""
        models = self.settings.models
        return _dual_encoder_identity(models.image_text, models.image_text_revision, models.backend)

    def dual_encoder_side(self) -> int:
        """Side in pixels of what the image–text model sees, as its files tell. Loads nothing."""
        from imagerag_assets.models.dual_encoder import dual_encoder_side

        return dual_encoder_side(self.settings.models.image_text, self.settings.models.image_text_revision)

    def text_encoder(self) -> TextEncoder:
        """The text model of the settings, loaded once per process. Raises `ModelError`."""
        from imagerag_assets.models.text_encoder import load_text_encoder

        models = self.settings.models
        return load_text_encoder(models.text, models.text_revision, models.device, models.allow_remote_code)

    def text_encoder_identity(self) -> str:
        """Changes when the text model's weights do. Loads nothing."""
        return _text_encoder_identity(self.settings.models.text, self.settings.models.text_revision)

    def local_describer(self) -> LocalDescriber:
        """The vision model of the settings in this process, loaded once. Raises `ModelError`."""
        from imagerag_assets.models.describers.local import load_local_describer

        models = self.settings.models
        return load_local_describer(models.describer, models.device, models.allow_remote_code)

    def describer_identity(self) -> str:
        """Changes when the weights of the vision model in this process do. Loads nothing."""
        from imagerag_assets.models.describers.local import find_local_model

        return find_local_model(self.settings.models.describer).identity

    def source(self, collection: str) -> Source:
        """Where that collection's files are, opened once. Raises `SourceError`."""
        from imagerag_assets.images.sources import open_source

        if collection not in self._sources:
            self._sources[collection] = open_source(self.settings, self.settings.collection(collection))
        return self._sources[collection]

    def source_folder(self, collection: str) -> Path | None:
        """The folder of that collection's files, None when they are not on this machine. Raises `SourceError`."""
        from imagerag_assets.images.sources import local_folder

        return local_folder(self.settings, self.settings.collection(collection))


def open_project(settings_file: Path | None = None, database_wait_seconds: float = PATIENT) -> Project:
    """The project that the settings file describes. Raises `SettingsError`."""
    return Project(load_settings(settings_file), database_wait_seconds)


# Reading a model's files to name it takes a tenth of a second and more: once per process is enough.
@lru_cache(maxsize=8)
def _dual_encoder_identity(model: str, revision: str | None, backend: Backend) -> str:
    from imagerag_assets.models.dual_encoder import dual_encoder_identity

    return dual_encoder_identity(model, revision, backend)


@lru_cache(maxsize=8)
def _text_encoder_identity(model: str, revision: str | None) -> str:
    from imagerag_assets.models.text_encoder import text_encoder_identity

    return text_encoder_identity(model, revision)
