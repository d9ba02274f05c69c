"""The command line. Heavy imports are inside the commands, so that --help answers at once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from imagerag_assets.errors import ImageragError, QueryError
from imagerag_assets.methods import Method
from imagerag_assets.serving import batches, benchmark, duplicates, generations, keys, metrics
from imagerag_assets.serving.agents.command import mcp
from imagerag_assets.serving.asking import LIKE_HELP, ask, read_picture
from imagerag_assets.serving.doctor import doctor
from imagerag_assets.serving.metrics import print_newest
from imagerag_assets.serving.review import review
from imagerag_assets.serving.serve import serve
from imagerag_assets.serving.show import show
from imagerag_assets.serving.status import status
from imagerag_assets.serving.terminal import NOTHING_FOUND, SettingsFile, err, out
from imagerag_assets.serving.terminal import plain as _plain
from imagerag_assets.serving.tune import tune

if TYPE_CHECKING:
    from imagerag_assets.project import Project
    from imagerag_assets.retrieval.search import Result

app = typer.Typer(
    help="Images as a searchable, evaluated index in Postgres/pgvector.",
    epilog="Exit codes: 0 done or found, 1 an error, 2 wrong usage, 3 nothing found or nothing good enough.",
    no_args_is_help=True, add_completion=True,
    pretty_exceptions_enable=False,
)  # fmt: skip
for door in (ask, status, doctor, show, review, serve, mcp, batches.batches, tune):
    app.command()(door)
app.add_typer(benchmark.app, name="benchmark")
app.add_typer(generations.app, name="generations")
app.add_typer(metrics.app, name="metrics")
app.add_typer(keys.app, name="keys")
app.add_typer(duplicates.app, name="duplicates")


def main() -> None:
    """Run the command line; an error that a person can mend is one message and exit code 1."""
    try:
        app()
    except ImageragError as error:
        told = str(error)
    except Exception as error:
        if not _is_of_database(error):
            raise
        told = f"The database went away in the middle ({error}). Try again when it is back."
    else:
        return
    err.print(f"[bold red]Error:[/] {_plain(told)}", highlight=False, soft_wrap=True)
    sys.exit(1)


def _is_of_database(error: Exception) -> bool:
    import psycopg

    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)


@app.command()
def demo(settings: SettingsFile = None) -> None:
    """Materialize the whole graph and print the metrics."""
    from imagerag_assets.evaluation.report.evaluations import subjects

    _materialize(settings, [])
    project = _project(settings)
    print_newest(project)
    with project.database.connect() as connection:
        # A candidate's page is newer than that of what is live.
        live = [one.file_name for one in subjects(connection) if not one.is_candidate]
    out.print(f"\nThe report: {project.settings.data_path.joinpath('reports', *live)}", soft_wrap=True)
    out.print("The Dagster UI: make dev, then http://127.0.0.1:3000")
    out.print('Search: .venv/bin/imagerag search "red mug on a wooden table" --collection products')


@app.command()
def materialize(
    assets: Annotated[list[str] | None, typer.Argument(help="Asset names; none: the whole graph.")] = None,
    settings: SettingsFile = None,
    allow_removal: Annotated[
        list[str] | None,
        typer.Option(help="A collection that may lose more than max_removed_share of its images, this once."),
    ] = None,
) -> None:
    """Run assets through Dagster, here and now. Only what is new or changed costs anything."""
    _materialize(settings, assets or [], allow_removal or [])


@app.command()
def estimate(
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Say what describing the pending images will cost. Nothing is called."""
    from imagerag_assets.serving.estimate import as_json as to_json
    from imagerag_assets.serving.estimate import estimate as run

    told = run(_project(settings))
    if as_json:
        print(json.dumps(to_json(told), indent=2))
        return
    table = Table("collection", "images", "tokens in", "tokens out", "USD", title=f"Pending for {_plain(told.model)}")
    for one in told.pending:
        table.add_row(one.collection, f"{one.images:,}", f"{one.tokens_in:,}", f"{one.tokens_out:,}", _dollars(one.usd))
    out.print(table)
    images = sum(one.images for one in told.pending)
    out.print(f"{images:,} images, about {_dollars(told.usd)} USD, from {told.basis}.", soft_wrap=True)
    out.print("Files that raw_images has not seen yet are not counted.")


