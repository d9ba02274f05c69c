"""Which paths a collection's `include` and `ignore` patterns mean."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

_NOT_CONTENT = frozenset({"thumbs.db", "desktop.ini"})


class Patterns(Protocol):
    """What the settings of a collection say of paths."""

    @property
    def include(self) -> Sequence[str]: ...
    @property
    def ignore(self) -> Sequence[str]: ...


class PathFilter:
    """Says of a path why it is passed over, or "".

    A pattern without a slash is for a name at any depth, one with a slash is for the whole path from the source's root;
    `**` stands for any number of folders. An `ignore` pattern that matches a folder holds for all below it. Letter case
    does not matter: cameras write IMG_0001.JPG.
    """

    def __init__(self, patterns: Patterns) -> None:
        self._include = _compiled(patterns.include, below="")
        self._ignore = _compiled(patterns.ignore, below="(?:/.*)?")

    def folder(self, path: str) -> str:
        """Why the folder is not entered: `hidden`, `pattern`, or ""."""
        if path.rpartition("/")[2].startswith("."):
            return "hidden"
        return "pattern" if self._ignore and self._ignore.match(path + "/") else ""

    def file(self, path: str) -> str:
        """Why the file is not taken: `hidden`, `system`, `pattern`, `not_included`, or ""."""
        # A bucket has no folders that could have been passed over before.
        if path.startswith(".") or "/." in path:
            return "hidden"
        if path.rpartition("/")[2].lower() in _NOT_CONTENT:
            return "system"
        return self.chosen(path)

    def chosen(self, path: str) -> str:
        """As `file`, by the settings' patterns alone: what a manifest names is meant, hidden or not."""
        if self._ignore and self._ignore.match(path):
            return "pattern"
        return "" if self._include is None or self._include.match(path) else "not_included"


def _compiled(patterns: Sequence[str], below: str) -> re.Pattern[str] | None:
    if not patterns:
        return None
    return re.compile("|".join(_translated(pattern, below) for pattern in patterns), re.IGNORECASE | re.DOTALL)


def _translated(pattern: str, below: str) -> str:
    from fsspec.utils import glob_translate

    anchored = "/" in pattern.rstrip("/")
    # The translation ends in \Z, and what is below the folder may follow.
    translated = glob_translate(pattern.strip("/")).removesuffix(r"\Z")
    if pattern.endswith("/"):
        below = "/.*"
    return rf"(?:{'' if anchored else '(?:.*/)?'}{translated}{below})\Z"
