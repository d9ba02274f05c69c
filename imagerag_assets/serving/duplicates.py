"""imagerag duplicates: look at the groups, and overrule them by hand."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from imagerag_assets.serving.terminal import SettingsFile, out, plain

if TYPE_CHECKING:
    from imagerag_assets.database.connection import Connection
    from imagerag_assets.stages.duplicate_decisions import Decision

app = typer.Typer(
    help="Look at groups of duplicates, split or join them by hand, and take that back. Every run obeys.",
    no_args_is_help=True,
)

_IMAGE = "collection/path, or eight or more digits of the content's hash"
Image = Annotated[str, typer.Argument(help=f"An image: {_IMAGE}.", show_default=False)]
By = Annotated[str, typer.Option(help="Who says so; default: the user that runs this.", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for those who come after.")]

_GROUPS = """
    select d.canonical,
           array_agg(jsonb_build_object('content', d.content, 'files', f.files, 'relation', d.relation,
                                        'distance', round(d.distance::numeric, 3))
                     order by d.content <> d.canonical, d.distance, d.content) as members
    from deduped_set d
    join lateral (
        select array_agg(r.collection || '/' || r.uri order by r.collection, r.uri) as files
        from raw_images r where r.content = d.content and r.removed_at is null) f on f.files is not null
    where d.canonical in (select canonical from deduped_set where relation <> 'canonical')
      and (%(collection)s::text is null or exists (
          select from raw_images r join deduped_set m using (content)
          where m.canonical = d.canonical and r.removed_at is null and r.collection = %(collection)s))
    group by d.canonical order by max(d.distance) desc, d.canonical limit %(limit)s
"""


@app.command(name="list")
def list_groups(
    collection: Annotated[str | None, typer.Option(help="Only groups with an image of this collection.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many groups, the least alike first.")] = 20,
    settings: SettingsFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """Show the groups of two images and more, the least alike first, and what was decided by hand."""
    from imagerag_assets.project import open_project
    from imagerag_assets.stages import duplicate_decisions

    project = open_project(settings)
    if collection is not None:
        project.settings.collection(collection)
    with project.database.connect() as connection:
        groups = connection.execute(_GROUPS, {"collection": collection, "limit": limit}).fetchall()
        decisions = [_told(connection, one) for one in duplicate_decisions.active(connection)]
    if as_json:
        members = [{"canonical": canonical, "members": members} for canonical, members in groups]
        print(json.dumps({"groups": members, "decisions": decisions}, default=str, ensure_ascii=False, indent=2))
        return
    _print_groups(groups)
    _print_decisions(decisions)


@app.command()
def join(first: Image, second: Image, by: By = "", reason: Reason = "", settings: SettingsFile = None) -> None:
    """Say that two images show the same picture: they share a group from now on."""
    from imagerag_assets.project import open_project
    from imagerag_assets.stages import duplicate_decisions

    with open_project(settings).database.connect() as connection:
        pair = (
            duplicate_decisions.find_image(connection, first),
            duplicate_decisions.find_image(connection, second),
        )
        duplicate_decisions.decide(connection, "same", [pair], by=_who(by), reason=reason)
        _print_result(connection, pair[0])


@app.command()
def split(
    image: Image,
    other: Annotated[str, typer.Argument(help="The image that it is not; none: all others of its group.")] = "",
    by: By = "",
    reason: Reason = "",
    settings: SettingsFile = None,
) -> None:
    """Say that an image is not the same picture as another, or as any other of its group."""
    from imagerag_assets.errors import DecisionError
    from imagerag_assets.project import open_project
    from imagerag_assets.stages import duplicate_decisions

    with open_project(settings).database.connect() as connection:
        content = duplicate_decisions.find_image(connection, image)
        others = (
            [duplicate_decisions.find_image(connection, other)]
            if other
            else [member for member in duplicate_decisions.group_of(connection, content) if member != content]
        )
        if not others:
            raise DecisionError(f"{image} is alone in its group: there is nothing to split it from.")
        pairs = [(content, one) for one in others]
        duplicate_decisions.decide(connection, "different", pairs, by=_who(by), reason=reason)
        _print_result(connection, content)


@app.command()
def undo(
    decision: Annotated[int, typer.Argument(help="The decision's number, as `list` shows it.", show_default=False)],
    by: By = "",
    settings: SettingsFile = None,
) -> None:
    """Take a decision back: the rules alone decide again. It stays on record."""
    from imagerag_assets.project import open_project
    from imagerag_assets.stages import duplicate_decisions

    with open_project(settings).database.connect() as connection:
        report = duplicate_decisions.undo(connection, decision, by=_who(by))
    out.print(f"Decision {decision} no longer holds; {report.worked} images changed their group. {_NEXT}")


def _who(by: str) -> str:
    from imagerag_assets.errors import DecisionError

    try:
        return by or getpass.getuser()
    except (KeyError, OSError):
        # In a container the user may have no name.
        raise DecisionError("The user that runs this has no name. Say who decides: --by NAME") from None


_NEXT = "Search shows it after: imagerag materialize deduped_set pgvector_index"


def _print_result(connection: Connection, content: str) -> None:
    from imagerag_assets.stages import duplicate_decisions

    members = [
        duplicate_decisions.name_of(connection, one) for one in duplicate_decisions.group_of(connection, content)
    ]
    out.print(f"Its group is now: {plain(', '.join(members))}. {_NEXT}", soft_wrap=True)


def _told(connection: Connection, one: Decision) -> dict[str, Any]:
    from imagerag_assets.stages.duplicate_decisions import name_of

    return {
        "decision": one.number,
        "verdict": one.verdict,
        "images": [name_of(connection, content) for content in (one.a, one.b)],
        "by": one.decided_by,
        "at": one.decided_at,
        "reason": one.reason,
    }


def _print_groups(groups: list[tuple[Any, ...]]) -> None:
    table = Table("canonical image", "duplicates (1 − similarity)", title=f"{len(groups)} groups")
    for _, members in groups:
        canonical, *others = members
        lines = [f"{', '.join(one['files'])} ({one['relation']} {one['distance']})" for one in others]
        table.add_row(plain(", ".join(canonical["files"])), plain("\n".join(lines)))
    out.print(table)


def _print_decisions(decisions: list[dict[str, Any]]) -> None:
    if not decisions:
        return
    table = Table("", "verdict", "images", "by", "when", "reason", title="Decided by hand")
    for one in decisions:
        images = plain("\n".join(one["images"]))
        when = f"{one['at']:%Y-%m-%d %H:%M}"
        table.add_row(str(one["decision"]), one["verdict"], images, plain(one["by"]), when, plain(one["reason"]))
    out.print(table)
