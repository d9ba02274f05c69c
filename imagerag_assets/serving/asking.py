"""`imagerag ask`: an answer from the images, as it comes; and the picture that a question or a search may bring."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.style import Style
from rich.text import Text

from imagerag_assets.serving.terminal import NOTHING_FOUND, SettingsFile, err, out, plain

if TYPE_CHECKING:
    from PIL import Image

    from imagerag_assets.answers import Answer, Citation
    from imagerag_assets.project import Project

LIKE_HELP = "An indexed image to look for: its sha256 or the first digits of it, or collection/path."


def ask(
    question: Annotated[str, typer.Argument(help="What to find out.")],
    image: Annotated[Path | None, typer.Option(help="A picture that the question is about.")] = None,
    like: Annotated[str, typer.Option(help=LIKE_HELP)] = "",
    collection: Annotated[list[str] | None, typer.Option(help="Only from these collections.")] = None,
    where: Annotated[
        list[str] | None, typer.Option(help="A condition on the images: category=mug, date>=2024-05. Repeatable.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10, help="How many images the answer may be from.")] = 3,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable, all at once.")] = False,
) -> None:
    """Answer a question from the images, and cite them. Exit code 3: the images do not answer it."""
    from imagerag_assets.answers import Answer, ask_stream
    from imagerag_assets.project import open_project
    from imagerag_assets.retrieval.filters import parse_conditions

    project = open_project(settings)
    picture = read_picture(project, image) if image else None
    pieces = ask_stream(
        project, question, image=picture, image_id=like or None, collections=tuple(collection or ()),
        where=parse_conditions(where or ()), limit=limit,
    )  # fmt: skip
    answer: Answer | None = None
    for piece in pieces:
        if isinstance(piece, Answer):
            answer = piece
        elif not as_json:
            out.print(plain(piece), end="", highlight=False, soft_wrap=True)
            out.file.flush()
    if answer is None:
        raise typer.Exit(1)
    if as_json:
        print(json.dumps(asdict(answer), ensure_ascii=False, indent=2, default=float))
    else:
        _print_sources(project, answer)
    if answer.refused:
        raise typer.Exit(NOTHING_FOUND)


def read_picture(project: Project, file: Path) -> Image.Image:
    """The picture of a file that a person names. Raises `SettingsError`."""
    from imagerag_assets.errors import ItemError, SettingsError
    from imagerag_assets.images.decode import decode

    if not file.is_file():
        raise SettingsError(f"--image: there is no file {file}.")
    try:
        return decode(file.read_bytes(), project.settings.limits).image
    except ItemError as error:
        raise SettingsError(f"--image: {file} cannot be used: {error}") from None


def _print_sources(project: Project, answer: Answer) -> None:
    out.print("\n")
    for one in answer.citations:
        out.print(_source(project, answer, one), highlight=False, soft_wrap=True)
    for note in answer.notes:
        err.print(f"Note: {plain(note)}", highlight=False, soft_wrap=True)
    if answer.model:
        cost = "cost unknown" if answer.usd is None else f"{answer.usd:.4f} USD"
        tokens = f"{answer.tokens_in or 0:,} tokens in, {answer.tokens_out or 0:,} out"
        err.print(f"{plain(answer.model)}: {tokens}, {cost}, {answer.latency_ms / 1000:.1f} s", highlight=False)


def _source(project: Project, answer: Answer, one: Citation) -> Text:
    """One cited image; where its file is on this machine, a link to it."""
    folder = project.source_folder(one.collection)
    # A page of a document has the document's file.
    path = folder / one.uri.partition("#page=")[0] if folder else None
    link = path.as_uri() if path and path.is_file() else None
    name = "".join(char for char in f"{one.collection}/{one.uri}" if char.isprintable())
    text = Text(f"[{one.number}] ").append(name, Style(link=link))
    found = answer.results[one.number - 1]
    if one.box and one.box != (0, 0, found.width, found.height):
        text.append(f"  best match at {one.box[0]},{one.box[1]} to {one.box[2]},{one.box[3]}")
    return text
