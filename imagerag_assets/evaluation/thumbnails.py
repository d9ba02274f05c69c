"""Small pictures inside a page: every picture once, as a CSS class, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field

from PIL import Image, ImageOps

SIDE = 128
"""Longest side in pixels: shown at half of that and at full size on dense screens."""
_QUALITY = 62


@dataclass
class ThumbnailSheet:
    """Pictures by name. What is beyond the budget has no class, and the page shows its file name instead."""

    budget_bytes: int
    left_out: int = 0
    _classes: dict[str, str] = field(default_factory=dict)
    _rules: list[str] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        return name in self._classes

    def add(self, name: str, picture: bytes) -> None:
        """Add an encoded picture (any format that Pillow reads) under a name that is not in the sheet yet."""
        small = shrink(picture)
        rule = f"background-image:url(data:image/webp;base64,{base64.b64encode(small).decode()})" if small else ""
        if not small or len(rule) > self.budget_bytes:
            self.left_out += 1
            self._classes[name] = ""
            return
        self.budget_bytes -= len(rule)
        self._classes[name] = f"i{len(self._rules)}"
        self._rules.append(f".{self._classes[name]}{{{rule}}}")

    def css_class(self, name: str | None) -> str:
        """Give the class of a picture, or "" when it is not in the sheet."""
        return self._classes.get(name or "", "")

    @property
    def css(self) -> str:
        """The rules of every class."""
        return "\n".join(self._rules)


def shrink(picture: bytes) -> bytes:
    """Re-encode a picture as a WebP of a few kB, upright, on white; nothing when it cannot be read."""
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.draft("RGB", (SIDE, SIDE))
            upright = ImageOps.exif_transpose(image)
            upright.thumbnail((SIDE, SIDE))
            rgba = upright.convert("RGBA")
    except (OSError, ValueError, Image.DecompressionBombError):
        return b""
    ground = Image.new("RGBA", rgba.size, "white")
    ground.alpha_composite(rgba)
    buffer = io.BytesIO()
    ground.convert("RGB").save(buffer, "WEBP", quality=_QUALITY, method=4)
    return buffer.getvalue()
