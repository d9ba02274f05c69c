"""What every route needs: the project, threads for its blocking work, who is calling, whether the models are warm."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, TypeVar

import psycopg
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from PIL import Image

from imagerag_assets.errors import DatabaseError, ImageragError
from imagerag_assets.images.workers import decoders
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.serving.api import keys
from imagerag_assets.serving.api.hosts import LOOPBACK
from imagerag_assets.serving.api.keys import Scope
from imagerag_assets.serving.api.limits import TokenBuckets
from imagerag_assets.serving.api.metrics import Metrics
from imagerag_assets.serving.api.problems import ProblemError
from imagerag_assets.serving.api.threads import Threads

T = TypeVar("T")
_log = logging.getLogger("imagerag.api")
# As many as the pool has connections: more would only wait there.
_THREADS = 8
# These wait for a language model and need a connection now and then.
_ANSWER_THREADS = 32
_MOST_WAITING = 200
"""For a thread. Each of them waits no longer than its time limit anyway."""
Bearer = Annotated[
    HTTPAuthorizationCredentials | None,
    Security(HTTPBearer(auto_error=False, description="A key of `imagerag keys create`.")),
]
Basic = Annotated[
    HTTPBasicCredentials | None,
    Security(HTTPBasic(auto_error=False, description="For browsers: any name, and the key as the password.")),
]


class Door:
    """The state of one application."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.metrics = Metrics(project)
        self.warmth = "The models are being loaded."
        """Why the models are not warm; empty once they are."""
        self._buckets = TokenBuckets(project.settings.serving.requests_per_minute)
        self._threads = Threads(_THREADS, _MOST_WAITING, "work")
        self._answer_threads = Threads(_ANSWER_THREADS, _MOST_WAITING, "answer")

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run what blocks, such as the domain, beside the event loop.

        Raises a 503 `ProblemError` after serving.timeout_seconds, and at once where too many wait.
        """
        return await self._threads.run(work, self.project.settings.serving.timeout_seconds)

    async def answer_in_thread(self, work: Callable[[], T]) -> T:
        """The same for a piece of an answer: a slow language model must not keep searches waiting for a thread."""
        return await self._answer_threads.run(work, self.project.settings.serving.answer_timeout_seconds)

    def close(self) -> None:
        """The server ends: work that was not begun is not done any more."""
        self._threads.close()
        self._answer_threads.close()

    def require(self, *scopes: Scope) -> Callable[..., Awaitable[None]]:
        """A dependency that lets in keys with any of the scopes, as often as they may come."""

        async def check(request: Request, bearer: Bearer) -> None:
            await self.admit(request, bearer.credentials if bearer else None, scopes)

        return check

    def require_of_browsers(self, *scopes: Scope) -> Callable[..., Awaitable[None]]:
        """The same for pages that a browser opens by their address: it can only be asked for a name and a password.

        Only for what is read: a browser adds them to whatever another page makes it send.
        """

        async def check(
            request: Request,
            bearer: Bearer,
            basic: Basic,
        ) -> None:
            token = bearer.credentials if bearer else basic.password if basic else None
            await self.admit(request, token, scopes, challenge='Basic realm="imagerag: a key as the password"')

        return check

    async def admit(
        self, request: Request, token: str | None, scopes: tuple[Scope, ...], challenge: str = "Bearer"
    ) -> None:
        """Let a request in whose key has any of the scopes, as often as it may come. Raises 401, 403 and 429."""
        if self.project.settings.serving.authentication == "off":
            if request.client is not None and request.client.host not in LOOPBACK:
                raise ProblemError(403, "not-loopback", "Without authentication only this machine is answered.")
            self._buckets.take("")
            return
        headers = {"WWW-Authenticate": challenge}
        if token is None:
            raise ProblemError(
                401, "no-key", "This needs a key: Authorization: Bearer … (imagerag keys create).", headers=headers
            )
        key = await self.in_thread(lambda: self._verify(token))
        if key is None:
            raise ProblemError(401, "unknown-key", "This key is unknown or was revoked.", headers=headers)
        request.state.key_id = key.key_id
        if not set(scopes) & set(key.scopes):
            raise ProblemError(403, "scope", f"This key lacks the scope {' or '.join(scopes)}.")
        self._buckets.take(key.key_id)

    def _verify(self, token: str) -> keys.Key | None:
        with self.project.database.connect() as connection:
            return keys.verify(connection, token)

    def warm_up(self) -> None:
        """Load the models and start a decoder, in a thread of its own, so that no user waits for it."""
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def _warm_up(self) -> None:
        loads = self.metrics.model_load
        try:
            serving = self._serving()
            with loads.labels(model="image_text").time():
                encoder = serving.dual_encoder()
                encoder.encode_texts(["warm"])
                encoder.encode_images([Image.new("RGB", (64, 64))])
            with loads.labels(model="text").time():
                serving.text_encoder().encode_texts(["warm"])
            decoders().look_inside(b"", self.project.settings.limits)
            self.warmth = ""
        except ImageragError as error:
            self.warmth = str(error)
            _log.error("The models cannot be loaded: %s", error)
        # A model's files can be broken in as many ways as there are libraries; the thread must not end without a word.
        except Exception:  # noqa: BLE001
            self.warmth = "The models cannot be loaded. The server's log has more."
            _log.exception("The models cannot be loaded")

    def _serving(self) -> Project:
        """The project with the models that searches use now: the live index's own. Opens the database, once for all."""
        # /readyz says when the database does not answer.
        with suppress(DatabaseError, psycopg.Error), self.project.database.connect() as connection:
            live = generations.find_live(connection)
            if live is not None and generations.is_readable(live):
                return generations.project_of(self.project, live)
        return self.project
