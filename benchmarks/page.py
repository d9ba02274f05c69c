"""BENCHMARKS.md, its plots, and the tables of the terminal, from results. Nothing here is measured."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.results import ComparisonResult, Results, RowResult, ScalingResult, TargetResult
from benchmarks.rows import ROWS

PAGE = Path(__file__).parent.parent / "BENCHMARKS.md"
_BEGIN, _END = "<!-- results: written by python -m benchmarks -->", "<!-- /results -->"


def write_page(results: Results, page: Path = PAGE) -> None:
    """Put tables and plots between the page's two marks; what stands around them stays."""
    rows = [results.rows[name] for name in ROWS if name in results.rows]
    for row in rows:
        for scaling in row.scalings:
            _plot(scaling, page.parent / _plot_file(row, scaling))
    text = page.read_text(encoding="utf-8")
    before, after = text.split(_BEGIN)[0], text.split(_END)[1]
    lines = [*_summary(rows), *(line for row in rows for line in _section(row))]
    page.write_text(before + _BEGIN + "\n" + "\n".join(lines) + "\n" + _END + after, encoding="utf-8")


def print_row(console: Console, row: RowResult) -> None:
    """The row's ways and targets, for the terminal."""
    if row.missing:
        console.print(f"{row.row}: not run. {row.missing}")
    for comparison in row.comparisons:
        table = Table("way", "median", "rounds", title=f"{comparison.name}: {comparison.work}", title_justify="left")
        for name, way in comparison.ways.items():
            table.add_row(
                f"{name}: {way.what}", _time(way.median), f"{_time(min(way.rounds))} – {_time(max(way.rounds))}"
            )
        console.print(table)
        if comparison.facts:
            console.print("  " + ", ".join(f"{name} {value:.4g}" for name, value in comparison.facts.items()))
    for scaling in row.scalings:
        console.print(f"{scaling.name}: {scaling.work}")
        for name, points in scaling.points.items():
            console.print(f"  {name}: {_points(points)}{_growth(scaling, name)}")
    for target in row.targets:
        console.print(f"  {'met   ' if target.met else 'MISSED'} {target.text}: {_measured(target)}")


def _summary(rows: list[RowResult]) -> Iterator[str]:
    yield from ("", "| row | target | measured (rounds) | |", "| --- | --- | --- | --- |")
    for row in rows:
        if row.missing:
            yield f"| [{row.row}](#{row.row}) | | not run: {row.missing} | – |"
        parts: list[ComparisonResult | ScalingResult] = [*row.comparisons, *row.scalings]
        for part in parts:
            for target in part.targets:
                what = f"{part.name}: {target.text}"
                yield f"| [{row.row}](#{row.row}) | {what} | {_measured(target)} | {_verdict(target)} |"


def _section(row: RowResult) -> Iterator[str]:
    machine = row.machine
    yield from ("", f"## {row.row}", "")
    yield (
        f"{row.date}, {row.rounds} rounds on {machine.processor}, {machine.cores} cores, {machine.memory_gb:g} GB, "
        f"threads: {machine.threads or 'one per core'}, card: {machine.card}, files on {machine.files}; "
        f"{machine.load:g} processes were running."
    )
    if row.missing:
        yield from ("", f"Not run: {row.missing}")
    for comparison in row.comparisons:
        yield from _comparison(comparison)
    for scaling in row.scalings:
        yield from _scaling(row, scaling)


def _comparison(found: ComparisonResult) -> Iterator[str]:
    yield from ("", f"**{found.name}**: {found.work}", "", "| way | | median | rounds | of ours |")
    yield "| --- | --- | ---: | ---: | ---: |"
    ours = found.ways["ours"].median if "ours" in found.ways else None
    for name, way in found.ways.items():
        spread = f"{_time(min(way.rounds))} – {_time(max(way.rounds))}"
        share = f"{way.median / ours:.2f}×" if ours else ""
        yield f"| {name} | {way.what} | {_time(way.median)} | {spread} | {share} |"
    if found.facts:
        yield from ("", "; ".join(f"{name} {value:.4g}" for name, value in found.facts.items()) + ".")
    yield from _targets(found.targets, found.why)


def _scaling(row: RowResult, found: ScalingResult) -> Iterator[str]:
    sizes = sorted({size for points in found.points.values() for size in points})
    yield from ("", f"**{found.name}**: {found.work}", "")
    yield "| way | " + " | ".join(f"{size:,}" for size in sizes) + " | growth |"
    yield "| --- |" + " ---: |" * (len(sizes) + 1)
    for name, points in found.points.items():
        cells = [_time(points[size]) if size in points else "" for size in sizes]
        yield f"| {name} | " + " | ".join(cells) + f" | {_growth(found, name).strip(' ,')} |"
    yield from ("", f"![{found.name}]({_plot_file(row, found).as_posix()})")
    yield from _targets(found.targets, found.why)


def _targets(targets: list[TargetResult], why: str) -> Iterator[str]:
    if targets:
        yield ""
    for target in targets:
        yield f"- {target.text}: {_measured(target)}, {_verdict(target)}"
    if why:
        yield from ("", why)


def _verdict(target: TargetResult) -> str:
    return "met" if target.met else "**missed**"


def _measured(target: TargetResult) -> str:
    if target.unit == "s":
        return f"{_time(target.value)} ({_time(target.least)} – {_time(target.most)})"
    spread = "" if target.least == target.most else f" ({target.least:.3g}–{target.most:.3g})"
    return f"{target.value:.3g}{target.unit}{spread}"


def _points(points: dict[int, float]) -> str:
    return ", ".join(f"{size:,} {_time(seconds)}" for size, seconds in points.items())


def _growth(scaling: ScalingResult, way: str) -> str:
    return f", n^{scaling.exponents[way]:.2f}" if way in scaling.exponents else ""


def _time(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:,.3g} s" if seconds < 1000 else f"{seconds:,.0f} s"


def _plot_file(row: RowResult, scaling: ScalingResult) -> Path:
    name = re.sub(r"[^a-z0-9]+", "-", scaling.name.lower()).strip("-")
    return Path("docs/benchmarks") / f"{row.row}-{name}.png"


def _plot(scaling: ScalingResult, file: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(6, 3.6))
    for name, points in scaling.points.items():
        axis.loglog(list(points), list(points.values()), marker="o", markersize=4, label=name + _growth(scaling, name))
    axis.set_xlabel("n")
    axis.set_ylabel("seconds")
    axis.set_title(scaling.name, fontsize=10)
    axis.grid(which="major", alpha=0.3)
    axis.legend(fontsize=8)
    # Some scalings span less than two powers of ten, between which matplotlib's own numbers run into each other.
    sizes = sorted({size for points in scaling.points.values() for size in points})
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=8)
    axis.set_xticks([], minor=True)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    # Without the drawing program's version: the same points give the same file.
    figure.savefig(file, dpi=100, metadata={"Software": None})
    plt.close(figure)
