"""imagerag mcp: start the agents' server."""

from __future__ import annotations

from typing import Annotated

import typer

from imagerag_assets.serving.terminal import SettingsFile, err


def mcp(
    http: Annotated[bool, typer.Option("--http", help="Listen for streamable HTTP at /mcp.")] = False,
    host: Annotated[str, typer.Option(help="With --http: the address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="With --http.", min=1, max=65_535)] = 8001,
    settings: SettingsFile = None,
) -> None:
    """Serve agents by the Model Context Protocol: search_images, get_image, ask.

    Over standard input and output, as agents start it; with --http over a port, for those who hold a key of
    `imagerag keys create` with the scope read, unless serving.authentication is off.
    """
    from imagerag_assets.project import open_project
    from imagerag_assets.serving.agents.server import PATH, serve_http, serve_stdio

    project = open_project(settings)
    if http:
        err.print(f"Agents are served at http://{host}:{port}{PATH}. Ctrl-C ends it.")
        serve_http(project, host, port)
    else:
        serve_stdio(project)
