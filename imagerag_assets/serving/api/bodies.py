"""Reading a request's body: JSON, or a form with a picture. It happens after the key was looked at."""

from __future__ import annotations

import base64
import binascii
import threading
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request
from PIL import Image
from pydantic import BaseModel
from starlette.datastructures import UploadFile

from imagerag_assets.images.decode import decode
from imagerag_assets.images.inspect import Fault, Page
from imagerag_assets.images.workers import decoders
from imagerag_assets.serving.api.problems import ProblemError
from imagerag_assets.settings import Settings, usable_cores

M = TypeVar("M", bound=BaseModel)
_QUERY_PIXELS = 50_000_000
"""Of a picture that is looked for: it is decoded in this process, beside others, for a model that sees 224 pixels."""
_MOST_FIELDS = 200
_LISTS = frozenset({"collections", "where"})
_decoding = threading.Semaphore(usable_cores())


@dataclass(frozen=True)
class Body(Generic[M]):
    """The values that were sent, and the bytes of the picture among them."""

    values: M
    picture: bytes | None


async def read_json(request: Request, model: type[M], settings: Settings) -> Body[M]:
    """A JSON body. Raises 415, 422, and 413 for a picture that is too large."""
    if _media_type(request) != "application/json":
        raise ProblemError(415, "media-type", "Send the request as application/json.")
    return _opened(model.model_validate_json(await request.body()), settings)


async def read_json_or_form(request: Request, model: type[M], settings: Settings) -> Body[M]:
    """The same, or a form of the same fields whose `image` is a file."""
    if _media_type(request) != "multipart/form-data":
        return await read_json(request, model, settings)
    values, files = await read_form(request, settings)
    if files.keys() - {"image"}:
        raise ProblemError(422, "invalid-request", "The only file of this form is called image.")
    body = _opened(model.model_validate(values, strict=False), settings)
    return Body(body.values, files.get("image", body.picture))


async def read_form(request: Request, settings: Settings) -> tuple[dict[str, Any], dict[str, bytes]]:
    """(fields, files) of a form. Fields of several values are lists. Raises 413, 415 and 422."""
    if _media_type(request) != "multipart/form-data":
        raise ProblemError(415, "media-type", "Send the request as multipart/form-data.")
    values: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    longest = settings.serving.max_body_bytes
    async with request.form(max_files=1, max_fields=_MOST_FIELDS, max_part_size=longest) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                files[name] = await value.read()
                _require_size(files[name], settings)
            elif name in _LISTS:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise ProblemError(422, "invalid-request", "A field that has one value was sent twice.")
            else:
                values[name] = value
    return values, files


def look_at(data: bytes, settings: Settings) -> list[Page]:
    """What is in a file that was sent, seen by a decoder process. Raises 413 or 422 where that is no image."""
    seen = decoders().look_inside(data, settings.limits)
    pages = [one for one in seen if isinstance(one, Page)]
    if not pages:
        fault = next(one for one in seen if isinstance(one, Fault))
        raise _refused(fault)
    return pages


def query_picture(data: bytes, settings: Settings) -> Image.Image:
    """A picture to look for, upright RGB. Raises 413 or 422.

    A decoder process looks at it first: what crashes or stalls a decoder does so there.
    """
    most = min(_QUERY_PIXELS, settings.limits.max_pixels)
    limits = settings.limits.model_copy(update={"max_pages": 1, "max_pixels": most})
    with _decoding:
        for one in decoders().look_inside(data, limits):
            if isinstance(one, Fault):
                raise _refused(one, f" A picture to look for is one page of at most {most:,} pixels.")
        return decode(data, limits).image


def require_length(text: str, name: str, settings: Settings) -> None:
    """Raise 422 for words that are too many."""
    longest = settings.serving.max_query_characters
    if len(text) > longest:
        raise ProblemError(
            422, "query-too-long", f"{name} has {len(text):,} characters; serving.max_query_characters is {longest:,}."
        )


def _opened(values: M, settings: Settings) -> Body[M]:
    encoded = getattr(values, "image", None)
    if encoded is None:
        return Body(values, None)
    try:
        picture = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ProblemError(422, "invalid-request", "image is not base64 of a picture's bytes.") from None
    _require_size(picture, settings)
    return Body(values, picture)


def _require_size(picture: bytes, settings: Settings) -> None:
    most = settings.serving.max_upload_bytes
    if len(picture) > most:
        raise ProblemError(
            413, "too-large", f"The picture has {len(picture):,} bytes; serving.max_upload_bytes is {most:,}."
        )


def _refused(fault: Fault, hint: str = "") -> ProblemError:
    if fault.reason == "too_large":
        return ProblemError(413, "too-large", f"The picture is too large: {fault.message}{hint}")
    return ProblemError(422, "no-image", f"The file cannot be used as a picture ({fault.reason}): {fault.message}")


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
