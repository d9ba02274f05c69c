"""GET /healthz, /readyz and /metrics: for whoever keeps the server running."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from imagerag_assets.retrieval.search import searchable
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import ProblemError, as_problem, documented
from imagerag_assets.serving.api.schemas import HealthResponse, ReadyResponse


def operation_routes(door: Door) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz", summary="The process answers", response_model=HealthResponse)
    async def get_health() -> HealthResponse:
        return HealthResponse()

    @router.get(
        "/readyz",
        summary="Searches can be answered at once",
        description="The models are warm, the database answers, and there is a live index of these models.",
        response_model=ReadyResponse,
        responses={503: documented()[503]},
    )
    async def get_readiness() -> ReadyResponse:
        if door.warmth:
            raise ProblemError(503, "not-ready", door.warmth, headers={"Retry-After": "2"})
        try:
            return ReadyResponse(generation=await door.in_thread(lambda: _live_generation(door)))
        except Exception as error:  # noqa: BLE001
            # Whatever it is: nothing should be sent here.
            found = as_problem(error)
            raise ProblemError(503, found.name, found.detail, headers={"Retry-After": "5"}) from None

    @router.get(
        "/metrics",
        summary="For Prometheus",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **documented()},
        dependencies=[Depends(door.require("read"))],
    )
    async def get_metrics() -> Response:
        text = await door.in_thread(lambda: generate_latest(door.metrics.registry))
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})

    return router


def _live_generation(door: Door) -> int:
    with door.project.database.connect() as connection:
        return searchable(connection, door.project).number
