"""How much one caller may send, and how often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagerag_assets.serving.api.problems import ProblemError, request_id_of, response_of

_MOST_BUCKETS = 10_000


class BodyLimit:
    """ASGI middleware: a body may have so many bytes and take so many seconds to arrive."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            await response_of(self._too_large(), request_id_of(scope))(scope, receive, send)
            return
        deadline, received, complete = anyio.current_time() + self._seconds, 0, False

        async def limited() -> Message:
            nonlocal received, complete
            if complete:
                # What comes now is the end of the connection, and that may take its time.
                return await receive()
            with anyio.move_on_at(deadline):
                message = await receive()
                received += len(message.get("body", b""))
                complete = not message.get("more_body", False)
                if received > self._max_bytes:
                    raise self._too_large()
                return message
            raise ProblemError(408, "request-timeout", f"The body did not arrive within {self._seconds:g} s.")

        await self._app(scope, limited, send)

    def _too_large(self) -> ProblemError:
        return ProblemError(
            413, "too-large", f"The request has more than {self._max_bytes:,} bytes, which serving.max_upload_bytes "
            "allows for.",
        )  # fmt: skip


class TokenBuckets:
    """A token bucket per key, in this process: several server processes allow as many times as much.

    A bucket holds a minute's worth, so that a page may ask for its fifty thumbnails at once.
    """

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._now = now
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}
        """Tokens, and when they were counted."""

    def take(self, key: str) -> None:
        """Take a token of this key. Raises a 429 `ProblemError` that says when there is one again."""
        with self._lock:
            now = self._now()
            tokens, at = self._buckets.pop(key, (self._capacity, now))
            tokens = min(self._capacity, tokens + (now - at) * self._per_second)
            enough = tokens >= 1
            # The one that was used least lately is first in the dictionary: it is full again by now, or soon.
            self._buckets[key] = (tokens - 1 if enough else tokens, now)
            if len(self._buckets) > _MOST_BUCKETS:
                del self._buckets[next(iter(self._buckets))]
        if not enough:
            wait = max(1, round((1 - tokens) / self._per_second))
            raise ProblemError(
                429, "too-many-requests", f"This key may make {self._capacity:,.0f} requests a minute "
                f"(serving.requests_per_minute). Try again in {wait} s.", headers={"Retry-After": str(wait)},
            )  # fmt: skip
