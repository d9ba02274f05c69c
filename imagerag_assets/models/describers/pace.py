"""How fast to call: a number of calls at once that gives way to a server's limits and comes back slowly."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_WAIT_SECONDS = 300.0
"""A server that asks for more before the next call has closed for the day, or does not know what it says."""
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Pace:
    """Slots for calls in flight. A rate limit halves them and pauses; every success gives a part of one back.

    Additive increase, multiplicative decrease, as in congestion control (Chiu and Jain 1989).
    """

    def __init__(self, concurrency: int, requests_per_minute: float | None) -> None:
        self._most = concurrency
        self._interval = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._allowed = float(concurrency)
        self._used = 0
        self._next_start = 0.0
        self._halved_at = float("-inf")
        self._released = asyncio.Condition()

    @property
    def allowed(self) -> int:
        """How many calls may be in flight now."""
        return int(self._allowed)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[float]:
        """Wait for a place and for the time; gives the time on the loop's clock at which the call starts."""
        async with self._released:
            await self._released.wait_for(lambda: self._used < self.allowed)
            self._used += 1
        try:
            yield await self._start()
        finally:
            async with self._released:
                self._used -= 1
                self._released.notify_all()

    async def _start(self) -> float:
        clock = asyncio.get_running_loop().time
        while (wait := self._next_start - clock()) > 0:
            await asyncio.sleep(wait)
        now = clock()
        self._next_start = now + self._interval
        return now

    def slow_down(self, started: float, wait_seconds: float) -> None:
        """A call that began at `started` was refused for the rate: halve, once for all that were in flight then."""
        now = asyncio.get_running_loop().time()
        self._next_start = max(self._next_start, now + wait_seconds)
        if started >= self._halved_at:
            self._allowed = max(1.0, self._allowed / 2)
            self._halved_at = now

    def succeeded(self, headers: Mapping[str, str], next_tokens: int) -> None:
        """Give a part of a slot back, and pause when the headers say that the next call would be one too many."""
        self._allowed = min(float(self._most), self._allowed + 1 / self._allowed)
        for kind, needed in (("requests", 1), ("tokens", next_tokens)):
            left, reset = headers.get(f"x-ratelimit-remaining-{kind}"), headers.get(f"x-ratelimit-reset-{kind}", "")
            if left is not None and left.isdecimal() and int(left[:18]) < needed:
                now = asyncio.get_running_loop().time()
                # Some servers give the time of day instead of a duration.
                self._next_start = max(self._next_start, now + min(seconds(reset), LONGEST_WAIT_SECONDS))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from Retry-After (a number, or a date as RFC 9110 allows) or retry-after-ms."""
    if (milliseconds := headers.get("retry-after-ms", "")) and _number(milliseconds) is not None:
        return (_number(milliseconds) or 0.0) / 1000
    text = headers.get("retry-after", "")
    if (number := _number(text)) is not None:
        return number
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())


def seconds(text: str) -> float:
    """Read a duration as rate-limit headers write it: "1s", "6m0s", "120ms", "0.5"; 0 for anything else."""
    if (number := _number(text)) is not None:
        return number
    return sum(float(value) * _UNITS[unit] for value, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text))


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None
