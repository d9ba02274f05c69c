"""An event loop that advances only while someone waits for its next result. For async work inside a stage's run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

_T = TypeVar("_T")


class OwnLoop:
    """Runs coroutines on a thread of its own, because a notebook's thread has a running loop already.

    Between two results the loop stands still: what has come back is committed before anything else comes back, so that
    a killed run loses only what was in flight.
    """

    def __enter__(self) -> OwnLoop:
        self._thread = ThreadPoolExecutor(1, "own-loop")
        self._runner = asyncio.Runner()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Cancels what is still in flight.
        self._thread.submit(self._runner.close).result()
        self._thread.shutdown()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Wait for one coroutine. Interrupted, it gives up what it waits for: an answer may be minutes away."""
        waiting = self._thread.submit(self._runner.run, work)
        try:
            return waiting.result()
        finally:
            if not waiting.done():
                self._runner.get_loop().call_soon_threadsafe(self._cancel_all)

    def _cancel_all(self) -> None:
        for task in asyncio.all_tasks(self._runner.get_loop()):
            task.cancel()

    def iterate(self, source: AsyncIterator[_T]) -> Iterator[_T]:
        """The results of `source`, one by one."""

        async def advance() -> _T:
            return await anext(source)

        while True:
            try:
                yield self.run(advance())
            except StopAsyncIteration:
                return
