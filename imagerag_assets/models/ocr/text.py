"""What was read: words with boxes, lines, the whole text. Who reads is not known here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from imagerag_assets.errors import ModelError


@dataclass(frozen=True)
class Word:
    """A word with its box in pixels of the picture that was read, and a confidence in 0–1."""

    text: str
    x0: int
    y0: int
    x1: int
    y1: int
    confidence: float
    line: int
    """Words of one number are one line. Numbers and words are in reading order."""

    @property
    def letters(self) -> int:
        """How many letters and digits it has."""
        return sum(char.isalnum() for char in self.text)

    @property
    def is_tall(self) -> bool:
        """Whether a word of several letters stands on end."""
        return self.letters >= 3 and self.y1 - self.y0 > 1.5 * (self.x1 - self.x0)

    def moved(self, dx: int, dy: int) -> Word:
        return replace(self, x0=self.x0 + dx, y0=self.y0 + dy, x1=self.x1 + dx, y1=self.y1 + dy)

    def share_inside(self, other: Word) -> float:
        """Share of the smaller box's area that lies in the other, 0–1."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        smaller = min((one.x1 - one.x0) * (one.y1 - one.y0) for one in (self, other))
        return width * height / smaller if width > 0 and height > 0 else 0.0


@dataclass(frozen=True)
class OcrText:
    """What was read in one image. No word at all is a result, not a failure."""

    text: str
    words: tuple[Word, ...]
    """Boxes are in pixels of the upright image as it was given, whichever way its text runs."""
    engine: str
    languages: tuple[str, ...]
    """That the engine was told; none for an engine that needs no telling."""
    turned: int
    """Degrees counter-clockwise (0, 90, 180, 270) by which the image had to be turned to be read."""

    @property
    def mean_confidence(self) -> float | None:
        """Mean over the words, in 0–1; None when nothing was read."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else None


def lines_of(words: Iterable[Word]) -> list[list[Word]]:
    """The words of each line, lines in the order of their first word."""
    lines: dict[int, list[Word]] = {}
    for word in words:
        lines.setdefault(word.line, []).append(word)
    return list(lines.values())


def renumbered(lines: Iterable[list[Word]]) -> list[Word]:
    """The lines' words with fresh line numbers from 0."""
    return [replace(word, line=number) for number, line in enumerate(lines) for word in line]


def text_of(words: Iterable[Word]) -> str:
    return "\n".join(" ".join(word.text for word in line) for line in lines_of(words))


def missing_engine(name: str, remedy: str) -> ModelError:
    return ModelError(f"ocr.engine {name} is not installed or incomplete: {remedy}")
