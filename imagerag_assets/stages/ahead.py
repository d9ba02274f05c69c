"""Worker threads: parts decoded ahead of the model that looks at them, or worked on from file to result at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from imagerag_assets.database.stages import Item, each
from imagerag_assets.settings import usable_cores

PARTS = 8
"""Parts of a batch: one is always being worked on, so of eight at most one has not been prepared meanwhile."""
Part = tuple[Sequence[Item], list[tuple[Item, Any]], dict[str, Exception]]
"""Some items, the results of those that succeeded, and the failures of the others by key."""
Made = TypeVar("Made")


def parts_ahead(items: Sequence[Item], do: Callable[[Item], Any], size: int) -> Generator[Part, None, None]:
    """Apply `do` to the items, `size` at a time and in order: while the caller has one part, the next is being made.

    No more than two parts are in memory. An error that is no item's own is raised, as by `each`.
    """
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    threads = ThreadPoolExecutor(usable_cores(), "decoding")
    try:
        waiting = _begin(threads, parts[0], do) if parts else []
        for number, part in enumerate(parts, start=1):
            following = _begin(threads, parts[number], do) if number < len(parts) else []
            made = [future.result() for future in waiting]
            yield (
                part,
                [result for good, _ in made for result in good],
                {key: error for _, bad in made for key, error in bad.items()},
            )
            waiting = following
    finally:
        threads.shutdown(cancel_futures=True)


def _begin(
    threads: ThreadPoolExecutor, part: Sequence[Item], do: Callable[[Item], Any]
) -> list[Future[tuple[list[tuple[Item, Any]], dict[str, Exception]]]]:
    return [threads.submit(each, [item], do) for item in part]


def parts_at_once(
    items: Sequence[Item], do: Callable[[Sequence[Item]], Made], size: int, begin: Callable[[], None]
) -> Generator[Made, None, None]:
    """Apply `do` to parts of the items, of at most `size`, in as many threads as there are cores: the results in order.

    Every thread calls `begin` first. An error of `do` is raised.
    """
    cores = usable_cores()
    # Smaller parts rather than a core without work.
    size = max(1, min(size, math.ceil(len(items) / cores)))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    threads = ThreadPoolExecutor(cores, "working", begin)
    try:
        begun = [threads.submit(do, part) for part in parts]
        for made in begun:
            yield made.result()
    finally:
        threads.shutdown(cancel_futures=True)
