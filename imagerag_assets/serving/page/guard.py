"""What the page's events keep to: the door's threads and time, and the scope of the key that someone signed in with.

What goes wrong is put into words here; how it is shown is the events' own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import gradio as gr
import psycopg

from imagerag_assets.errors import ImageragError
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import ProblemError
from imagerag_assets.serving.page.login import COOKIE, Sessions

T = TypeVar("T")
MENDABLE = (ImageragError, ProblemError, psycopg.OperationalError, psycopg.InterfaceError)
"""What a person can mend, or has to wait for."""


class Guard:
    """Of one page; without `sessions` everyone may do everything."""

    def __init__(self, door: Door, sessions: Sessions | None) -> None:
        self.door = door
        self.project = door.project
        self._sessions = sessions

    async def told_in_time(self, work: Callable[[], T]) -> T:
        """What the work gives; Gradio shows what a person can mend above the page."""
        try:
            return await self.door.in_thread(work)
        except MENDABLE as error:
            raise gr.Error(message(error)) from None

    async def writer(self, request: gr.Request, doing: str) -> str | None:
        """The id of the key that lets this request write, None where no keys are asked for.

        Raises a 403 `ProblemError`: `doing`, such as "adding", needs the scope write.
        """
        sessions = self._sessions
        if sessions is None:
            return None
        key = await self.told_in_time(lambda: sessions.key_of(request.cookies.get(COOKIE)))
        if key is None or "write" not in key.scopes:
            raise ProblemError(403, "scope", f"This key may only read: {doing} needs the scope write.")
        return key.key_id


def message(error: Exception) -> str:
    """A mendable error in words."""
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return "The database does not answer. Try again when it is back."
    return error.detail if isinstance(error, ProblemError) else str(error)
