"""Until when work may use the database. Whoever serves people sets it around the work; `connection` keeps to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ends: ContextVar[float | None] = ContextVar("_ends", default=None)


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """What is done inside, in this context and in copies of it, has so much time from now on."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def seconds_left() -> float | None:
    """Not positive when the time is over; None where there is no limit."""
    ends = _ends.get()
    return None if ends is None else ends - time.monotonic()
