"""Text → unit vectors of the description space. Images are for `dual_encoder`, files for `checkpoints`."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import ClassVar

from imagerag_assets.models.checkpoints import (
    MINILM_SHA256,
    Checkpoint,
    Encoder,
    FloatArray,
    encode_words,
    find_checkpoint,
    load_checkpoint,
    minilm_folder,
)
from imagerag_assets.settings import BUNDLED

_SETTING = "models.text"
_LOADING = threading.Lock()


class TextEncoder(Encoder):
    """A loaded text model. Safe to share between threads."""

    texts_encoded: ClassVar[int] = 0
    """Texts that went through any text encoder of this process, so that a test can prove that none did."""

    def encode_texts(self, texts: list[str]) -> FloatArray:
        """Encode to unit vectors, shape (n, dimension)."""
        with self._encoding:
            TextEncoder.texts_encoded += len(texts)
            return encode_words(self._model, texts, self.dimension)


def load_text_encoder(model: str, revision: str | None, device: str, allow_remote_code: bool = False) -> TextEncoder:
    """Give the encoder for `model` ("bundled", a folder or a hub id), loaded once per process.

    Raises:
        ModelError: it cannot be found or loaded; the message names the setting and the remedy.
    """
    with _LOADING:
        return _load(model, revision, device, allow_remote_code)


def text_encoder_identity(model: str, revision: str | None) -> str:
    """`TextEncoder.identity` without loading the model."""
    return _find(model, revision).identity


@lru_cache(maxsize=4)
def _load(model: str, revision: str | None, device: str, allow_remote_code: bool) -> TextEncoder:
    checkpoint = _find(model, revision)
    return TextEncoder(load_checkpoint(checkpoint, device, allow_remote_code, _SETTING), checkpoint)


def _find(model: str, revision: str | None) -> Checkpoint:
    if model == BUNDLED:
        return Checkpoint("all-MiniLM-L6-v2", f"sha256:{MINILM_SHA256}", minilm_folder(), None)
    return find_checkpoint(model, revision, _SETTING)
