"""Citations in a text that comes piece by piece: those of images that were given stay, invented ones go."""

from __future__ import annotations

import re

_CITED = re.compile(r"\[\s*\d+(?:\s*[,;]\s*\d+)*\s*\]")
_LONGEST = 40
"""Characters of one citation, as [1, 2, 3]; what is longer is none."""


class CitationCheck:
    """Passes text on with citations of images 1 to `most` as [1]; counts what it let through and what it took out."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = ""
        self.cited: list[int] = []
        self.invented: list[str] = []

    def pass_on(self, piece: str) -> str:
        """What can be shown after this piece: an open bracket waits for its end."""
        text = self._held + piece
        opened = text.rfind("[")
        waits = opened >= 0 and "]" not in text[opened:] and len(text) - opened <= _LONGEST
        # The space before a citation that goes has to go with it.
        cut = len(text[:opened].rstrip(" ")) if waits else len(text.rstrip(" "))
        self._held = text[cut:]
        return self._checked(text[:cut])

    def rest(self) -> str:
        """What waited for an end that did not come."""
        text, self._held = self._held, ""
        return self._checked(text)

    def _checked(self, text: str) -> str:
        return re.sub(rf"( *)({_CITED.pattern})", self._check, text)

    def _check(self, found: re.Match[str]) -> str:
        kept = []
        for digits in re.findall(r"\d+", found[2]):
            number = int(digits) if len(digits) < 6 else 0
            if 1 <= number <= self._most:
                kept.append(f"[{number}]")
                if number not in self.cited:
                    self.cited.append(number)
            elif digits[:12] not in self.invented:
                self.invented.append(digits[:12])
        return found[1] + "".join(kept) if kept else ""
