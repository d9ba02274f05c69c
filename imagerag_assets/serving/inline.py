"""Pictures in the terminal: by the protocols of kitty and iTerm2 where the terminal has one, else as half blocks.

Never where output is no terminal: a file or a pipe gets text alone. Sixel is not spoken.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Mapping
from typing import Literal

from PIL import Image
from rich.color import Color
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style

Protocol = Literal["kitty", "iterm2", "blocks"]
_KITTY_CHUNK = 4096
"""Most characters of one escape sequence, by kitty's graphics protocol."""
_ITERM = ("iTerm.app", "WezTerm", "mintty", "vscode")


def protocol_of(console: Console, environment: Mapping[str, str] = os.environ) -> Protocol | None:
    """How this terminal shows pictures; None where there is no terminal, or one without colours."""
    if not console.is_terminal or console.is_dumb_terminal or console.color_system is None:
        return None
    # Inside tmux and screen the sequences of graphics would have to be wrapped, and stay when a window is left.
    if environment.get("TMUX") or environment.get("TERM", "").startswith(("screen", "tmux")):
        return "blocks"
    if "kitty" in environment.get("TERM", "") or environment.get("TERM_PROGRAM") == "ghostty":
        return "kitty"
    if environment.get("TERM_PROGRAM") in _ITERM:
        return "iterm2"
    return "blocks"


def show_picture(console: Console, data: bytes, columns: int = 40) -> None:
    """Print a small encoded picture, at most `columns` characters wide. Does nothing where `protocol_of` is None."""
    protocol = protocol_of(console)
    if protocol is None or not data:
        return
    with Image.open(io.BytesIO(data)) as opened:
        picture = opened.convert("RGB")
    columns = min(columns, console.width)
    if protocol == "blocks":
        console.print(_half_blocks(picture, columns))
        return
    sequence = _kitty(picture, columns) if protocol == "kitty" else _iterm2(picture, columns)
    console.file.write(sequence + "\n")
    console.file.flush()


def _half_blocks(picture: Image.Image, columns: int) -> Segments:
    """Two pixels a character, one above the other: a character is about twice as high as wide."""
    width = min(columns, picture.width)
    height = max(2, round(picture.height * width / picture.width))
    small = picture.resize((width, height + height % 2), Image.Resampling.LANCZOS)
    segments = []
    for y in range(0, small.height, 2):
        for x in range(small.width):
            above, below = (Color.from_rgb(*_rgb(small, x, y + down)) for down in (0, 1))
            segments.append(Segment("▀", Style(color=above, bgcolor=below)))
        segments.append(Segment.line())
    return Segments(segments)


def _rgb(picture: Image.Image, x: int, y: int) -> tuple[int, int, int]:
    red, green, blue = picture.getpixel((x, y))  # type: ignore[misc]
    return int(red), int(green), int(blue)


def _png(picture: Image.Image) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def _kitty(picture: Image.Image, columns: int) -> str:
    """https://sw.kovidgoyal.net/kitty/graphics-protocol: transmit and display a PNG, in chunks."""
    encoded = _png(picture)
    chunks = [encoded[at : at + _KITTY_CHUNK] for at in range(0, len(encoded), _KITTY_CHUNK)]
    parts = []
    for number, chunk in enumerate(chunks):
        first = f"a=T,f=100,c={columns},q=2," if number == 0 else ""
        parts.append(f"\x1b_G{first}m={int(number < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(parts)


def _iterm2(picture: Image.Image, columns: int) -> str:
    """https://iterm2.com/documentation-images.html."""
    return f"\x1b]1337;File=inline=1;width={columns};preserveAspectRatio=1:{_png(picture)}\a"
