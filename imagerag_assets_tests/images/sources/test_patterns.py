"""Which paths a collection's patterns mean."""

from __future__ import annotations

import pytest

from imagerag_assets.images.sources.patterns import PathFilter
from imagerag_assets.settings import Collection


def paths(include: tuple[str, ...] = (), ignore: tuple[str, ...] = ()) -> PathFilter:
    return PathFilter(Collection(name="shop", source="shop", include=include, ignore=ignore))


@pytest.mark.parametrize(
    ("pattern", "path", "taken"),
    [
        ("*.jpg", "a.jpg", True),
        ("*.jpg", "deep/er/a.jpg", True),
        ("*.jpg", "deep/IMG_1.JPG", True),
        ("*.jpg", "a.jpg.bak", False),
        ("*.jpg", "line\nbreak.jpg", True),
        ("2024/*.jpg", "2024/a.jpg", True),
        ("2024/*.jpg", "2024/may/a.jpg", False),
        ("2024/*.jpg", "old/2024/a.jpg", False),
        ("2024/**", "2024/may/a.jpg", True),
        ("**/may/*.jpg", "2024/may/a.jpg", True),
        ("/a.jpg", "a.jpg", True),
        ("/a.jpg", "deep/a.jpg", False),
        ("IMG_[0-9]?.jpg", "IMG_12.jpg", True),
        ("*.(jpg)", "a.jpg", False),
    ],
)
def test_an_included_path(pattern: str, path: str, taken: bool) -> None:
    assert paths(include=(pattern,)).file(path) == ("" if taken else "not_included")


@pytest.mark.parametrize(
    ("pattern", "path", "ignored"),
    [
        ("*.tmp", "deep/a.tmp", True),
        ("drafts", "drafts/a.jpg", True),
        ("drafts", "2024/Drafts/deep/a.jpg", True),
        ("drafts", "my drafts/a.jpg", False),
        ("drafts/", "2024/drafts/a.jpg", True),
        ("drafts/", "2024/drafts", False),
        ("/drafts", "2024/drafts/a.jpg", False),
        ("2024/drafts", "2024/drafts/deep/a.jpg", True),
    ],
)
def test_an_ignored_path(pattern: str, path: str, ignored: bool) -> None:
    assert paths(ignore=(pattern,)).file(path) == ("pattern" if ignored else "")


def test_ignoring_wins_over_including() -> None:
    both = paths(include=("*.jpg",), ignore=("draft-*",))
    assert [both.file(name) for name in ("a.jpg", "draft-a.jpg", "a.png")] == ["", "pattern", "not_included"]


def test_an_ignored_folder_is_not_entered() -> None:
    some = paths(ignore=("cache", "x/*.tmp", "deep/"))
    folders = ("cache", "a/Cache", "x", "x/y", "deep", ".git")
    assert [some.folder(name) for name in folders] == ["pattern", "pattern", "", "", "pattern", "hidden"]
