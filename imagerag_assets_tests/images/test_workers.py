"""Decoder processes: what a file does to its decoder costs that file, that process, and nothing else."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from imagerag_assets.errors import DecoderError
from imagerag_assets.images import workers
from imagerag_assets.images.inspect import Fault, Page
from imagerag_assets.images.processes import LostError
from imagerag_assets.images.workers import DecoderPool
from imagerag_assets.settings import Limits
from imagerag_assets_tests.images.zoo import encoded, pdf, png_of_zeros
from imagerag_assets_tests.pictures import draw

LIMITS = Limits()


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    with DecoderPool() as made:
        yield made


@pytest.fixture(scope="module")
def slow_file() -> bytes:
    """A picture of few bytes that keeps a decoder busy for a second and more."""
    return png_of_zeros(13_500, 13_500)


def small_file(number: int = 1) -> bytes:
    return encoded(draw(number), "PNG")


def busy_process(pool: DecoderPool, after: float = 0.2) -> psutil.Process:
    """The pool's only process once it has computed for `after` seconds more."""
    while not pool.pids:
        time.sleep(0.01)
    child = psutil.Process(pool.pids[0])
    start = sum(child.cpu_times()[:2])
    while sum(child.cpu_times()[:2]) < start + after:
        time.sleep(0.01)
    return child


def in_the_middle(
    pool: DecoderPool, data: bytes, limits: Limits, meddle: Callable[[psutil.Process], None]
) -> list[Page | Fault]:
    """What the pool says of `data` when something happens to its decoder meanwhile."""
    pool.look_inside(small_file(), LIMITS)
    found: list[list[Page | Fault]] = []
    thread = threading.Thread(target=lambda: found.append(pool.look_inside(data, limits)))
    thread.start()
    meddle(busy_process(pool))
    thread.join(60)
    assert not thread.is_alive()
    return found[0]


def test_a_look_inside_gives_facts_hashes_and_a_thumbnail_and_no_pixels(pool: DecoderPool) -> None:
    (page,) = pool.look_inside(small_file(), LIMITS)
    assert isinstance(page, Page)
    assert (page.number, page.format, page.width, page.height, page.frames) == (None, "PNG", 200, 120, 1)
    assert page.phash.shape == page.dhash.shape == (64,)
    assert Image.open(io.BytesIO(page.thumbnail)).size == (200, 120)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_costs_one_file_and_the_next_one_gets_a_fresh_process(
    pool: DecoderPool, slow_file: bytes, name: str
) -> None:
    (fault,) = in_the_middle(pool, slow_file, LIMITS, lambda child: child.send_signal(signal.Signals[name]))
    assert isinstance(fault, Fault)
    assert (fault.number, fault.reason) == (None, "decoder_crashed")
    assert name in fault.message
    assert isinstance(pool.look_inside(small_file(), LIMITS)[0], Page)


def test_a_decoder_that_stands_still_is_killed_when_its_time_is_up(pool: DecoderPool, slow_file: bytes) -> None:
    started = time.monotonic()
    limits = Limits(decode_seconds=3)
    (fault,) = in_the_middle(pool, slow_file, limits, lambda child: child.send_signal(signal.SIGSTOP))
    assert isinstance(fault, Fault)
    assert fault.reason == "timeout"
    assert "limits.decode_seconds" in fault.message
    assert time.monotonic() - started < 30
    assert isinstance(pool.look_inside(small_file(), LIMITS)[0], Page)


