"""Small pictures for people: contact sheets and pairs, as PNG bytes. They are shown in the Dagster UI."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image, ImageOps

_CELL = 96
_GAP = 4


def contact_sheet(thumbnails: Sequence[bytes], columns: int = 8) -> bytes:
    """Thumbnails in rows, each in a square of 96 pixels."""
    rows = -(-max(len(thumbnails), 1) // columns)
    step = _CELL + _GAP
    sheet = Image.new("RGB", (columns * step + _GAP, rows * step + _GAP), "white")
    for index, data in enumerate(thumbnails):
        with Image.open(io.BytesIO(data)) as opened:
            cell = ImageOps.contain(opened.convert("RGB"), (_CELL, _CELL))
        x = _GAP + (index % columns) * step + (_CELL - cell.width) // 2
        y = _GAP + (index // columns) * step + (_CELL - cell.height) // 2
        sheet.paste(cell, (x, y))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
