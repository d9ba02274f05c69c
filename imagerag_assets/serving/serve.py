"""imagerag serve: the HTTP API and the web page, until they are interrupted."""

from __future__ import annotations

import logging.config
import socket
from contextlib import suppress
from typing import Annotated

import typer

from imagerag_assets.errors import SettingsError
from imagerag_assets.serving.terminal import SettingsFile, out, plain

_DATABASE_WAIT_SECONDS = 5.0
"""A person waits: a database that does not answer in this time is told to be gone."""
_GRACE_SECONDS = 10
_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"},
        "line": {"format": "%(message)s"},
    },
    "handlers": {
        "plain": {"class": "logging.StreamHandler", "formatter": "plain"},
        "line": {"class": "logging.StreamHandler", "formatter": "line"},
    },
    "loggers": {
        "imagerag.access": {"handlers": ["line"], "level": "INFO", "propagate": False},
        "imagerag.api": {"handlers": ["plain"], "level": "INFO", "propagate": False},
        "uvicorn": {"handlers": ["plain"], "level": "WARNING", "propagate": False},
    },
}


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8000,
    settings: SettingsFile = None,
) -> None:
    """Serve search, ask, images and uploads over HTTP, and the web page at /. Ctrl-C ends it."""
    import uvicorn

    from imagerag_assets.project import open_project
    from imagerag_assets.serving.api.app import create_app
    from imagerag_assets.serving.page.mount import mount_page

    project = open_project(settings, _DATABASE_WAIT_SECONDS)
    app = create_app(project, host)
    mount_page(app)
    logging.config.dictConfig(_LOGGING)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )  # fmt: skip
    with _listen(host, port) as listening:
        address, number = listening.getsockname()[:2]
        shown = f"[{address}]" if ":" in address else address
        out.print(f"Imagerag listens on http://{plain(shown)}:{number}", soft_wrap=True)
        # The server has ended in good order before it passes the signal on.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
        out.print("Ended.")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise SettingsError(
            f"--host {host} --port {port}: cannot listen there: {error.strerror or error}. Is another server running? "
            "Choose another port."
        ) from None
