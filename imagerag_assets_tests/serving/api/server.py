"""The real application behind a real uvicorn on loopback, and a client that holds a key."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from imagerag_assets.project import Project
from imagerag_assets.serving.api import keys
from imagerag_assets.serving.api.app import create_app


@contextmanager
def serving(project: Project, *scopes: str, warm: bool = False) -> Iterator[httpx.Client]:
    """A client of the project's API with a key of these scopes; without any it sends no key.

    Models are loaded when they are first needed; `warm`: by the server, when it starts.
    """
    headers = with_key(project, *scopes) if scopes else {}
    with (
        running(create_app(project), lifespan=warm) as origin,
        httpx.Client(base_url=origin, headers=headers, timeout=60, trust_env=False) as client,
    ):
        yield client


@contextmanager
def running(app: ASGIApp, *, lifespan: bool = True) -> Iterator[str]:
    """The address of an application on loopback."""
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on" if lifespan else "off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


def with_key(project: Project, *scopes: str) -> dict[str, str]:
    """The header of a new key."""
    with project.database.connect() as connection:
        name = f"{'-'.join(scopes)} {time.monotonic_ns()}"
        return {"Authorization": f"Bearer {keys.create(connection, name, scopes)[1]}"}


def wait_until_ready(client: httpx.Client) -> None:
    """Until /readyz is 200."""
    ends = time.monotonic() + 60
    while (answer := client.get("/readyz")).status_code != 200:
        assert time.monotonic() < ends, answer.text
        time.sleep(0.05)


def is_problem(answer: httpx.Response, status: int, name: str) -> dict[str, Any]:
    """The problem that the answer is, which has this status and name."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:imagerag:problem:{name}", problem
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert problem["detail"]
    return problem
