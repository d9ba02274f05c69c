"""Decoder processes: a file that crashes a decoder, or keeps it busy for ever, costs a process and not the run."""

from __future__ import annotations

import atexit
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import imagerag_assets
from imagerag_assets.errors import DecoderError
from imagerag_assets.images.inspect import Fault, Page
from imagerag_assets.settings import Limits

_MODULE = "imagerag_assets.images.decoder_process"
# Starting loads Pillow, numpy and SciPy from a disk that may be cold and on a machine that may be busy.
_START_SECONDS = 120.0
# A file that costs so many processes is given up: its other pages are not tried.
_LOSSES_PER_FILE = 3


class DecoderPool:
    """Decoder processes, each started when all others are busy and kept for the next file.

    Safe to call from threads: there are never more processes than calls at the same time. Used as a context manager, or
    closed by `close`; the processes also end with this one, however it ends.
    """

    def __init__(self) -> None:
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._alive: set[_Process] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """The process ids of the decoders that run now."""
        return [process.pid for process in list(self._alive)]

    def look_inside(self, data: bytes, limits: Limits) -> list[Page | Fault]:
        """Every page of the file, in order; or one `Fault` without a number for the file as a whole.

        A decoder that dies or outlasts limits.decode_seconds gives the page `decoder_crashed` or `timeout`, and the
        pages after it go to a fresh process. Raises `DecoderError` when no process can be started.
        """
        found: list[Page | Fault] = []
        count = None
        for _ in range(_LOSSES_PER_FILE):
            try:
                with self._process() as process:
                    for answer in process.ask(data, len(found) + 1, limits):
                        if isinstance(answer, int):
                            count = answer
                        else:
                            found.append(answer)
                    return found
            except _LostError as lost:
                if count is None:
                    return [Fault(None, lost.reason, str(lost))]
                found.append(Fault(None if count == 1 else len(found) + 1, lost.reason, str(lost)))
                if len(found) == count:
                    return found
                reason = lost.reason
        given_up = f"Not tried: {_LOSSES_PER_FILE} pages before it had already cost a decoder process each."
        return [*found, *(Fault(number, reason, given_up) for number in range(len(found) + 1, (count or 0) + 1))]

    def close(self) -> None:
        """End all processes. Files that are being looked at come back as `decoder_crashed`."""
        for process in list(self._alive):
            self._end(process)

    @contextmanager
    def _process(self) -> Iterator[_Process]:
        """A process for one file. One that failed does not come back."""
        process = self._idle_one() or _Process()
        self._alive.add(process)
        try:
            yield process
        except BaseException:
            self._end(process)
            raise
        self._idle.put(process)

    def _idle_one(self) -> _Process | None:
        while True:
            try:
                process = self._idle.get_nowait()
            except queue.Empty:
                return None
            if process.is_alive:
                return process
            # It died while it waited (a machine short of memory ends any): no fault of the next file.
            self._end(process)

    def _end(self, process: _Process) -> None:
        process.end()
        self._alive.discard(process)


@lru_cache(maxsize=1)
def decoders() -> DecoderPool:
    """The decoder processes of this process, warm from one run to the next."""
    pool = DecoderPool()
    atexit.register(pool.close)
    return pool


class _LostError(Exception):
    """A process is gone: `reason` says how."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _Process:
    """One decoder process and the pipes to it."""

    def __init__(self) -> None:
        with tempfile.TemporaryFile() as said:
            self._child = subprocess.Popen(
                # -P: what lies in the working folder is no module of ours.
                [sys.executable, "-P", "-m", _MODULE],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=_environment(),
            )  # fmt: skip
            # They were asked for in the lines above.
            assert self._child.stdin is not None  # noqa: S101
            assert self._child.stdout is not None  # noqa: S101
            # The descriptors are the connections' from here on: Popen must not close them a second time.
            self._jobs = Connection(os.dup(self._child.stdin.fileno()), readable=False)
            self._answers = Connection(os.dup(self._child.stdout.fileno()), writable=False)
            self._child.stdin.close()
            self._child.stdout.close()
            try:
                with self._within(_START_SECONDS):
                    self._answers.recv()
            except _LostError as error:
                self.end()
                said.seek(0)
                words = said.read().decode("utf-8", "replace").strip().splitlines()[-1:] or [str(error)]
                raise DecoderError(
                    f"A decoder process ({sys.executable} -m {_MODULE}) does not start: {words[0]}. "
                    "Nothing was recorded; mend the installation or the machine's memory and run again."
                ) from None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def ask(self, data: bytes, first: int, limits: Limits) -> Iterator[Any]:
        """The number of pages, then each page from `first` on; or a `Fault` alone. Raises `_LostError`.

        Every answer has limits.decode_seconds of its own.
        """
        with self._within(limits.decode_seconds):
            self._jobs.send((data, first, limits))
            count = self._answers.recv()
        yield count
        if isinstance(count, Fault):
            return
        for _ in range(first, count + 1):
            with self._within(limits.decode_seconds):
                answer = self._answers.recv()
            yield answer

    def end(self) -> None:
        """Kill the process, whatever it does, and wait for its end."""
        with suppress(OSError):
            self._child.kill()
        self._child.wait()
        self._jobs.close()
        self._answers.close()

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """Kill the process when the time is up: whatever waits for one of its pipes then sees their end."""
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._child.kill()

        timer = threading.Timer(seconds, stop)
        timer.daemon = True
        timer.start()
        try:
            yield
        except (EOFError, OSError):
            status = self._child.wait()
            if late.is_set():
                raise _LostError(
                    "timeout", f"Decoding took more than {seconds:g} s, which is limits.decode_seconds."
                ) from None
            raise _LostError("decoder_crashed", f"The decoder process ended by {_name_end(status)}.") from None
        finally:
            timer.cancel()


def _name_end(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _environment() -> dict[str, str]:
    """The child finds this package wherever it is imported from, and keeps to one core: there are more of its kind."""
    home = str(Path(imagerag_assets.__file__).parent.parent)
    path = os.pathsep.join([home, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
