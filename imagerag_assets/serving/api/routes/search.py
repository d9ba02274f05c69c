"""POST /search."""

from __future__ import annotations

import time

from fastapi import APIRouter, Depends, Request

from imagerag_assets.project import Project
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.retrieval.search import Query, Result, nothing_good_enough, search
from imagerag_assets.serving.api.bodies import Body, query_picture, read_json_or_form, require_length
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import ProblemError, documented
from imagerag_assets.serving.api.schemas import ResultOut, SearchRequest, SearchResponse, schema_of


def search_routes(door: Door) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["search"])
    settings = door.project.settings

    @router.post(
        "/search",
        summary="Search by words, by a picture, or by both",
        response_model=SearchResponse,
        responses=documented(404, 408, 409, 413, 415, 422),
        dependencies=[Depends(door.require("read"))],
        openapi_extra={"requestBody": _documented_body(settings.serving.max_query_characters)},
    )
    async def post_search(request: Request) -> SearchResponse:
        body = await read_json_or_form(request, SearchRequest, settings)
        require_length(body.values.text, "text", settings)
        found = await door.in_thread(lambda: _found(door, body))
        return SearchResponse(
            results=[ResultOut.model_validate(one) for one in found],
            nothing_good_enough=nothing_good_enough(found, settings.index.relevance, body.values.offset),
            method=body.values.method, limit=body.values.limit, offset=body.values.offset,
        )  # fmt: skip

    return router


def require_collections(project: Project, names: list[str]) -> tuple[str, ...]:
    """The names, of which each is a collection's. Raises a 422 `ProblemError` that lists the known ones."""
    known = [one.name for one in project.settings.collections]
    if set(names) - set(known):
        raise ProblemError(422, "unknown-collection", f"There is no such collection. There are {', '.join(known)}.")
    return tuple(names)


def _found(door: Door, body: Body[SearchRequest]) -> list[Result]:
    asked, project = body.values, door.project
    collections = require_collections(project, asked.collections)
    where = parse_conditions(asked.where)
    picture = query_picture(body.picture, project.settings) if body.picture is not None else None
    started = time.monotonic()
    found = search(
        project, Query(asked.text, picture, image_id=asked.image_id or ""), method=asked.method,
        collections=collections, where=where, limit=asked.limit, offset=asked.offset, exact=asked.exact,
    )  # fmt: skip
    door.metrics.search.labels(method=asked.method).observe(time.monotonic() - started)
    return list(found)


def _documented_body(longest: int) -> dict[str, object]:
    form = schema_of(SearchRequest, text=longest)
    form["properties"]["image"] = {"type": "string", "format": "binary", "description": "A picture's file"}
    return {
        "required": True,
        "content": {
            "application/json": {"schema": schema_of(SearchRequest, text=longest)},
            "multipart/form-data": {"schema": form},
        },
    }
