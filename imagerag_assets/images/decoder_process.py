"""A decoder process: files in by stdin, what is in them out by stdout, until stdin ends. Started by `workers`.

It loads Pillow and this project's decoding, and no model, database or orchestrator. A job is `(bytes, first page,
limits)`; the answers are the number of pages or a `Fault`, then a `Page` or `Fault` for each page.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import NoReturn

from imagerag_assets.images.inspect import Fault, count_pages, look_at_pages
from imagerag_assets.settings import Limits

Job = tuple[bytes, int, Limits]

# What the interpreter, the libraries and one picture's small copies take, besides the pixels.
_BASE_BYTES = 1 << 30
# Pillow's RGB has four bytes a pixel; turning, transparency and colour profiles hold up to five such copies.
_BYTES_PER_PIXEL = 4 * 5
_GRACE_SECONDS = 5.0


def main() -> NoReturn:
    """Answer jobs until the parent closes stdin, or is gone."""
    # Who interrupts a run at the terminal interrupts the parent, which then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs, answers = _connections()
    answers.send("ready")
    # From here on libraries may write what they like.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    waiting: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(jobs, waiting), daemon=True).start()
    while True:
        _answer(answers, *waiting.get())


def _answer(answers: Connection, data: bytes, first: int, limits: Limits) -> None:
    _limit_memory(limits)
    with _alarm(limits):
        count = count_pages(data, limits)
    answers.send(count)
    if isinstance(count, Fault):
        return
    pages = look_at_pages(data, limits, count, first)
    for _ in range(first, count + 1):
        with _alarm(limits):
            seen = next(pages)
        answers.send(seen)


def _connections() -> tuple[Connection, Connection]:
    """The pipes to the parent, for jobs and answers only: a library that prints must not break into an answer."""
    jobs, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return Connection(jobs, writable=False), Connection(answers, readable=False)


def _receive(jobs: Connection, waiting: queue.SimpleQueue[Job]) -> None:
    """Take in jobs, and end the process with the parent even in the middle of a picture: no orphan stays."""
    try:
        while True:
            waiting.put(jobs.recv())
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


@contextmanager
def _alarm(limits: Limits) -> Iterator[None]:
    """The parent keeps the time. Should it be gone, the system ends this process, even inside a library's loop."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, limits.decode_seconds + _GRACE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _limit_memory(limits: Limits) -> None:
    """A picture that needs more memory than the limits provide for fails alone, where the system can see to it."""
    try:
        import resource
    except ImportError:
        return
    # A crash is told to the parent: it needs no file of what was in memory.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _BASE_BYTES + 3 * limits.max_bytes + _BYTES_PER_PIXEL * limits.max_pixels
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    # Not every system that has the call lets the address space be limited.
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


if __name__ == "__main__":
    main()
