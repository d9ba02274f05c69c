"""imagerag benchmark: make one by marking what the methods find, import one, and check what is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imagerag_assets.serving.terminal import SettingsFile, err, out, plain

if TYPE_CHECKING:
    from imagerag_assets.database.stages import Progress
    from imagerag_assets.evaluation.benchmarks.judging import Candidate
    from imagerag_assets.evaluation.benchmarks.splits import Shares
    from imagerag_assets.project import Project
    from imagerag_assets.settings import Collection

app = typer.Typer(help="Make, judge, import and check the benchmarks of collections.", no_args_is_help=True)

Name = Annotated[
    str, typer.Argument(help="A name in benchmarks/ beside the settings file, or a folder's path.", show_default=False)
]
CollectionName = Annotated[str, typer.Option("--collection", help="Whose images it judges.", show_default=False)]
Splits = Annotated[
    str,
    typer.Option(
        help="Shares of train/validation/test among the queries, such as 40/20/40. Only test is then reported.",
        show_default=False,
    ),
]
_COLUMNS = 48
"""Width of a picture in the terminal, in characters."""


@app.command()
def new(
    name: Name,
    collection: CollectionName,
    queries: Annotated[Path, typer.Option(help="A query per line, or BEIR's queries.jsonl.", show_default=False)],
    depth: Annotated[
        int | None, typer.Option(min=1, max=100, help="Results of each method that are judged.", show_default="10")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the order in which images are shown.", show_default="0")] = None,
    splits: Splits = "",
    settings: SettingsFile = None,
) -> None:
    """Pool the best results of every method for your queries. Called again, it goes on where it was, by its rules."""
    from imagerag_assets.evaluation.benchmarks.model import Rules
    from imagerag_assets.evaluation.benchmarks.pooling import add_queries

    project = _project(settings)
    project.settings.collection(collection)
    folder = _folder(project, name)
    given = {"depth": depth, "seed": seed, "splits": _shares(splits)}
    rules = Rules.model_validate(
        {"collection": collection, **{name: value for name, value in given.items() if value is not None}}
    )
    added = add_queries(project, folder, queries, rules)
    out.print(f"{added} new queries in {plain(str(folder))}.", soft_wrap=True)
    _pool(project, folder, again=False)
    _say_how_it_counts(project, folder, collection)


@app.command()
def pool(name: Name, settings: SettingsFile = None) -> None:
    """Search again for all queries, and add what is found now and waits to be judged: for a new model or new images."""
    project = _project(settings)
    _pool(project, _folder(project, name), again=True)


@app.command()
def judge(name: Name, settings: SettingsFile = None) -> None:
    """Mark the pooled images one by one: 0 to 3, s skip, u undo, q quit. Every mark is on disk at once."""
    from imagerag_assets.evaluation.benchmarks import judging
    from imagerag_assets.evaluation.benchmarks.files import read_rules

    project = _project(settings)
    folder = _folder(project, name)
    collection = read_rules(folder).collection
    source = project.source_folder(collection)
    skipped: set[tuple[str, str]] = set()
    shown = ""
    out.print("  ".join(f"[bold]{grade}[/] {word}" for grade, word in judging.GRADES.items()))
    while candidate := judging.next_unjudged(folder, source, skipped):
        key = (candidate.query.query_id, candidate.image.corpus_id)
        _show(project, collection, candidate, new_query=key[0] != shown)
        shown = key[0]
        pressed = _pressed()
        if pressed in map(str, judging.GRADES):
            judging.judge(folder, *key, int(pressed), source)
        elif pressed == "s":
            skipped.add(key)
        elif pressed == "u":
            back = judging.undo(folder, source)
            out.print(f"Taken back: {plain(back.corpus_id)}." if back else "There is no mark.", soft_wrap=True)
        elif pressed in ("q", ""):
            break
    else:
        out.print("Every pooled image is judged." if not skipped else f"{len(skipped)} images were skipped.")
    _say_how_it_counts(project, folder, collection)


@app.command(name="import")
def import_(
    source: Annotated[
        Path, typer.Argument(help="A BEIR or MTEB folder, or a query log (.csv, .jsonl).", show_default=False)
    ],
    collection: CollectionName,
    name: Annotated[str, typer.Option(help="The benchmark's name or folder; default: the source's name.")] = "",
    since: Annotated[str, typer.Option(help="Of a query log: only lines of this day (2024-05-31) and later.")] = "",
    splits: Splits = "",
    settings: SettingsFile = None,
) -> None:
    """Turn a benchmark from elsewhere, or a log of clicks, into a benchmark of a collection."""
    from imagerag_assets.evaluation.benchmarks.importing import import_benchmark
    from imagerag_assets.evaluation.benchmarks.model import Rules

    project = _project(settings)
    project.settings.collection(collection)
    folder = _folder(project, name or source.resolve().stem)
    rules = Rules(collection=collection, splits=_shares(splits))
    report = import_benchmark(project, source, folder, rules, since)
    counts = f"{report.queries} queries and {report.judgements} judgements from {report.form}"
    out.print(f"{counts} in {plain(str(folder))}.", soft_wrap=True)
    for line in report.left_out:
        err.print(f"[bold yellow]Left out:[/] {plain(line)}", highlight=False, soft_wrap=True)
    _say_how_it_counts(project, folder, collection)


@app.command()
def remember(name: Name, settings: SettingsFile = None) -> None:
    """Write down which images the judgements are about, as they are now: later changes are then told as stale."""
    from imagerag_assets.evaluation.benchmarks import judging
    from imagerag_assets.evaluation.benchmarks.files import read_rules

    project = _project(settings)
    folder = _folder(project, name)
    collection = read_rules(folder).collection or _collection_of(project, folder)
    with project.database.connect() as connection:
        count = judging.remember(connection, folder, collection, project.source_folder(collection))
    out.print(f"{count} judgements now remember the image that they are about.")


@app.command()
def check(settings: SettingsFile = None) -> None:
    """Read the benchmarks of all collections and say what is to be known of their numbers. Exit code 1 for errors."""
    from imagerag_assets.evaluation.benchmarks.findings import findings
    from imagerag_assets.stages import benchmark_queries

    project = _project(settings)
    benchmark_queries.run(project)
    with project.database.connect() as connection:
        found = findings(connection)
    for one in found:
        out.print(f"[bold]{one.benchmark}[/] {one.level}: {plain(one.message)}", highlight=False, soft_wrap=True)
    if not found:
        out.print("Nothing is wrong with any benchmark.")
    if any(one.level == "error" for one in found):
        raise typer.Exit(1)


def _project(settings: Path | None) -> Project:
    from imagerag_assets.project import open_project

    return open_project(settings)


def _folder(project: Project, name: str) -> Path:
    from imagerag_assets.evaluation.benchmarks.pooling import benchmark_path

    return benchmark_path(project.settings.root, name)


def _shares(splits: str) -> Shares | None:
    from pydantic import ValidationError

    from imagerag_assets.errors import SettingsError
    from imagerag_assets.evaluation.benchmarks.splits import SPLITS, Shares

    if not splits:
        return None
    try:
        return Shares.model_validate(dict(zip(SPLITS, splits.split("/"), strict=True)))
    except (ValueError, ValidationError):
        raise SettingsError(
            f"--splits: {splits!r} is no train/validation/test such as 40/20/40; test and one of the others above 0."
        ) from None


def _pool(project: Project, folder: Path, *, again: bool) -> None:
    from imagerag_assets.evaluation.benchmarks import pooling

    def progress(now: Progress) -> None:
        if sys.stderr.isatty():
            err.print(f"{now.done}/{now.total} queries", end="\r")

    report = pooling.pool(project, folder, progress, again=again)
    out.print(f"{report.images} images to judge from {report.queries} queries; {report.skipped} were pooled before.")


def _show(project: Project, collection: str, candidate: Candidate, *, new_query: bool) -> None:
    """The query, once, and the picture, which only a terminal shows. No description: a method made it."""
    from imagerag_assets.serving.inline import show_picture

    if new_query:
        out.rule(f"[bold]{plain(candidate.query.text or 'like this picture')}[/]")
        if candidate.query.image is not None:
            out.print(f"Example: {plain(str(candidate.query.image))}", soft_wrap=True)
    with project.database.connect() as connection:
        row = connection.execute(
            "select thumbnail from contents where content = %s", (candidate.image.content,)
        ).fetchone()
    show_picture(out, row[0] if row else b"", _COLUMNS)
    where = plain(f"{collection}/{candidate.image.corpus_id}")
    out.print(
        f"{candidate.judged + 1} of {candidate.pooled}  {where}  [dim]0 1 2 3 s u q[/]", highlight=False, soft_wrap=True
    )


def _pressed() -> str:
    """A key, or where nobody sits at a keyboard the first letter of a line; empty at the end."""
    import click

    if not sys.stdin.isatty():
        return sys.stdin.readline()[:1].lower()
    try:
        return click.getchar(echo=True).lower()
    except (KeyboardInterrupt, EOFError):
        return ""


def _collection_of(project: Project, folder: Path) -> str:
    """The collection whose setting names the folder."""
    from imagerag_assets.errors import SettingsError

    for collection in project.settings.collections:
        if _names(project, collection, folder):
            return collection.name
    raise SettingsError(f"No collection's benchmark is {folder}: write collection: NAME into its benchmark.yaml.")


def _names(project: Project, collection: Collection, folder: Path) -> bool:
    """Whether the collection's setting names this folder, which need not exist."""
    named = collection.benchmark
    return named is not None and (project.settings.root / Path(named).expanduser()).resolve() == folder.resolve()


def _say_how_it_counts(project: Project, folder: Path, collection: str) -> None:
    """Where the folder is not yet the collection's benchmark, what to write into the settings."""
    if _names(project, project.settings.collection(collection), folder):
        return
    root, place = project.settings.root.resolve(), folder.resolve()
    setting = f"benchmark: {plain(str(place.relative_to(root) if place.is_relative_to(root) else place))}"
    out.print(f"To measure by it, write under the collection {collection} in the settings: {setting}", soft_wrap=True)
