"""Generations of the index: one per fingerprint of embedders and parameters, each with tables of its own.

The live one is what search reads. A candidate has all its images and waits beside it until the gate or a person
promotes it; a retired one was live, or was a candidate that the settings no longer ask for, and stays for a time. How
rows are kept current is `index`'s; what a person decides is `switching`'s.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.types.json import Jsonb

from imagerag_assets.database.connection import Connection, one_row
from imagerag_assets.database.stages import fingerprint
from imagerag_assets.errors import ModelError, NoLiveIndexError
from imagerag_assets.retrieval.tokens import TOKENS_VERSION

if TYPE_CHECKING:
    from imagerag_assets.project import Project

LAYOUT_VERSION = 6
"""Of the tables in generation.sql and their indexes: raise it when they change, and a new generation is built."""


_HAS_TABLES = "to_regclass(format('imagerag_generation_%%s.images', generation)) is not null"
"""One whose tables were dropped by hand can neither be searched nor filled: it is as good as dropped."""

_DEFINING = ("image_model", "text_model", "image_dimension", "text_dimension", "m", "ef_construction")
"""The parameters that make a generation another one."""
_LONGEST_INDEXED = 4_000
"""Dimensions of a `halfvec` that pgvector's HNSW takes."""
_LONGEST_IN_ROW = 1_900
"""Dimensions of a vector that leave room for the rest of its row in a page of 8 kB."""


@dataclass(frozen=True)
class Generation:
    """One row of `generations`.

    `parameters` holds dimensions, model identities and HNSW parameters, and as `models` where those models are, which
    may change while they stay the same. `held` says why only a person may promote it; empty: the gate may.
    """

    number: int
    fingerprint: str
    status: str
    parameters: dict[str, Any]
    held: str = ""

    @property
    def schema(self) -> sql.Identifier:
        return sql.Identifier(f"imagerag_generation_{self.number}")

    def table(self, name: str) -> sql.Identifier:
        return table(self.number, name)


def table(number: int, name: str) -> sql.Identifier:
    """A table of a generation."""
    return sql.Identifier(f"imagerag_generation_{number}", name)


def generation_fingerprint(parameters: dict[str, Any]) -> str:
    defining = {name: parameters[name] for name in _DEFINING}
    return fingerprint(layout=LAYOUT_VERSION, tokens=TOKENS_VERSION, **defining)


def find(connection: Connection, current: str) -> Generation | None:
    """The generation of that fingerprint, if it was ever begun and is not dropped."""
    return _one(connection, f"status <> 'dropped' and fingerprint = %s and {_HAS_TABLES}", current)


def find_compared(connection: Connection, current: str) -> Generation | None:
    """The evaluation of an embedder that is only compared: it has no tables."""
    return _one(connection, "status = 'compared' and fingerprint = %s", current)


def numbered(connection: Connection, number: int) -> Generation | None:
    """The generation of that number, whatever became of it."""
    return _one(connection, "generation = %s", number)


def live(connection: Connection) -> Generation:
    """The generation that search reads. Raises `NoLiveIndexError` before the first."""
    found = find_live(connection)
    if found is None:
        raise NoLiveIndexError(
            "There is no live index yet. Materialize the assets first: make demo, or imagerag materialize."
        )
    return found


def find_live(connection: Connection) -> Generation | None:
    """The generation that search reads, None before the first."""
    return _one(connection, f"status = %s and {_HAS_TABLES}", "live")


def find_candidate(connection: Connection) -> Generation | None:
    """The generation that waits beside the live one, None when there is none or when it has not all images yet."""
    return _one(connection, f"status = %s and {_HAS_TABLES}", "candidate")


def find_building(connection: Connection) -> Generation | None:
    """The generation that becomes a candidate when it is whole, None when there is none."""
    return _one(connection, f"status = %s and {_HAS_TABLES}", "building")


def find_last_live(connection: Connection) -> Generation | None:
    """The generation that was live before this one and is still there: what a rollback goes back to."""
    condition = f"status = any(%s) and live_at is not null and {_HAS_TABLES} order by live_at desc, generation desc"
    return _one(connection, condition, ["retired", "candidate", "building"])


def has_tables(connection: Connection, generation: Generation) -> bool:
    """Whether its tables are there at all."""
    return _one(connection, f"generation = %s and {_HAS_TABLES}", generation.number) is not None


def is_readable(generation: Generation) -> bool:
    """Whether its tables are those that this version reads and writes: not from before a change of layout or tokens."""
    return generation.fingerprint == generation_fingerprint(generation.parameters)


def project_of(project: Project, generation: Generation) -> Project:
    """The project with the models that the generation was built with: `project` itself where they are the same.

    Nothing is loaded, and the settings' models need not be there where the generation has others. Raises `ModelError`
    when a model of the generation is not there any more, or is another one by now.
    """
    built_with = (generation.parameters["image_model"], generation.parameters["text_model"])
    with suppress(ModelError):
        if _identities(project) == built_with:
            return project
    models = generation.parameters.get("models")
    reason = "it does not know their names, being built by an earlier version"
    if models is not None:
        other = project.with_models(models)
        try:
            if _identities(other) == built_with:
                return other
            reason = f"what is now at {models['image_text']} or {models['text']} are others"
        except ModelError as error:
            reason = str(error)
    raise ModelError(
        f"Generation {generation.number} of the index was built with other models than the settings name, and they "
        f"are not to be had: {reason} Put them back, or materialize the graph to build a generation with the "
        "settings' models."
    )


def lost_models(project: Project, generation: Generation) -> str:
    """Why the generation cannot be searched, its models not being there any more; empty where they are."""
    try:
        project_of(project, generation)
    except ModelError as error:
        return str(error)
    return ""