@app.command()
def search(
    text: Annotated[str, typer.Argument(help="What to look for.")] = "",
    image: Annotated[Path | None, typer.Option(help="A picture to look for, alone or with the text.")] = None,
    like: Annotated[str, typer.Option(help=LIKE_HELP)] = "",
    method: Annotated[Method, typer.Option(help="The leg to search by, or how to fuse them.")] = "hybrid",
    collection: Annotated[list[str] | None, typer.Option(help="Only in these collections.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="A condition on the results: category=mug, date>=2024-05. Repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 10,
    offset: Annotated[int, typer.Option(min=0, max=10_000, help="Results to skip, for the next page.")] = 0,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every image, without the vector index.")] = False,
    thumbnails: Annotated[bool, typer.Option("--thumbnails", help="Show small pictures, in a terminal.")] = False,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Search the live index by words, by a picture, or by both. Exit code 3: nothing found, or nothing good enough."""
    from imagerag_assets.retrieval.filters import parse_conditions
    from imagerag_assets.retrieval.search import Query, nothing_good_enough
    from imagerag_assets.retrieval.search import search as run

    if not (text.strip() or image or like):
        raise QueryError("Nothing to look for: give a text, or --image with a picture, or --like with an image's id.")
    project = _project(settings)
    picture = read_picture(project, image) if image else None
    found = run(
        project, Query(text, picture, image_id=like), method=method, collections=tuple(collection or ()),
        where=parse_conditions(where or ()), limit=limit, offset=offset, exact=exact,
    )  # fmt: skip
    threshold = project.settings.index.relevance
    nothing = not found or nothing_good_enough(found, threshold, offset)
    if as_json:
        print(json.dumps([asdict(result) for result in found], ensure_ascii=False, indent=2))
    else:
        _print_results(found, offset, project.settings.descriptions.trust)
        if thumbnails:
            _print_thumbnails(project, found, offset)
        if nothing:
            best = max((result.relevance or 0.0 for result in found), default=None)
            told = "" if best is None else f": the best relevance is {best:.2f}, index.relevance is {threshold:.2f}"
            out.print(f"Nothing here is a good answer{told}." if found else "Nothing was found.")
    if nothing:
        raise typer.Exit(NOTHING_FOUND)


def _print_results(found: Sequence[Result], offset: int, trust: float) -> None:
    table = Table("", "score", "image", "legs (rank)", "description")
    for rank, result in enumerate(found, start=offset + 1):
        legs = " ".join(f"{leg}:{one.rank}" for leg, one in result.legs.items())
        more = f" (+{len(result.duplicates)} duplicates)" if result.duplicates else ""
        image_name = _plain(f"{result.collection}/{result.uri}{more}")
        flagged = result.confidence is not None and result.confidence < trust
        said = (f"[not to be trusted: {result.confidence:.2f}] " if flagged else "") + result.description[:120]
        table.add_row(str(rank), f"{result.score:.3f}", image_name, legs, _plain(said))
    out.print(table)


def _print_thumbnails(project: Project, found: Sequence[Result], offset: int) -> None:
    from imagerag_assets.retrieval.images import thumbnail_of
    from imagerag_assets.serving.inline import protocol_of, show_picture

    if protocol_of(out) is None:
        return
    with project.database.connect() as connection:
        for rank, result in enumerate(found, start=offset + 1):
            out.print(f"{rank} {_plain(f'{result.collection}/{result.uri}')}")
            show_picture(out, thumbnail_of(connection, result.content)[0], columns=24)


@app.command()
def quarantine(
    collection: Annotated[list[str] | None, typer.Option(help="Only of these collections.")] = None,
    reason: Annotated[
        list[str] | None, typer.Option(help="Only for these reasons; docs/quarantine.md has all.")
    ] = None,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """List the files that cannot be used, with the reason for each."""
    from imagerag_assets.images.quarantine import quarantined

    project = _project(settings)
    for name in collection or ():
        project.settings.collection(name)
    with project.database.connect() as connection:
        rows = quarantined(connection, collection or (), reason or ())
    if as_json:
        print(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=2, default=str))
        return
    table = Table("collection", "file", "reason", "message", "tries", "since")
    for row in rows:
        name, message = _plain(row.uri), _plain(row.message)
        table.add_row(row.collection, name, row.reason, message, str(row.attempts), f"{row.first_seen:%Y-%m-%d %H:%M}")
    out.print(table)


@app.command()
def stop(settings: SettingsFile = None) -> None:
    """Stop the embedded database server of this project."""
    from imagerag_assets.database.connection import stop_embedded

    stop_embedded(_project(settings).settings.data_path / "postgres")


def _project(settings: Path | None) -> Project:
    from imagerag_assets.project import open_project

    return open_project(settings)


def _materialize(settings: Path | None, assets: list[str], allow_removal: list[str] | None = None) -> None:
    from imagerag_assets.automation.launch import materialize as run
    from imagerag_assets.models.dual_encoder import DualEncoder
    from imagerag_assets.models.text_encoder import TextEncoder

    started = time.monotonic()
    outcome = run(settings, assets, allow_removal or [])
    if outcome.failure:
        err.print(f"[bold red]The run failed:[/] {_plain(outcome.failure)}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    images, texts = DualEncoder.images_encoded, DualEncoder.texts_encoded + TextEncoder.texts_encoded
    work = ", ".join(f"{name} {count}" for name, count in outcome.done.items())
    seen = f"the models saw {images} images and {texts} texts" if images or texts else "no model was loaded"
    told = f"new, updated or removed: {work}; {seen}" if work else f"nothing was new, {seen}"
    if outcome.failed:
        told += f"; failed: {outcome.failed}, the checks in the Dagster UI say why"
    out.print(f"\nDone in {time.monotonic() - started:.0f} s: {told}. Run {outcome.run_id}.", soft_wrap=True)


def _dollars(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
