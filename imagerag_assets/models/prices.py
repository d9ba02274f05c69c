"""What a call of a language model costs: tokens of an image by the provider's rule, and USD by genai-prices.

The prices are those of the installed package; nothing is looked up on the network.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TypeVar

_T = TypeVar("_T")

_CHARACTERS_PER_TOKEN = 3.5
"""Of mixed prose, JSON and OCR; English prose alone has about four (OpenAI's help pages)."""


_BATCH_FACTOR = Decimal("0.5")
"""Of the price of a call that is asked for by the Batch API, where the package knows none: OpenAI's, Anthropic's and
Google's documentation of their Batch APIs say 50 % of the standard price."""


def cost_usd(
    provider: str | None, model: str, tokens_in: int, tokens_out: int, tokens_cached: int = 0, *, batch: bool = False
) -> Decimal | None:
    """What these tokens cost, asked for at once or by the Batch API; `tokens_in` counts the cached ones too.

    None for a model without a known price.
    """
    if provider is None:
        return None
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=tokens_in, output_tokens=tokens_out, cache_read_tokens=min(tokens_cached, tokens_in))
    try:
        price = calc_price(usage, model, provider_id=provider).total_price
        if not batch:
            return price
        reduced = calc_price(usage, model, provider_id=provider, price_context={"processing": "batch"}).total_price
    except LookupError:
        return None
    # The package gives the standard price where it knows no other.
    return reduced if reduced != price else price * _BATCH_FACTOR


def text_tokens(characters: int) -> int:
    """About how many tokens a text of that length has."""
    return math.ceil(characters / _CHARACTERS_PER_TOKEN)


def image_tokens(preset: str, model: str, size: tuple[int, int], detail: str) -> int:
    """How many input tokens an image of `size` pixels counts for, by the rule that the provider publishes."""
    if preset == "openai":
        return _openai_tokens(model, size, detail)
    if preset == "anthropic":
        return min(1600, math.ceil(size[0] * size[1] / 750))
    if preset == "gemini":
        return _gemini_tokens(size)
    # Qwen-VL's: one token per 28 × 28 pixels. LLaVA and InternVL have 256 to 576 per image.
    return max(64, math.ceil(size[0] / 28) * math.ceil(size[1] / 28))


_OPENAI_TILES = {"gpt-4o-mini": (2833, 5667), "gpt-5": (70, 140), "o1": (75, 150), "o3": (75, 150)}
"""Model prefix → (base, per tile of 512 pixels). Those not named: 85 and 170, gpt-4o's and gpt-4.1's."""
_OPENAI_PATCHES = {"gpt-5-mini": 1.62, "gpt-5-nano": 2.46, "gpt-4.1-mini": 1.62, "gpt-4.1-nano": 2.46, "o4-mini": 1.72}
"""Model prefix → factor on the number of 32-pixel patches, of which at most 1536 count."""


def _openai_tokens(model: str, size: tuple[int, int], detail: str) -> int:
    if (factor := _by_prefix(_OPENAI_PATCHES, model)) is not None:
        return math.ceil(min(1536, math.ceil(size[0] / 32) * math.ceil(size[1] / 32)) * factor)
    base, per_tile = _by_prefix(_OPENAI_TILES, model) or (85, 170)
    if detail == "low":
        return base
    # High detail is fitted into 2048 × 2048 pixels, then to a shorter side of 768.
    scale = min(1.0, 2048 / max(size))
    scale *= min(1.0, 768 / (min(size) * scale))
    tiles = math.ceil(round(size[0] * scale) / 512) * math.ceil(round(size[1] * scale) / 512)
    return base + per_tile * tiles


def _gemini_tokens(size: tuple[int, int]) -> int:
    if max(size) <= 384:
        return 258
    unit = min(768, max(256, math.floor(min(size) / 1.5)))
    return 258 * math.ceil(size[0] / unit) * math.ceil(size[1] / unit)


def _by_prefix(table: dict[str, _T], model: str) -> _T | None:
    """The entry of the longest prefix of the model's name."""
    fitting = [prefix for prefix in table if model.startswith(prefix)]
    return table[max(fitting, key=len)] if fitting else None
