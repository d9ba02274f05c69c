"""How rate limits are read and obeyed, on the loop's own clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from imagerag_assets.models.describers.pace import Pace, retry_after, seconds


@pytest.mark.parametrize(
    ("text", "found"),
    [("1s", 1.0), ("6m0s", 360.0), ("120ms", 0.12), ("0.5", 0.5), ("1h2m3.5s", 3723.5), ("", 0.0), ("soon", 0.0)],
)
def test_a_duration_is_read_as_the_headers_write_it(text: str, found: float) -> None:
    assert seconds(text) == pytest.approx(found)


def test_retry_after_is_a_number_a_date_or_milliseconds() -> None:
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after-ms": "1500", "retry-after": "9"}) == 1.5
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after({"retry-after": later}) == pytest.approx(30, abs=2)
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30), usegmt=True)
    assert retry_after({"retry-after": past}) == 0
    assert retry_after({"retry-after": "tomorrow"}) is None
    assert retry_after({}) is None


def test_one_wave_of_refusals_halves_once_and_successes_bring_the_slots_back_slowly() -> None:
    async def story() -> None:
        pace = Pace(16, None)
        async with pace.slot() as started:
            pass
        for _ in range(5):
            pace.slow_down(started, 0.0)
        assert pace.allowed == 8
        async with pace.slot() as later:
            pace.slow_down(later, 0.0)
        assert pace.allowed == 4
        for _ in range(4):
            pace.succeeded({}, 0)
        assert pace.allowed == 4
        pace.succeeded({}, 0)
        assert pace.allowed == 5
        for _ in range(1000):
            pace.succeeded({}, 0)
        assert pace.allowed == 16

    asyncio.run(story())


@pytest.mark.parametrize(
    ("headers", "waits"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "300ms"}, True),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "300ms"}, False),
        ({"x-ratelimit-remaining-tokens": "900", "x-ratelimit-reset-tokens": "0.3s"}, True),
        ({"x-ratelimit-remaining-tokens": "1100", "x-ratelimit-reset-tokens": "0.3s"}, False),
    ],
)
def test_a_call_waits_when_the_last_answer_said_that_it_would_be_one_too_many(
    headers: dict[str, str], waits: bool
) -> None:
    async def story() -> float:
        pace = Pace(2, None)
        before = asyncio.get_running_loop().time()
        pace.succeeded(headers, 1000)
        async with pace.slot() as started:
            return started - before

    assert (asyncio.run(story()) >= 0.29) is waits
