"""A decoder process: files in by stdin, what is in them out by stdout, until stdin ends. Started by `workers`.

It loads Pillow and this project's decoding, and no model, database or orchestrator. A job is `(bytes, first page,
limits)`; the answers are the number of pages or a `Fault`, then a `Page` or `Fault` for each page.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from imagerag_assets.images.inspect import Fault, count_pages, look_at_pages
from imagerag_assets.images.processes import connections_to_parent, jobs_until_the_end
from imagerag_assets.settings import Limits

# What the interpreter, the libraries and one picture's small copies take, besides the pixels.
_BASE_BYTES = 1 << 30
# Pillow's RGB has four bytes a pixel; turning, transparency and colour profiles hold up to five such copies.
_BYTES_PER_PIXEL = 4 * 5
_GRACE_SECONDS = 5.0


def main() -> None:
    """Answer jobs until the parent closes stdin, or is gone."""
    jobs, answers = connections_to_parent()
    answers.send("ready")
    for data, first, limits in jobs_until_the_end(jobs):
        _answer(answers, data, first, limits)


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
