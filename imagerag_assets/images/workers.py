"""Decoder processes: a file that crashes a decoder, or keeps it busy for ever, costs a process and not the run."""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from imagerag_assets.errors import DecoderError
from imagerag_assets.images.inspect import Fault, Page
from imagerag_assets.images.processes import LostError, Process, ProcessPool, StartError
from imagerag_assets.settings import Limits

_MODULE = "imagerag_assets.images.decoder_process"
# A file that costs so many processes is given up: its other pages are not tried.
_LOSSES_PER_FILE = 3


class DecoderPool(ProcessPool["_Process"]):
    """Decoder processes. Closing it gives files that are being looked at back as `decoder_crashed`."""

    def __init__(self) -> None:
        super().__init__(_Process)

    def look_inside(self, data: bytes, limits: Limits) -> list[Page | Fault]:
        """Every page of the file, in order; or one `Fault` without a number for the file as a whole.

        A decoder that dies or outlasts limits.decode_seconds gives the page `decoder_crashed` or `timeout`, and the
        pages after it go to a fresh process. Raises `DecoderError` when no process can be started.
        """
        found: list[Page | Fault] = []
        count = None
        for _ in range(_LOSSES_PER_FILE):
            try:
                with self._decoder() as process:
                    for answer in process.ask(data, len(found) + 1, limits):
                        if isinstance(answer, int):
                            count = answer
                        else:
                            found.append(answer)
                    return found
            except LostError as lost:
                reason, said = _told(lost, limits)
                if count is None:
                    return [Fault(None, reason, said)]
                found.append(Fault(None if count == 1 else len(found) + 1, reason, said))
                if len(found) == count:
                    return found
        given_up = f"Not tried: {_LOSSES_PER_FILE} pages before it had already cost a decoder process each."
        return [*found, *(Fault(number, reason, given_up) for number in range(len(found) + 1, (count or 0) + 1))]

    @contextmanager
    def _decoder(self) -> Iterator[_Process]:
        try:
            with self.process() as process:
                yield process
        except StartError as error:
            raise DecoderError(
                f"A decoder process is missing: {error}. "
                "Nothing was recorded; mend the installation or the machine's memory and run again."
            ) from None


@lru_cache(maxsize=1)
def decoders() -> DecoderPool:
    """The decoder processes of this process, warm from one run to the next."""
    pool = DecoderPool()
    atexit.register(pool.close)
    return pool


class _Process(Process):
    def __init__(self) -> None:
        super().__init__(_MODULE, {})

    def ask(self, data: bytes, first: int, limits: Limits) -> Iterator[Any]:
        """The number of pages, then each page from `first` on; or a `Fault` alone. Raises `LostError`.

        Every answer has limits.decode_seconds of its own.
        """
        with self.within(limits.decode_seconds):
            self.jobs.send((data, first, limits))
            count = self.answers.recv()
        yield count
        if isinstance(count, Fault):
            return
        for _ in range(first, count + 1):
            with self.within(limits.decode_seconds):
                answer = self.answers.recv()
            yield answer


def _told(lost: LostError, limits: Limits) -> tuple[str, str]:
    """The reason and the message for a page that cost its decoder."""
    if lost.is_late:
        return "timeout", f"Decoding took more than {limits.decode_seconds:g} s, which is limits.decode_seconds."
    return "decoder_crashed", str(lost)
