"""Who looks at images, describes them, and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from imagerag_assets.settings.section import Section

Backend = Literal["torch", "torch_bf16", "torch_fp16"]
"""torch in 32 bits; with weights and sums of 16: bfloat16 where the processor has units for it, float16 on cards."""
BUNDLED = "bundled"
"""The model that comes with the package."""
_WITH_BATCHES = ("openai", "vllm", "compatible")
"""Presets whose servers may have OpenAI's /files and /batches; Anthropic's and Google's batches are of other forms."""


class Describer(Section):
    """Who describes the images: zero-shot tags, a vision model behind an OpenAI-compatible URL, or one in process."""

    kind: Literal["zero_shot", "endpoint", "local"] = "zero_shot"
    preset: Literal["openai", "anthropic", "gemini", "vllm", "ollama", "compatible"] = "compatible"
    """For an endpoint: whose it is. `compatible` is any other server that speaks the OpenAI protocol."""
    base_url: str | None = Field(default=None, pattern=r"^https?://[^/?#@\s]+(/[^?#@\s]*)?$")
    """None: the preset's own."""
    model: str | None = None
    """The endpoint's name of the model; for `local` a folder or a hub id."""
    revision: str | None = None
    """Of a local model from the hub."""
    detail: Literal["low", "high"] = "low"
    longest_side: int | None = Field(default=None, ge=64, le=8192)
    """Pixels of the image that is sent; None: 512 at low detail, 1536 at high."""
    max_output_tokens: int = Field(default=800, ge=16, le=100_000)
    concurrency: int = Field(default=8, ge=1, le=256)
    timeout_seconds: float = Field(default=90.0, gt=0.0)
    requests_per_minute: float | None = Field(default=None, gt=0.0)
    key_env: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Name of the environment variable that holds the key; None: the preset's own. The key is never a setting."""
    batch: bool = False
    """Ask by the Batch API: half the price, within a day. For OpenAI, and servers that have /files and /batches."""
    batch_requests: int = Field(default=2_000, ge=1, le=2_000)
    batch_megabytes: float = Field(default=100.0, gt=0.0, le=200.0)
    """Most of one file. OpenAI takes 50,000 requests and 200 MB (API reference, "Create batch"); more than 2,000 images
    cannot be claimed at once: each takes a place in Postgres' table of locks, which has some 6,400."""

    @model_validator(mode="after")
    def _model_is_named(self) -> Describer:
        name = self.setting.removeprefix("models.")
        if self.kind != "zero_shot" and not self.model:
            raise ValueError(f"{name}.kind {self.kind} needs {name}.model, the name of a vision model")
        if self.kind == "endpoint" and self.preset == "compatible" and self.base_url is None:
            raise ValueError(f"{name}.kind endpoint needs {name}.base_url, or a preset other than compatible")
        if self.batch and (self.kind != "endpoint" or self.preset not in _WITH_BATCHES):
            raise ValueError(f"{name}.batch is for endpoints of the presets {', '.join(_WITH_BATCHES)}")
        return self

    @property
    def setting(self) -> str:
        """Where it stands in the settings, for messages."""
        return "models.describer"

    @property
    def sent_side(self) -> int:
        """Longest side of the image that is sent, in pixels."""
        return self.longest_side or (512 if self.detail == "low" else 1536)


class Answerer(Describer):
    """Who answers questions from the images: a vision model behind an OpenAI-compatible URL."""

    kind: Literal["endpoint"] = "endpoint"
    max_output_tokens: int = Field(default=600, ge=16, le=100_000)

    @property
    def setting(self) -> str:
        return "models.answerer"


class Models(Section):
    image_text: str = BUNDLED
    """Image–text dual encoder: `bundled`, a local folder, or a hub id."""
    image_text_revision: str | None = None
    text: str = BUNDLED
    """Text encoder of the description space: `bundled` (all-MiniLM-L6-v2), a local folder, or a hub id."""
    text_revision: str | None = None
    describer: Describer = Describer()
    answerer: Answerer | None = None
    """None: answers are the best images with what is known of them."""
    vocabulary: Path | None = None
    """A YAML file of words for the zero-shot describer; None is the one that comes with the package."""
    device: Literal["cpu", "cuda", "mps"] = "cpu"
    backend: Backend = "torch"
    """How the image–text model computes. Vectors of another backend are others, so an index is built anew."""
    batch_size: int = Field(default=32, ge=1, le=4096)
    allow_remote_code: bool = False

    @model_validator(mode="after")
    def _backend_runs_on_the_device(self) -> Models:
        if self.backend == "torch_fp16" and self.device == "cpu":
            raise ValueError("models.backend torch_fp16 is for cards; with models.device cpu take torch_bf16")
        return self