def test_the_page_that_crashes_is_lost_and_the_others_are_not(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workers._Process.ask

    def dying(self: workers._Process, data: bytes, first: int, limits: Limits) -> Iterator[object]:
        for number, answer in enumerate(real(self, data, first, limits)):
            yield answer
            # The count, page 1 and page 2 have come: what the process would say of page 3 is lost with it.
            if first == 1 and number == 2:
                os.kill(self.pid, signal.SIGSEGV)
                self.answers.close()

    monkeypatch.setattr(workers._Process, "ask", dying)
    pages = pool.look_inside(pdf(5), LIMITS)
    assert [one.number for one in pages] == [1, 2, 3, 4, 5]
    assert [(one.number, one.reason) for one in pages if isinstance(one, Fault)] == [(3, "decoder_crashed")]


def test_a_file_that_costs_three_processes_is_given_up(pool: DecoderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = workers._Process.ask

    def dying(self: workers._Process, data: bytes, first: int, limits: Limits) -> Iterator[object]:
        asked.append(first)
        yield next(real(self, data, first, limits))
        raise LostError("too slow", is_late=True)

    monkeypatch.setattr(workers._Process, "ask", dying)
    pages = pool.look_inside(pdf(6), LIMITS)
    assert asked == [1, 2, 3]
    assert [(one.number, one.reason) for one in pages if isinstance(one, Fault)] == [
        (n, "timeout") for n in range(1, 7)
    ]
    assert "Not tried" in pages[-1].message if isinstance(pages[-1], Fault) else False


def test_a_process_that_dies_while_idle_costs_no_file(pool: DecoderPool) -> None:
    pool.look_inside(small_file(), LIMITS)
    child = psutil.Process(pool.pids[0])
    child.kill()
    gone, _ = psutil.wait_procs([child], timeout=10)
    assert gone
    assert isinstance(pool.look_inside(small_file(), LIMITS)[0], Page)


def test_processes_stay_warm_and_there_are_no_more_than_callers(pool: DecoderPool) -> None:
    for number in range(5):
        pool.look_inside(small_file(number), LIMITS)
    assert len(pool.pids) == 1


def test_closing_ends_every_process(pool: DecoderPool) -> None:
    pool.look_inside(small_file(), LIMITS)
    (pid,) = pool.pids
    pool.close()
    assert not psutil.pid_exists(pid)


def test_a_decoder_may_not_take_more_memory_than_the_limits_provide_for() -> None:
    statement = (
        "from imagerag_assets.images.decoder_process import _limit_memory\n"
        "from imagerag_assets.settings import Limits\n"
        "_limit_memory(Limits(max_pixels=1, max_bytes=1))\n"
        "try: bytearray(2 << 30)\n"
        "except MemoryError: print('refused')\n"
        # The next file's limits may be wider.
        "_limit_memory(Limits())\n"
        "print(len(bytearray(2 << 30)))"
    )
    child = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    assert child.stdout.split() == ["refused", str(2 << 30)]


_PARENT = """
import sys, threading, time
from imagerag_assets.images.workers import decoders
from imagerag_assets.settings import Limits
data = open(sys.argv[1], "rb").read()
pool = decoders()
pool.look_inside(open(sys.argv[2], "rb").read(), Limits())
threading.Thread(target=pool.look_inside, args=(data, Limits()), daemon=True).start()
print(pool.pids[0], flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("busy", [True, False])
def test_a_parent_that_is_killed_leaves_no_orphan(busy: bool, slow_file: bytes, tmp_path: Path) -> None:
    slow, small = tmp_path / "slow", tmp_path / "small"
    slow.write_bytes(slow_file if busy else small_file())
    small.write_bytes(small_file())
    with subprocess.Popen([sys.executable, "-c", _PARENT, slow, small], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        time.sleep(0.3)
        parent.kill()
    _gone, alive = psutil.wait_procs([child], timeout=20)
    assert not alive


def test_a_process_that_cannot_start_fails_the_run_and_says_why(
    pool: DecoderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_MODULE", "imagerag_assets.images.no_such_module")
    with pytest.raises(DecoderError, match=r"does not start: .*no_such_module"):
        pool.look_inside(small_file(), LIMITS)


def test_a_decoder_process_loads_neither_models_nor_the_orchestrator_nor_the_database() -> None:
    statement = "import imagerag_assets.images.decoder_process, sys; print(*sys.modules)"
    child = subprocess.run([sys.executable, "-c", statement], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in child.stdout.split()}
    assert not loaded & {"torch", "transformers", "sentence_transformers", "dagster", "psycopg", "openai"}
