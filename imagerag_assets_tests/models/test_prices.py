"""Tokens of an image by the providers' rules, worked by hand, and prices of known and unknown models."""

from __future__ import annotations

from decimal import Decimal

import pytest

from imagerag_assets.models.prices import cost_usd, image_tokens


@pytest.mark.parametrize(
    ("preset", "model", "size", "detail", "tokens"),
    [
        ("openai", "gpt-4o", (512, 384), "low", 85),
        # 1024 × 1024 becomes 768 × 768: four tiles (the example in OpenAI's guide).
        ("openai", "gpt-4o-2024-08-06", (1024, 1024), "high", 765),
        # 2048 × 4096 becomes 768 × 1536: six tiles (the same guide).
        ("openai", "gpt-4o", (2048, 4096), "high", 1105),
        ("openai", "gpt-4o-mini", (512, 512), "low", 2833),
        # 32 × 32 patches of 32 pixels, times 1.62.
        ("openai", "gpt-4.1-mini", (1024, 1024), "high", 1659),
        ("anthropic", "claude-sonnet-4-5", (1000, 1000), "high", 1334),
        ("anthropic", "claude-sonnet-4-5", (8000, 8000), "high", 1600),
        ("gemini", "gemini-2.5-flash", (384, 384), "low", 258),
        # The crop unit is 540 / 1.5 = 360: three by two crops (the example in Google's guide for 960 × 540).
        ("gemini", "gemini-2.5-flash", (960, 540), "high", 1548),
        ("vllm", "Qwen/Qwen2.5-VL-7B-Instruct", (560, 280), "low", 200),
    ],
)  # fmt: skip
def test_an_image_counts_for_what_the_provider_says(
    preset: str, model: str, size: tuple[int, int], detail: str, tokens: int
) -> None:
    assert image_tokens(preset, model, size, detail) == tokens


def test_cached_tokens_are_cheaper_and_an_unknown_model_has_no_price() -> None:
    # gpt-4o: 2.50, 1.25 and 10 USD per million tokens sent, sent from the cache, and received.
    assert cost_usd("openai", "gpt-4o", 1_000_000, 0) == Decimal("2.5")
    assert cost_usd("openai", "gpt-4o", 1_000_000, 100_000, 1_000_000) == Decimal("2.25")
    assert cost_usd("anthropic", "no-such-model", 1, 1) is None
    assert cost_usd(None, "gpt-4o", 1, 1) is None


def test_a_batch_costs_half_whether_the_price_list_knows_it_or_not() -> None:
    for model in ("gpt-4o", "gpt-4o-2024-11-20", "chatgpt-4o-latest"):
        price = cost_usd("openai", model, 1000, 100)
        assert price
        assert cost_usd("openai", model, 1000, 100, batch=True) == price / 2, model
    assert cost_usd("openai", "no-such-model", 1, 1, batch=True) is None
