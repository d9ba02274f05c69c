"""A person's word about which generation is live: promoting one by number, and going back to the last one."""

from __future__ import annotations

from imagerag_assets.database.connection import Connection
from imagerag_assets.database.locks import lock_until_commit
from imagerag_assets.errors import GenerationError
from imagerag_assets.retrieval import generations, index
from imagerag_assets.retrieval.generations import Generation


def promote_by_hand(connection: Connection, number: int) -> Generation:
    """Make that generation live, in the caller's transaction, and hold back the one that was: a person decided.

    Where none is live, its tables lost, there is none to hold back.

    A retired one comes back as it was, without what has changed since; the next run of pgvector_index brings it up to
    date. Raises `GenerationError` for one that is unknown, live already, dropped, was never whole, or cannot be
    searched by this version.
    """
    lock(connection)
    live = generations.find_live(connection)
    chosen = generations.numbered(connection, number)
    if chosen is None:
        raise GenerationError(f"There is no generation {number}. imagerag generations list shows all.")
    if live is not None and number == live.number:
        raise GenerationError(f"Generation {number} is live already.")
    if chosen.parameters.get("compared"):
        raise GenerationError(
            f"{number} is the evaluation of an embedder of comparison.embedders and no index. Set models.image_text to "
            "it and materialize the graph to build one."
        )
    if chosen.status == "dropped" or not generations.has_tables(connection, chosen):
        raise GenerationError(
            f"Generation {number} was dropped. Set its models and parameters in the settings and materialize the "
            "graph to build it anew."
        )
    if not generations.is_readable(chosen):
        raise GenerationError(
            f"Generation {number} was built by another version of Imagerag, and this one cannot search it."
        )
    missing = index.missing_images(connection, chosen, live) if live and not _was_live(connection, number) else 0
    if missing:
        raise GenerationError(
            f"Generation {number} is not whole yet: {missing} images of the live index are not in it, or not "
            "described. Materialize the graph first; failed images are told by its checks."
        )
    generations.promote(connection, chosen)
    if live is not None:
        connection.execute(
            "update generations set held = %s where generation = %s",
            (f"A person put generation {number} in its place.", live.number),
        )
    return chosen


def roll_back(connection: Connection) -> Generation:
    """Make the generation live again that was live before this one, in the caller's transaction.

    Raises `GenerationError` when there is none.
    """
    lock(connection)
    before = generations.find_last_live(connection)
    if before is None:
        raise GenerationError("There is nothing to go back to: no other generation was ever live, or is still there.")
    return promote_by_hand(connection, before.number)


def lock(connection: Connection) -> None:
    """One switch at a time, in the caller's transaction. Neither searches nor an update of rows are waited for."""
    lock_until_commit(connection, "live_generation")


def _was_live(connection: Connection, number: int) -> bool:
    row = connection.execute("select live_at is not null from generations where generation = %s", (number,)).fetchone()
    return bool(row and row[0])
