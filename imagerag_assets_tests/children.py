"""Children that are to be killed, forked from a server that has the libraries in memory: seconds less for each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    ["torch", "transformers", "sentence_transformers", "openai", "imagerag_assets_tests.stages.killed"]
)


def run_child(target: Callable[..., None], *arguments: object) -> int | None:
    """Run `target` in a process of its own to its end, whatever that is: its exit code, negative for a signal."""
    child = _SERVER.Process(target=target, args=arguments)
    child.start()
    child.join()
    return child.exitcode
