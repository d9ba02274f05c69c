"""Who serves vision models behind the OpenAI protocol, and in what they differ. A new provider is a new row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Preset:
    """One provider's ways. Checked against their public documentation; there is no way to ask a server."""

    base_url: str | None
    key_env: str | None
    """Environment variable of the key; None where none is needed."""
    json_schema: bool
    """Keeps to a JSON schema given as response_format. Where it does not, the answer is read tolerantly."""
    image_detail: bool
    """Takes `detail` beside an image."""
    token_limit: Literal["max_tokens", "max_completion_tokens"]
    temperature: float | None
    """None: not sent, because the newer models of that provider refuse any but their own."""
    price_provider: str | None
    """The provider's name in genai-prices; None: it has no price list."""


PRESETS: dict[str, Preset] = {
    "openai": Preset(
        "https://api.openai.com/v1", "OPENAI_API_KEY", True, True, "max_completion_tokens", None, "openai"
    ),
    # Its OpenAI-compatible endpoint ignores response_format and detail.
    "anthropic": Preset(
        "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", False, False, "max_tokens", None, "anthropic"
    ),
    "gemini": Preset(
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY", True, False, "max_tokens", None, "google",
    ),
    "vllm": Preset("http://localhost:8000/v1", None, True, False, "max_tokens", 0.0, None),
    "ollama": Preset("http://localhost:11434/v1", None, True, False, "max_tokens", 0.0, None),
    "compatible": Preset(None, None, False, False, "max_tokens", 0.0, None),
}  # fmt: skip
