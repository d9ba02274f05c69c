"""GET /reports: the pages that evaluations wrote, as they are. Each is one self-contained file."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import FileResponse, HTMLResponse

from imagerag_assets.serving.api.door import Door
from imagerag_assets.serving.api.problems import ProblemError, documented

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.html")
# A report has its styles and pictures inside it and runs no script.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",
}
_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}


def report_routes(door: Door) -> APIRouter:
    """The routes of this file."""
    router = APIRouter(tags=["reports"], dependencies=[Depends(door.require_of_browsers("read"))])
    folder = door.project.settings.data_path / "reports"

    @router.get(
        "/reports", summary="All reports, the newest first", response_class=HTMLResponse, responses=documented()
    )
    async def get_reports() -> HTMLResponse:
        return HTMLResponse(await door.in_thread(lambda: _listing(folder)), headers=_HEADERS)

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


def _listing(folder: Path) -> str:
    pages = [page for page in folder.glob("*.html") if _NAME.fullmatch(page.name) and not page.is_symlink()]
    pages.sort(key=lambda page: page.stat().st_mtime, reverse=True)
    items = "".join(
        f'<li><a href="/reports/{escape(page.name)}">{escape(page.stem)}</a>, '
        f"{datetime.fromtimestamp(page.stat().st_mtime, UTC):%Y-%m-%d %H:%M} UTC</li>"
        for page in pages
    )
    body = f"<ul>{items}</ul>" if items else "<p>No evaluation has written a report yet.</p>"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Imagerag: reports</title>'
        f"<body><h1>Reports</h1>{body}</body></html>"
    )
