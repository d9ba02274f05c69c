"""Where the page is in the API's application: at /, behind the API's own routes, with no request to other machines."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.routing import Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.page.login import Sessions, add_login, signed_in

# Gradio's page is put together in the browser by scripts of its own; nothing may come from or go to anywhere else.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self' data: blob:; "
    "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# Gradio has more doors than this page needs: a proxy, run histories, an assistant that edits code.
_PATHS = ("/assets/", "/static/", "/svelte/")
_FILES = ("/", "/config", "/theme.css", "/favicon.ico", "/manifest.json")
_API = "/gradio_api"
_API_PATHS = ("/queue/", "/file=", "/heartbeat/", "/upload_progress", "/custom_component/")
_API_FILES = (
    "/upload",
    "/theme.css",
    "/startup-events",
    "/login_check",
    "/user",
    "/app_id",
    "/info",
    "/cancel",
    "/reset",
)


def mount_page(app: FastAPI) -> None:
    """Mount the page on the API's application. Gradio is imported here: it takes seconds, which only a server has."""
    door: Door = app.state.door
    project = door.project
    # Before the import, which reads them.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    uploads = project.settings.data_path / "page"
    # Pictures that people look for lie there for an hour; by default it is a folder that the whole machine shares.
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    import gradio as gr

    from imagerag_assets.serving.page.blocks import make_page, theme

    sessions = None if project.settings.serving.authentication == "off" else Sessions(project)
    if sessions is not None:
        add_login(app, sessions, secure=project.settings.serving.behind_tls)
    gr.mount_gradio_app(
        app, make_page(door, sessions, uploads), "/",
        app_kwargs={"middleware": [Middleware(_Policy)], "openapi_url": None},
        auth_dependency=partial(signed_in, sessions) if sessions else None,
        max_file_size=project.settings.serving.max_upload_bytes,
        footer_links=[], run_history=False, show_error=False, ssr_mode=False, enable_monitoring=False, pwa=False,
        mcp_server=False, theme=theme(), css_paths=Path(__file__).with_name("page.css"),
    )  # fmt: skip
    mounted = app.router.routes.pop()
    if not isinstance(mounted, Mount):
        raise TypeError("Gradio did not mount its application last")
    app.router.routes.append(_PageMount("", app=mounted.app))


class _PageMount(Mount):
    """Takes the page's own paths and leaves every other to the API, whose answers are problems and not pages."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if _is_of_page(scope.get("path", "")) else (Match.NONE, {})


def _is_of_page(path: str) -> bool:
    if path.startswith(f"{_API}/"):
        inside = path.removeprefix(_API)
        return inside in _API_FILES or inside.startswith(_API_PATHS)
    return path in _FILES or path.startswith(_PATHS)


class _Policy:
    """ASGI middleware: what a browser may do with the page's answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = _POLICY
                # With the API's no-referrer a browser would send the form to sign out as if from nowhere.
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, with_policy)