def _identities(project: Project) -> tuple[str, str]:
    return project.dual_encoder_identity(), project.text_encoder_identity()


def create(connection: Connection, parameters: dict[str, Any]) -> Generation:
    """Begin a generation: its row, and its empty tables.

    Raises `ModelError` for vectors that are too long to be indexed.
    """
    for setting, name in (("models.image_text", "image_dimension"), ("models.text", "text_dimension")):
        if int(parameters[name]) > _LONGEST_INDEXED:
            raise ModelError(
                f"{setting}: its vectors have {parameters[name]} numbers, and pgvector indexes at most "
                f"{_LONGEST_INDEXED:,}. Choose a model of fewer dimensions."
            )
    row = one_row(
        connection.execute(
            "insert into generations (fingerprint, status, parameters) values (%s, 'building', %s) "
            "returning generation",
            (generation_fingerprint(parameters), Jsonb(parameters)),
        )
    )
    made = Generation(int(row[0]), generation_fingerprint(parameters), "building", parameters)
    connection.execute(
        sql.SQL(_text("generation.sql")).format(
            schema=made.schema,
            text_dimension=sql.Literal(int(parameters["text_dimension"])),
            image_dimension=sql.Literal(int(parameters["image_dimension"])),
            text_storage=sql.SQL(_storage(int(parameters["text_dimension"]))),
            image_storage=sql.SQL(_storage(int(parameters["image_dimension"]))),
        )
    )
    return made


def _text(file: str) -> str:
    return (resources.files("imagerag_assets.retrieval") / file).read_text(encoding="utf-8")


def _storage(dimension: int) -> str:
    return "plain" if dimension <= _LONGEST_IN_ROW else "external"


def build_indexes(connection: Connection, generation: Generation, memory_mb: int) -> None:
    """What search needs beside the rows, after the first load: building over rows is far faster than inserting.

    `memory_mb` holds a graph while it is built: 2 bytes a number and about 300 a vector. With 64 MB, the embedded
    server's default, a build of 100,000 rows takes three times as long.
    """
    connection.execute(sql.SQL("set local maintenance_work_mem = {}").format(sql.Literal(f"{memory_mb}MB")))
    connection.execute(
        sql.SQL(_text("indexes.sql")).format(
            schema=generation.schema,
            image_dimension=sql.Literal(int(generation.parameters["image_dimension"])),
            text_dimension=sql.Literal(int(generation.parameters["text_dimension"])),
            m=sql.Literal(int(generation.parameters["m"])),
            ef_construction=sql.Literal(int(generation.parameters["ef_construction"])),
        )
    )


def promote(connection: Connection, generation: Generation) -> None:
    """Make it live and retire the one that was, in the caller's transaction: search sees the one or the other."""
    connection.execute("update generations set status = 'retired', retired_at = now() where status = 'live'")
    connection.execute(
        "update generations set status = 'live', live_at = now(), retired_at = null, held = '' where generation = %s",
        (generation.number,),
    )


def stand_beside(connection: Connection, generation: Generation, *, whole: bool) -> None:
    """It is what the settings ask for: a candidate once it is whole, until then being built. A live one stays live."""
    connection.execute(
        "update generations set status = %s, retired_at = null where generation = %s and status <> 'live'",
        ("candidate" if whole else "building", generation.number),
    )


def withdraw_others(connection: Connection, wanted: Generation) -> None:
    """Retire the candidates, and what was begun, of settings that have changed since."""
    connection.execute(
        "update generations set status = 'retired', retired_at = now() "
        "where status in ('building', 'candidate') and generation <> %s",
        (wanted.number,),
    )


def remember_models(connection: Connection, generation: Generation, models: dict[str, str | None]) -> None:
    """Keep where the generation's models are now: a folder may have moved, a hub model be in a folder by now."""
    if generation.parameters.get("models") != models:
        connection.execute(
            "update generations set parameters = parameters || jsonb_build_object('models', %s::jsonb) "
            "where generation = %s",
            (Jsonb(models), generation.number),
        )


def forget_lost(connection: Connection) -> None:
    """What has no tables any more is dropped, whoever dropped them: it may be built anew."""
    lost = connection.execute(
        "update generations set status = 'dropped' "  # noqa: S608
        f"where status not in ('dropped', 'compared') and not ({_HAS_TABLES}) "
        "returning generation",
        (),
    ).fetchall()
    connection.execute("delete from leg_calibrations where generation = any(%s)", ([row[0] for row in lost],))


def drop_retired(connection: Connection, keep_days: float) -> list[int]:
    """Drop what was retired more than so many days ago; never what a rollback would go back to.

    Their rows stay, for the evaluations that name them. Returns the numbers. The caller holds the lock of `switching`.
    """
    kept = find_last_live(connection)
    rows = connection.execute(
        "select generation, fingerprint, status, parameters, held from generations "
        "where status = 'retired' and retired_at < now() - make_interval(secs => %s) "
        "and generation is distinct from %s order by generation",
        (keep_days * 86_400, kept and kept.number),
    ).fetchall()
    for gone in (Generation(*row) for row in rows):
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(gone.schema))
        connection.execute("delete from leg_calibrations where generation = %s", (gone.number,))
        connection.execute("update generations set status = 'dropped' where generation = %s", (gone.number,))
    return [row[0] for row in rows]


def _one(connection: Connection, condition: str, value: str | int | list[str]) -> Generation | None:
    row = connection.execute(
        f"select generation, fingerprint, status, parameters, held from generations where {condition}",  # noqa: S608
        (value,),
    ).fetchone()
    return Generation(*row) if row else None
