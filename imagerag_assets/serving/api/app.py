"""The application: routes, what stands around them, and what begins and ends with the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from imagerag_assets.errors import SettingsError
from imagerag_assets.project import Project
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.edge import Edge
from imagerag_assets.serving.api.hosts import LOOPBACK, Hosts
from imagerag_assets.serving.api.limits import BodyLimit
from imagerag_assets.serving.api.problems import (
    Invalid,
    Problem,
    ProblemError,
    add_handlers,
    request_id_of,
    response_of,
)
from imagerag_assets.serving.api.routes.ask import ask_routes
from imagerag_assets.serving.api.routes.images import image_routes
from imagerag_assets.serving.api.routes.operations import operation_routes
from imagerag_assets.serving.api.routes.reports import report_routes
from imagerag_assets.serving.api.routes.search import search_routes
from imagerag_assets.serving.api.routes.uploads import upload_routes
from imagerag_assets.settings import Settings


def create_app(project: Project, host: str = "127.0.0.1") -> FastAPI:
    """The API of a project, to be served at the address `host`.

    Raises `SettingsError` where authentication is off and `host` is not of this machine alone.
    """
    require_safe(project.settings, host)
    door = Door(project)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        door.warm_up()
        yield
        door.close()

    # FastAPI's pages about the API load scripts from elsewhere; /openapi.json is what they are made from.
    app = FastAPI(
        title="Imagerag", version=version("imagerag"), summary="Search and ask a collection of images.",
        docs_url=None, redoc_url=None, lifespan=lifespan,
    )  # fmt: skip
    for routes in (search_routes, ask_routes, upload_routes, image_routes, report_routes, operation_routes):
        app.include_router(routes(door))
    add_handlers(app)
    app.add_exception_handler(RequestValidationError, _refuse)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]

    guard(app, door, host)
    # `page.mount` adds the web page to what this returns, at "/" and behind these routes.
    app.state.door = door
    return app


def require_safe(settings: Settings, host: str) -> None:
    """Raise `SettingsError` where authentication is off and the address `host` is not of this machine alone."""
    if settings.serving.authentication == "off" and not is_loopback(host):
        raise SettingsError(
            f"serving.authentication is off, so everyone who reaches {host} could read and upload. Serve on "
            "127.0.0.1, or set it to keys and make one: imagerag keys create."
        )


def guard(app: Starlette, door: Door, host: str) -> None:
    """Put around an application what every request passes: the access log, names of this server, sizes and times."""
    serving = door.project.settings.serving
    # The last one that is added is the first to see a request.
    app.add_middleware(BodyLimit, max_bytes=serving.max_body_bytes, seconds=serving.timeout_seconds)
    if serving.cors_origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=serving.cors_origins, allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Location"],
        )  # fmt: skip
    names = (*LOOPBACK, *serving.hosts) if is_loopback(host) else serving.hosts or None
    app.add_middleware(Hosts, names=names, origins=serving.cors_origins)
    app.add_middleware(Edge, metrics=door.metrics)


def is_loopback(host: str) -> bool:
    """Whether who listens at this address is reached from this machine alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _refuse(request: Request, error: Exception) -> Response:
    """Values in a path or query that FastAPI itself refuses, told without quoting them."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    invalid = [Invalid(where=".".join(map(str, one["loc"][1:])), message=one["msg"]) for one in found]
    told = "; ".join(f"{one.where}: {one.message}" for one in invalid[:3])
    problem = ProblemError(422, "invalid-request", f"The request is not as the API wants it: {told}.", invalid=invalid)
    return response_of(problem, request_id_of(request.scope))


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's description of the routes, with the schema of the problems that all of them may answer."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        schemas = schema["components"]["schemas"]
        found = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= found.pop("$defs")
        schemas["Problem"] = found
        app.openapi_schema = schema
    return app.openapi_schema
