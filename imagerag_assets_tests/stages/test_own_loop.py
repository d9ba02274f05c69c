"""The loop that stands still between two results."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import AsyncIterator

import pytest

from imagerag_assets.stages.own_loop import OwnLoop


async def numbers(count: int, seconds: float = 0.0) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(seconds)
        yield number


def test_results_come_one_by_one_in_a_thread_whose_own_loop_is_running() -> None:
    async def notebook() -> list[int]:
        with OwnLoop() as loop:
            return list(loop.iterate(numbers(3)))

    assert asyncio.run(notebook()) == [0, 1, 2]


def test_nothing_goes_on_while_a_result_is_looked_at() -> None:
    ticks = 0

    async def ticking() -> AsyncIterator[int]:
        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        background = asyncio.create_task(tick())
        for number in range(2):
            await asyncio.sleep(0.05)
            yield number
        background.cancel()

    with OwnLoop() as loop:
        for _ in loop.iterate(ticking()):
            before = ticks
            time.sleep(0.05)
            assert ticks == before > 0


def test_an_interrupted_wait_ends_at_once() -> None:
    class InterruptedByTestError(Exception):
        pass

    def interrupt(*_arguments: object) -> None:
        raise InterruptedByTestError

    before = signal.signal(signal.SIGUSR1, interrupt)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR1))
    started = time.monotonic()
    try:
        timer.start()
        with pytest.raises(InterruptedByTestError), OwnLoop() as loop:
            list(loop.iterate(numbers(1, seconds=30)))
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert time.monotonic() - started < 5
