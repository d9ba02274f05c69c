"""The pictures of the page: thumbnails and previews, with the region that matched drawn on them."""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import ImageragError
from imagerag_assets.project import Project
from imagerag_assets.retrieval.images import picture_of, thumbnail_of
from imagerag_assets.retrieval.search import Result

PREVIEW_SIDE = 1000
"""Longest side in pixels of the picture of the chosen image."""
_LINE = "#e4572e"


def thumbnail(connection: Connection, one: Result) -> Image.Image:
    """The small picture of a result with its region."""
    return _with_region(_thumbnail(connection, one.content), one)


def preview(connection: Connection, project: Project, one: Result) -> tuple[Image.Image, str]:
    """(the picture of a result with its region, empty or why it is the thumbnail alone)."""
    picture, note = whole(connection, project, one.content)
    return _with_region(picture, one), note


def whole(connection: Connection, project: Project, content: str) -> tuple[Image.Image, str]:
    """(a picture of at most PREVIEW_SIDE, empty or why it is the thumbnail). Raises `UnknownImageError` without one."""
    try:
        picture = picture_of(connection, project, content)
    except ImageragError as error:
        return _thumbnail(connection, content), f"This is the thumbnail: {error}"
    picture.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    return picture, ""


def _thumbnail(connection: Connection, content: str) -> Image.Image:
    data, _ = thumbnail_of(connection, content)
    with Image.open(io.BytesIO(data)) as opened:
        return opened.convert("RGB")


def _with_region(picture: Image.Image, one: Result) -> Image.Image:
    """Draw the region, unless it is the whole image."""
    if one.box is None or one.box == (0, 0, one.width, one.height):
        return picture
    across, down = picture.width / one.width, picture.height / one.height
    x0, y0, x1, y1 = one.box
    width = max(2, round(max(picture.size) / 150))
    # Inside the picture's edge, where the region reaches it.
    corners = (x0 * across, y0 * down, min(x1 * across, picture.width) - 1, min(y1 * down, picture.height) - 1)
    pen = ImageDraw.Draw(picture)
    pen.rectangle(corners, outline="white", width=width + 2)
    pen.rectangle(corners, outline=_LINE, width=width)
    return picture
