"""Whom a browser was talked into calling: names of this server, and the web pages that may send it something.

A page elsewhere can make its own name point at this machine (DNS rebinding), and can post a form to any address. The
first is told by the Host header, the second by Origin; programs send no Origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from imagerag_assets.serving.api.problems import ProblemError, request_id_of, response_of

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Hosts:
    """ASGI middleware. `names` None: this server goes by every name."""

    def __init__(self, app: ASGIApp, names: Sequence[str] | None, origins: Sequence[str]) -> None:
        self._app = app
        self._names = names
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await response_of(refused, request_id_of(scope))(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemError | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        if self._names is not None and not _goes_by(self._names, _name(f"//{host}")):
            return ProblemError(
                400, "unknown-host", "This server does not go by the name in the Host header. If it should, add the "
                "name to serving.hosts in the settings.",
            )  # fmt: skip
        if origin is None or scope.get("method") in _SAFE or origin in self._origins:
            return None
        if urlsplit(origin).netloc == host or (self._names and _goes_by(self._names, _name(origin))):
            return None
        return ProblemError(
            403, "foreign-origin", "A web page of another origin may not send this. If it should, add the origin to "
            "serving.cors_origins in the settings.",
        )  # fmt: skip


def _goes_by(names: Sequence[str], name: str) -> bool:
    return any(name == one or (one.startswith("*.") and name.endswith(one[1:])) for one in names)


def _name(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""
