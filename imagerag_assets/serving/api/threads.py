"""Threads for work that blocks, such as a search, beside an event loop: never more than so many, whatever happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import anyio

from imagerag_assets.database.deadlines import time_limit
from imagerag_assets.serving.api.problems import ProblemError

T = TypeVar("T")
_RETRY = {"Retry-After": "5"}


class Threads:
    """A thread is taken until its work ends, also where nobody waits for it any more.

    What is given up has to end by itself: its statements do, and the next one it asks for is refused.
    """

    def __init__(self, most: int, most_waiting: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(most, name)
        self._places = threading.Semaphore(most + most_waiting)

    async def run(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` gives. Raises a 503 `ProblemError` when it takes too long, or too many wait for a thread."""
        if not self._places.acquire(blocking=False):
            raise ProblemError(503, "busy", "Too many requests wait to be worked on. Try again.", headers=_RETRY)
        with time_limit(seconds):
            begun = self._pool.submit(copy_context().run, work)
        begun.add_done_callback(lambda _: self._places.release())
        with anyio.move_on_after(seconds):
            # Given up before it began, it never begins.
            return await asyncio.wrap_future(begun)
        told = f"This took more than {seconds:g} s. Try again, or ask for less."
        raise ProblemError(503, "timeout", told, headers=_RETRY)

    def close(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
