"""The outermost layer: every request gets an id, a line in the access log, its metrics and the security headers.

The log has no query text, path or key: what people look for is theirs.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import time
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagerag_assets.serving.api.metrics import Metrics
from imagerag_assets.serving.api.problems import as_problem, response_of

ACCESS_LOG = "imagerag.access"
_log = logging.getLogger(ACCESS_LOG)
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# JSON and pictures are no pages. HTML brings the policy that it needs.
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"


class Edge:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        started, status, sent = time.monotonic(), 0, 0

        async def watch(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message), request_id)
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            # Nobody is there to be told; the log has it as 499.
            pass
        except Exception as error:
            if status:
                # Half an answer is out; the server has to break it off.
                raise
            await response_of(as_problem(error), request_id)(scope, receive, watch)
        finally:
            seconds = time.monotonic() - started
            facts = {"route": _route(scope), "method": _method(scope), "status": str(status or 499)}
            self._metrics.requests.labels(**facts).inc()
            self._metrics.latency.labels(route=facts["route"]).observe(seconds)
            _write_line(scope, facts, seconds, sent)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    headers["X-Request-ID"] = request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if not headers.get("content-type", "").startswith("text/html"):
        headers.setdefault("Content-Security-Policy", _NO_PAGE)


def _route(scope: Scope) -> str:
    """The path's template, so that labels are few and hold nothing of a user's; `other` for what is not the API's."""
    return str(getattr(scope.get("route"), "path", "other"))


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _write_line(scope: Scope, facts: dict[str, str], seconds: float, sent: int) -> None:
    state: dict[str, Any] = scope["state"]
    line = {
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": state["request_id"],
        "key": state.get("key_id"),
        **facts,
        "ms": round(seconds * 1000, 1),
        "bytes": sent,
    }
    _log.info(json.dumps(line))
