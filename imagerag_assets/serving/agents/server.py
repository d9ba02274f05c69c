"""Where the agents' server listens: standard input and output, or HTTP. Its tools are `tools`'."""

from __future__ import annotations

from fastapi.security.utils import get_authorization_scheme_param
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from imagerag_assets.project import Project
from imagerag_assets.serving.agents.tools import agent_server
from imagerag_assets.serving.api.app import guard, require_safe
from imagerag_assets.serving.api.door import Door

PATH = "/mcp"


def serve_stdio(project: Project) -> None:
    """Serve the process that started this one until it closes the pipe. The SDK keeps stray prints off the pipe."""
    agent_server(project).run("stdio")


def serve_http(project: Project, host: str, port: int) -> None:
    """Serve by streamable HTTP until ctrl-C. Raises `SettingsError` like `http_app`."""
    import uvicorn

    uvicorn.run(http_app(project, host), host=host, port=port, log_level="warning", timeout_graceful_shutdown=3)


def http_app(project: Project, host: str) -> Starlette:
    """The application to be served at `host`, behind what guards the API: keys of scope read, and its limits.

    Raises `SettingsError` where authentication is off and `host` is not of this machine alone.
    """
    require_safe(project.settings, host)
    # Calls stand for themselves: nothing is kept between two of them, so a server may be restarted under its clients.
    app = agent_server(project).streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, json_response=True,
        max_request_body_size=project.settings.serving.max_body_bytes,
        # `guard` looks at Host and Origin by the settings that the API has for it.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )  # fmt: skip
    door = Door(project)
    app.add_middleware(_Admission, door=door)
    guard(app, door, host)
    return app


class _Admission:
    """ASGI middleware: who calls holds a key to read, and calls no more often than it may."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
            await self._door.admit(request, token if scheme.lower() == "bearer" and token else None, ("read",))
        await self._app(scope, receive, send)
