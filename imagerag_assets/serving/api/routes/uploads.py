"""POST /images and GET /uploads/{id}: a picture into a collection, and what has become of it."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from imagerag_assets.serving.api.bodies import read_form
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import ProblemError, documented
from imagerag_assets.serving.api.schemas import UploadOut
from imagerag_assets.serving.api.uploads import Upload, find, store

_FORM = {
    "type": "object",
    "required": ["collection", "file"],
    "additionalProperties": False,
    "properties": {
        "collection": {"type": "string", "maxLength": 63, "description": "Its source is a folder or a bucket"},
        "file": {"type": "string", "format": "binary", "description": "The picture; its name is not used"},
    },
}


def upload_routes(door: Door) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["uploads"])
    project = door.project

    @router.post(
        "/images",
        summary="Put a picture into a collection",
        description="It is decoded first, stored in the collection's source, and indexed by the next run.",
        status_code=202,
        response_model=UploadOut,
        responses={
            200: {"model": UploadOut, "description": "The collection has an identical file: nothing new was stored"},
            **documented(408, 409, 413, 415, 422),
        },
        dependencies=[Depends(door.require("write"))],
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
    )
    async def post_image(request: Request, response: Response) -> UploadOut:
        values, files = await read_form(request, project.settings)
        if set(values) != {"collection"} or set(files) != {"file"}:
            raise ProblemError(422, "invalid-request", "Send a form of collection, a name, and file, a picture.")
        key_id = getattr(request.state, "key_id", None)
        stored = await door.in_thread(lambda: store(project, values["collection"], files["file"], key_id))
        response.status_code = 200 if stored.known_before else 202
        if stored.upload:
            response.headers["Location"] = f"/uploads/{stored.upload}"
        return UploadOut.model_validate(stored)

    @router.get(
        "/uploads/{upload}",
        summary="What has become of an upload",
        response_model=UploadOut,
        responses=documented(404, 422),
        dependencies=[Depends(door.require("read", "write"))],
    )
    async def get_upload(upload: UUID) -> UploadOut:
        def look() -> Upload:
            with project.database.connect() as connection:
                return find(connection, upload)

        return UploadOut.model_validate(await door.in_thread(look))

    return router
