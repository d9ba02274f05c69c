"""GET /reports: the pages that evaluations wrote, as they are. Each is one self-contained file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from imagerag_assets.evaluation.report import INDEX
from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import ProblemError, documented

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.html")
# A report has its styles, pictures and scripts inside it, and says itself which scripts may run: no other does.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}
_NONE_YET = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Imagerag: reports</title>'
    "<body><h1>Reports</h1><p>No evaluation has written a report yet.</p></body></html>"
)
_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


def report_routes(door: Door) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["reports"], dependencies=[Depends(door.require_of_browsers("read"))])
    folder = door.project.settings.data_path / "reports"

    @router.get(
        "/reports",
        summary="The index of all reports",
        response_class=HTMLResponse,
        responses={307: {"description": "There is an index: it is at this place."}, **documented()},
    )
    async def get_reports() -> Response:
        # A page names the others by their file names, on disk as here.
        if await door.in_thread((folder / INDEX).is_file):
            return RedirectResponse(f"/reports/{INDEX}", headers=_HEADERS)
        return HTMLResponse(_NONE_YET, headers=_HEADERS)

    @router.get(
        "/reports/{name}",
        summary="One report",
        response_class=HTMLResponse,
        responses={**_PAGE, **documented(404, 422)},
    )
    async def get_report(name: str) -> Response:
        page = await door.in_thread(lambda: _page(folder, name))
        return FileResponse(page, media_type="text/html", headers=_HEADERS)

    return router


def _page(folder: Path, name: str) -> Path:
    """The page of that name. A name is matched whole, so no path is ever made of what leads elsewhere."""
    page = folder / name if _NAME.fullmatch(name) else None
    if page is None or page.is_symlink() or not page.is_file():
        raise ProblemError(404, "unknown-report", "There is no report of this name. /reports lists them.")
    return page
