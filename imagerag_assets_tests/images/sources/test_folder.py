"""A folder as a source: whatever lies in it is listed as something."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagerag_assets.errors import ItemError, SourceError
from imagerag_assets.images.sources import ListedFile, open_source
from imagerag_assets.settings import Collection, Settings

Listed = dict[str, ListedFile]


def source_of(folder: Path, **values: Any) -> Any:
    return open_source(Settings(), Collection(name="shop", source=str(folder), **values))


def listed(folder: Path, **values: Any) -> Listed:
    return {file.uri: file for file in source_of(folder, **values).list()}


def test_a_file_has_its_size_and_time(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.jpg").write_bytes(b"pixels")
    os.utime(tmp_path / "deep" / "a.jpg", ns=(0, 1_234_567_891))
    (file,) = listed(tmp_path).values()
    assert file == ListedFile("deep/a.jpg", 6, "1234567891")


def test_everything_else_is_listed_with_why_it_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    for name in ("b.txt", ".hidden", "Thumbs.db", "draft.jpg"):
        (tmp_path / name).write_bytes(b"")
    for name in (".git", "cache"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "x.jpg").write_bytes(b"")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "round").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "link.jpg").symlink_to(tmp_path / "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    found = listed(tmp_path, include=["*.jpg"], ignore=["draft*", "cache"])
    assert {uri: file.ignored for uri, file in found.items()} == {
        "a.jpg": "",
        "link.jpg": "",
        "b.txt": "not_included",
        ".hidden": "hidden",
        "Thumbs.db": "system",
        "draft.jpg": "pattern",
        ".git/": "hidden",
        "cache/": "pattern",
        "loop.jpg": "link_loop",
        "nowhere.jpg": "vanished",
        "round": "not_included",
        "pipe.jpg": "no_file",
    }
    assert listed(tmp_path)["round"].ignored == "linked_folder"


def test_an_ignored_folder_may_be_unreadable(tmp_path: Path, deny: Callable[[str], None]) -> None:
    (tmp_path / "lost+found").mkdir()
    deny("lost+found")
    with pytest.raises(SourceError, match=r"lost\+found cannot be listed: Permission denied\. .*ignore patterns"):
        listed(tmp_path)
    assert listed(tmp_path, ignore=["lost+found"])["lost+found/"].ignored == "pattern"


@pytest.fixture
def deny(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Tests may run as root, whom no permission stops."""
    real = os.scandir

    def deny(name: str) -> None:
        def refusing(path: Any) -> Any:
            if str(path).endswith(name):
                raise PermissionError(13, "Permission denied", str(path))
            return real(path)

        monkeypatch.setattr(os, "scandir", refusing)

    return deny


def test_a_file_that_may_not_be_looked_at_is_for_the_quarantine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    source = source_of(tmp_path)

    def refuse(_path: os.PathLike[str]) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refuse)
        (file,) = source.list()
    assert (file.reason, file.ignored) == ("unreadable", "")


def test_reading_gives_the_version_of_what_was_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"old")
    source = source_of(tmp_path)
    (before,) = source.list()
    (tmp_path / "a.jpg").write_bytes(b"new one")
    os.utime(tmp_path / "a.jpg", ns=(0, 5))
    read = source.read("a.jpg", 100)
    assert (read.data, read.version) == (b"new one", "5")
    assert read.version != before.version


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda file: file.unlink(), "not_found"),
        (lambda file: [file.unlink(), os.mkfifo(file)], "unreadable"),  # type: ignore[func-returns-value]
        (lambda file: (file.unlink(), file.mkdir()), "unreadable"),
        (lambda file: file.write_bytes(bytes(101)), "too_large"),
    ],
    ids=["deleted", "a pipe now", "a folder now", "grown"],
)
def test_a_file_that_is_no_longer_what_was_listed_ends_in_a_reason(
    tmp_path: Path, prepare: Callable[[Path], Any], reason: str
) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    source = source_of(tmp_path)
    prepare(tmp_path / "a.jpg")
    with pytest.raises(ItemError) as caught:
        source.read("a.jpg", 100)
    assert caught.value.reason == reason


def test_a_file_that_is_being_written_is_left_to_the_next_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(b"x")
    source, real = source_of(tmp_path), os.fstat

    def growing(descriptor: int) -> os.stat_result:
        with (tmp_path / "a.jpg").open("ab") as file:
            file.write(b"x")
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", growing)
    with pytest.raises(ItemError) as caught:
        source.read("a.jpg", 1000)
    assert caught.value.reason == "changing"
