"""GET /images/…: what is known of one image, its thumbnail, and its pixels inside a box."""

from __future__ import annotations

import io
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from imagerag_assets.images.crops import shrink
from imagerag_assets.project import Project
from imagerag_assets.retrieval.images import find_image, resolve, thumbnail_of, tile_of
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import ProblemError, documented
from imagerag_assets.serving.api.schemas import ImageOut

TILE_SIDE = 2048
"""Pixels of the longest side of a tile as it is sent."""
_CACHED = {"Cache-Control": "private, max-age=86400"}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/webp": {"schema": {"type": "string", "format": "binary"}}}}
}

# 2**31 is beyond any image, and a database's integer.
Edge = Annotated[int, Query(ge=0, lt=2**31, description="In pixels of the upright image")]


def image_routes(door: Door) -> APIRouter:
    """The routes of this file. An id may have slashes: the longer paths come first."""
    router = APIRouter(tags=["images"], prefix="/images/{image_id:path}", dependencies=[Depends(door.require("read"))])
    project = door.project

    @router.get(
        "/thumbnail",
        summary="A picture of at most 256 pixels",
        response_class=Response,
        responses={**_PICTURE, **documented(404, 409, 422)},
    )
    async def get_thumbnail(image_id: str) -> Response:
        data, media_type = await door.in_thread(lambda: _thumbnail(project, image_id))
        return Response(data, media_type=media_type, headers=_CACHED)

    @router.get(
        "/tile",
        summary=f"The pixels inside a box, on at most {TILE_SIDE} pixels",
        response_class=Response,
        responses={**_PICTURE, **documented(404, 409, 422)},
    )
    async def get_tile(image_id: str, x0: Edge, y0: Edge, x1: Edge, y1: Edge) -> Response:
        data = await door.in_thread(lambda: _tile(project, image_id, (x0, y0, x1, y1)))
        return Response(data, media_type="image/webp", headers=_CACHED)

    @router.get(
        "",
        summary="What is known of an image",
        description="The id is the sha256 of the image's bytes, eight or more of its first digits, collection/uri, or "
        "a uri that only one collection has.",
        response_model=ImageOut,
        responses=documented(404, 409, 422),
    )
    async def get_image(image_id: str) -> ImageOut:
        return await door.in_thread(lambda: _image(project, image_id))

    return router


def _image(project: Project, image_id: str) -> ImageOut:
    with project.database.connect() as connection:
        return ImageOut.model_validate(find_image(connection, project, image_id))


def _thumbnail(project: Project, image_id: str) -> tuple[bytes, str]:
    with project.database.connect() as connection:
        return thumbnail_of(connection, _content(resolve(connection, project, image_id)[2]))


def _tile(project: Project, image_id: str, box: tuple[int, int, int, int]) -> bytes:
    with project.database.connect() as connection:
        tile = tile_of(connection, project, _content(resolve(connection, project, image_id)[2]), box)
    buffer = io.BytesIO()
    shrink(tile, TILE_SIDE).save(buffer, "WEBP", quality=90)
    return buffer.getvalue()


def _content(content: str | None) -> str:
    if content is None:
        raise ProblemError(404, "unknown-image", "The bytes of this file could never be read, so it has no picture.")
    return content
