"""Processes of our own for what a picture may crash or keep busy for ever: started, asked in time, and replaced.

The parent's side is `Process` and `ProcessPool`, the child's is `connections_to_parent` and `jobs_until_the_end`. What
is asked and answered is the business of `workers` (decoding) and of `models.ocr` (Tesseract).
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import imagerag_assets

# Starting loads Pillow, numpy and SciPy from a disk that may be cold and on a machine that may be busy.
_START_SECONDS = 120.0


class LostError(Exception):
    """A process is gone: killed because its time was up (`is_late`), or ended as the message says."""

    def __init__(self, message: str, *, is_late: bool = False) -> None:
        super().__init__(message)
        self.is_late = is_late


class StartError(Exception):
    """A process does not start; the message is the last that it said."""


class Process:
    """One process that runs a module of this package, and the pipes to it."""

    def __init__(self, module: str, environment: Mapping[str, str]) -> None:
        """Wait for the child's first word (`said`), which says that it is ready. Raises `StartError`."""
        with tempfile.TemporaryFile() as errors:
            self._child = subprocess.Popen(
                # -P: what lies in the working folder is no module of ours.
                [sys.executable, "-P", "-m", module],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env={**_environment(), **environment},
            )  # fmt: skip
            # They were asked for in the lines above.
            assert self._child.stdin is not None  # noqa: S101
            assert self._child.stdout is not None  # noqa: S101
            # The descriptors are the connections' from here on: Popen must not close them a second time.
            self.jobs = Connection(os.dup(self._child.stdin.fileno()), readable=False)
            self.answers = Connection(os.dup(self._child.stdout.fileno()), writable=False)
            self._child.stdin.close()
            self._child.stdout.close()
            try:
                with self.within(_START_SECONDS):
                    self.said: Any = self.answers.recv()
            except LostError as error:
                self.end()
                errors.seek(0)
                words = errors.read().decode("utf-8", "replace").strip().splitlines()[-1:] or [str(error)]
                raise StartError(f"{sys.executable} -m {module} does not start: {words[0]}") from None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def end(self) -> None:
        """Kill the process, whatever it does, and wait for its end."""
        with suppress(OSError):
            self._child.kill()
        self._child.wait()
        self.jobs.close()
        self.answers.close()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Kill the process when the time is up: whatever waits for one of its pipes then sees their end.

        Raises `LostError` when it has ended, for this or any other reason.
        """
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
                raise LostError(f"It took more than {seconds:g} s.", is_late=True) from None
            raise LostError(f"The process that worked on it ended by {_name_end(status)}.") from None
        finally:
            timer.cancel()


P = TypeVar("P", bound=Process)


class ProcessPool(Generic[P]):
    """Processes, each started when all others are busy and kept for the next job.

    Safe to use from threads: there are never more processes than jobs at the same time. Used as a context manager, or
    closed by `close`; the processes also end with this one, however it ends.
    """

    def __init__(self, start: Callable[[], P]) -> None:
        self._start = start
        self._idle: queue.SimpleQueue[P] = queue.SimpleQueue()
        self._alive: set[P] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """The process ids of those that run now."""
        return [process.pid for process in list(self._alive)]

    def close(self) -> None:
        """End all processes, also those that work."""
        for process in list(self._alive):
            self._end(process)

    @contextmanager
    def process(self) -> Iterator[P]:
        """A process for one job. One that failed does not come back. Raises `StartError`."""
        process = self._idle_one() or self._start()
        self._alive.add(process)
        try:
            yield process
        except BaseException:
            self._end(process)
            raise
        self._idle.put(process)

    def _idle_one(self) -> P | None:
        while True:
            try:
                process = self._idle.get_nowait()
            except queue.Empty:
                return None
            if process.is_alive:
                return process
            # It died while it waited (a machine short of memory ends any): no fault of the next job.
            self._end(process)

    def _end(self, process: P) -> None:
        process.end()
        self._alive.discard(process)


def connections_to_parent() -> tuple[Connection, Connection]:
    """The child's pipes, for jobs and answers only: a library that prints must not break into an answer."""
    # Who interrupts a run at the terminal interrupts the parent, which then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    jobs, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return Connection(jobs, writable=False), Connection(answers, readable=False)


def jobs_until_the_end(jobs: Connection) -> Iterator[Any]:
    """Jobs for ever; the process ends with the parent even in the middle of one: no orphan stays.

    From here on libraries may write what they like.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(jobs, waiting), daemon=True).start()
    while True:
        yield waiting.get()


def _receive(jobs: Connection, waiting: queue.SimpleQueue[Any]) -> None:
    try:
        while True:
            waiting.put(jobs.recv())
    except (EOFError, OSError):
        pass
    finally:
        os._exit(0)


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
