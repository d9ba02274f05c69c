"""Signing in to the page with a key of the API. The browser gets a session's name, never keeps the key.

Sessions are in this process: they end when the server does, when twelve hours are over, and when the key is revoked.
"""

from __future__ import annotations

import secrets
import threading
import time
from html import escape
from typing import Annotated

import anyio.to_thread
from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from imagerag_assets.project import Project
from imagerag_assets.serving.api import keys

COOKIE = "imagerag_session"
_SECONDS = 12 * 3600
_MOST_SESSIONS = 10_000
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    # With the API's no-referrer a browser would send the form as if from nowhere.
    "Referrer-Policy": "same-origin",
}
_STYLE = (
    "body{font:16px system-ui,sans-serif;max-width:26rem;margin:15vh auto;padding:0 1rem;color:#1c2430}"
    "input,button{font:inherit;padding:.5rem;width:100%;box-sizing:border-box;margin:.4rem 0}"
    "[role=alert]{color:#b3261e}"
)


class Sessions:
    """Who is signed in. Of a key only what verifies it again is kept, in memory."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._guard = threading.Lock()
        self._open: dict[str, tuple[str, float]] = {}

    def begin(self, token: str) -> str | None:
        """A session's name for a key that may read, None for any other."""
        key = self._verified(token)
        if key is None or "read" not in key.scopes:
            return None
        name, now = secrets.token_urlsafe(32), time.monotonic()
        with self._guard:
            self._open = {one: kept for one, kept in self._open.items() if kept[1] > now}
            if len(self._open) >= _MOST_SESSIONS:
                self._open.pop(next(iter(self._open)))
            self._open[name] = (token, now + _SECONDS)
        return name

    def key_of(self, name: str | None) -> keys.Key | None:
        """The key of a session that is open. It is verified each time, so that revoking one ends it at once."""
        with self._guard:
            token, until = self._open.get(name or "", ("", 0.0))
        return self._verified(token) if token and until > time.monotonic() else None

    def end(self, name: str | None) -> None:
        """Sign out."""
        with self._guard:
            self._open.pop(name or "", None)

    def _verified(self, token: str) -> keys.Key | None:
        with self._project.database.connect() as connection:
            return keys.verify(connection, token)


def add_login(app: FastAPI, sessions: Sessions, *, secure: bool) -> None:
    """The routes to sign in and out. `secure`: browsers reach this server by https alone."""

    @app.get("/login", include_in_schema=False)
    async def get_login() -> HTMLResponse:
        return _form("")

    @app.post("/login", include_in_schema=False)
    async def post_login(key: Annotated[str, Form(max_length=200)]) -> Response:
        name = await anyio.to_thread.run_sync(sessions.begin, key.strip())
        if name is None:
            return _form("This key is unknown, was revoked, or may not read.", 401)
        answer = RedirectResponse("/", 303)
        # Strict: no page elsewhere can make a browser use the session.
        answer.set_cookie(COOKIE, name, max_age=_SECONDS, httponly=True, samesite="strict", secure=secure)
        return answer

    @app.post("/logout", include_in_schema=False)
    async def post_logout(request: Request) -> RedirectResponse:
        sessions.end(request.cookies.get(COOKIE))
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(COOKIE)
        return answer


async def signed_in(sessions: Sessions, request: Request) -> str | None:
    """Who asks, as Gradio wants to know it; None where nobody is signed in.

    Raises `HTTPException` that leads a browser that opens the page to the form.
    """
    key = await anyio.to_thread.run_sync(sessions.key_of, request.cookies.get(COOKIE))
    if key is None and request.url.path == "/":
        raise HTTPException(303, headers={"Location": "/login"})
    return None if key is None else key.key_id


def _form(trouble: str, code: int = 200) -> HTMLResponse:
    told = f'<p role="alert">{escape(trouble)}</p>' if trouble else ""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Imagerag: sign in</title><style>{_STYLE}</style><main><h1>Imagerag</h1>{told}"
        '<form method="post"><label for="key">Key (imagerag keys create)</label>'
        '<input id="key" name="key" type="password" autocomplete="current-password" required autofocus>'
        '<button type="submit">Sign in</button></form></main></html>',
        code,
        headers=_HEADERS,
    )
