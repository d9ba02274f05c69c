"""Where the agents' server listens: standard input and output, or HTTP. Its tools are `tools`'."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import AnyHttpUrl
from starlette.applications import Starlette

from imagerag_assets.errors import SettingsError
from imagerag_assets.project import Project
from imagerag_assets.serving.agents.tools import agent_server
from imagerag_assets.serving.api import keys
from imagerag_assets.serving.api.app import is_loopback

PATH = "/mcp"


def serve_stdio(project: Project) -> None:
    """Serve the process that started this one until it closes the pipe. The SDK keeps stray prints off the pipe."""
    agent_server(project).run("stdio")


def serve_http(project: Project, host: str, port: int) -> None:
    """Serve by streamable HTTP until ctrl-C. Raises `SettingsError` like `http_app`."""
    import uvicorn

    uvicorn.run(http_app(project, host), host=host, port=port, log_level="warning", timeout_graceful_shutdown=3)


def http_app(project: Project, host: str) -> Starlette:
    """The application to be served at `host`: on loopback without keys, elsewhere with the API's, of scope read.

    Raises `SettingsError` where keys would be needed and the settings say that there are none.
    """
    if is_loopback(host):
        return _app(agent_server(project), project, _ON_LOOPBACK)
    if project.settings.serving.authentication == "off":
        raise SettingsError(
            f"serving.authentication is off, so everyone who reaches {host} could read every image. Serve on "
            "127.0.0.1, or set it to keys and make one: imagerag keys create."
        )
    # No authorization server is told of: keys are made on the command line and handed over.
    auth = AuthSettings(issuer_url=AnyHttpUrl("http://127.0.0.1"), resource_server_url=None, required_scopes=["read"])
    return _app(agent_server(project, auth=auth, token_verifier=_Keys(project)), project, _ANYWHERE)


# A web page whose name was made to point here (DNS rebinding) sends its own name as Host. It has no key.
_NAMES = ("127.0.0.1", "localhost", "[::1]")
_ON_LOOPBACK = TransportSecuritySettings(
    allowed_hosts=[f"{name}:*" for name in _NAMES], allowed_origins=[f"http://{name}:*" for name in _NAMES]
)
_ANYWHERE = TransportSecuritySettings(enable_dns_rebinding_protection=False)


def _app(server: MCPServer[Any], project: Project, security: TransportSecuritySettings) -> Starlette:
    most = project.settings.serving.max_body_bytes
    # Calls stand for themselves: nothing is kept between two of them, so a server may be restarted under its clients.
    return server.streamable_http_app(
        streamable_http_path=PATH, stateless_http=True, json_response=True, transport_security=security,
        max_request_body_size=most,
    )  # fmt: skip


class _Keys:
    """The API's keys, as the SDK asks for them."""

    def __init__(self, project: Project) -> None:
        self._project = project

    async def verify_token(self, token: str) -> AccessToken | None:
        key = await anyio.to_thread.run_sync(self._verify, token)
        return None if key is None else AccessToken(token=token, client_id=key.key_id, scopes=key.scopes)

    def _verify(self, token: str) -> keys.Key | None:
        with self._project.database.connect() as connection:
            return keys.verify(connection, token)
