"""A folder → rows: what is new, changed, renamed, removed, broken and mended, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagerag_assets.database.stages import StageReport
from imagerag_assets.errors import SourceError
from imagerag_assets.images.sources.folder import FolderSource
from imagerag_assets.project import Project
from imagerag_assets.stages import raw_images, tiles
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import draw, write_pictures

MakeProject = Callable[..., Project]


@dataclass(frozen=True)
class Shop:
    """A project with one collection of three pictures that was ingested once."""

    project: Project
    folder: Path

    def run(self) -> tuple[int, int, int, int, int]:
        """(new, updated, removed, skipped, failed) of another run."""
        report = raw_images.run(self.project, RunOptions())["shop"]
        return counts(report)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with self.project.database.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def live(self) -> list[object]:
        return [row[0] for row in self.rows("select uri from raw_images where removed_at is null order by uri")]

    def quarantine(self) -> list[tuple[object, ...]]:
        return self.rows("select uri, reason from quarantine order by uri")

    def version(self) -> str:
        with self.project.database.connect() as connection:
            return raw_images.data_version(connection)


def counts(report: StageReport) -> tuple[int, int, int, int, int]:
    return (report.new, report.updated, report.removed, report.skipped, report.failed)


def touch(file: Path, seconds: int) -> None:
    """Another modification time, whatever the file system's clock does."""
    facts = file.stat()
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + seconds * 10**9))


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Shop:
    made = Shop(make_project({"shop": write_pictures(tmp_path / "shop", range(3))}), tmp_path / "shop")
    assert made.run() == (3, 0, 0, 0, 0)
    return made


def test_a_second_run_opens_no_file(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    before = shop.version()
    monkeypatch.setattr(FolderSource, "read", lambda *_: pytest.fail("a file was read"))
    assert shop.run() == (0, 0, 0, 3, 0)
    assert shop.version() == before


def test_a_row_tells_what_the_file_is(shop: Shop) -> None:
    ((fmt, mode, width, height, phash, thumbnail, size),) = shop.rows(
        "select format, mode, width, height, length(phash), octet_length(thumbnail), size_bytes "
        "from contents c join raw_images using (content, size_bytes) where uri = 'picture-0001.png'"
    )
    assert (fmt, mode, width, height, phash) == ("PNG", "RGB", 200, 120, 64)
    assert size == (shop.folder / "picture-0001.png").stat().st_size
    assert thumbnail


def test_new_changed_renamed_and_removed_files_are_told_apart(shop: Shop) -> None:
    before = shop.version()
    write_pictures(shop.folder / "deeper", range(7, 8))
    draw(9).save(shop.folder / "picture-0000.png")
    (shop.folder / "picture-0001.png").rename(shop.folder / "other name.png")
    (shop.folder / "picture-0002.png").unlink()
    assert shop.run() == (2, 1, 2, 0, 0)
    assert shop.live() == ["deeper/picture-0007.png", "other name.png", "picture-0000.png"]
    assert shop.version() != before


def test_a_file_that_comes_back_is_live_again(shop: Shop) -> None:
    before = shop.version()
    (shop.folder / "picture-0002.png").unlink()
    assert shop.run() == (0, 0, 1, 2, 0)
    assert shop.version() != before
    draw(2).save(shop.folder / "picture-0002.png")
    assert shop.run() == (1, 0, 0, 2, 0)
    assert shop.version() == before


def test_a_copy_has_a_row_of_its_own_and_shares_the_content(shop: Shop) -> None:
    (shop.folder / "copy.png").write_bytes((shop.folder / "picture-0000.png").read_bytes())
    assert shop.run() == (1, 0, 0, 3, 0)
    assert shop.rows("select count(*), count(distinct content) from raw_images") == [(4, 3)]
    assert shop.rows("select count(*) from contents") == [(3,)]


def test_a_touched_file_is_read_again_and_leaves_everything_downstream_fresh(shop: Shop) -> None:
    tiles.run(shop.project, RunOptions())
    before = shop.version()
    touch(shop.folder / "picture-0000.png", 5)
    assert shop.run() == (0, 1, 0, 2, 0)
    assert shop.version() == before
    report = tiles.run(shop.project, RunOptions())
    assert (report.worked, report.skipped) == (0, 3)


def test_a_bad_file_is_quarantined_once_and_freed_when_it_is_mended(shop: Shop) -> None:
    bad = shop.folder / "bad.png"
    bad.write_bytes(b"")
    (shop.folder / "notes.txt").write_text("not a picture")
    assert shop.run() == (0, 0, 0, 3, 2)
    assert shop.quarantine() == [("bad.png", "empty"), ("notes.txt", "not_an_image")]
    assert shop.run() == (0, 0, 0, 5, 0)

    draw(5).save(bad)
    assert shop.run() == (1, 0, 0, 4, 0)
    assert shop.quarantine() == [("notes.txt", "not_an_image")]
    (shop.folder / "notes.txt").unlink()
    shop.run()
    assert shop.quarantine() == []


def test_a_good_file_that_is_overwritten_by_a_bad_one_is_no_image_any_more(shop: Shop) -> None:
    good = (shop.folder / "picture-0001.png").read_bytes()
    (shop.folder / "picture-0001.png").write_bytes(good[: len(good) // 2])
    assert shop.run() == (0, 0, 0, 2, 1)
    assert shop.live() == ["picture-0000.png", "picture-0002.png"]
    assert shop.quarantine() == [("picture-0001.png", "truncated")]


def test_stricter_limits_look_at_every_file_again(shop: Shop, make_project: MakeProject) -> None:
    url = shop.project.settings.database.url
    strict = Shop(make_project({"shop": shop.folder}, url=url, limits={"max_pixels": 1000}), shop.folder)
    assert strict.run() == (0, 0, 0, 0, 3)
    assert {reason for _, reason in strict.quarantine()} == {"too_large"}
    assert strict.live() == []
    assert shop.run() == (3, 0, 0, 0, 0)


def test_a_file_above_the_limit_of_bytes_is_not_even_read(
    make_project: MakeProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "shop", range(1))
    monkeypatch.setattr(FolderSource, "read", lambda *_: pytest.fail("the file was read"))
    shop = Shop(make_project({"shop": folder}, limits={"max_bytes": 100}), folder)
    assert shop.run() == (0, 0, 0, 0, 1)
    assert shop.quarantine() == [("picture-0000.png", "too_large")]


def test_a_listing_that_ends_early_removes_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.folder / "closed").mkdir()
    real = os.scandir

    def refusing(path: object) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)  # type: ignore[call-overload]

    (shop.folder / "picture-0000.png").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refusing)
        with pytest.raises(SourceError, match=r"closed cannot be listed: Permission denied\. Nothing was changed"):
            shop.run()
    assert len(shop.live()) == 3
    # The lock and the temporary table of the failed run are gone.
    assert shop.run() == (0, 0, 1, 2, 0)


def test_a_folder_that_does_not_exist_is_told_before_anything_changes(
    shop: Shop, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project({"shop": shop.folder, "gone": tmp_path / "gone"}, url=shop.project.settings.database.url)
    (shop.folder / "picture-0000.png").unlink()
    with pytest.raises(SourceError, match=r"collections\.gone\.source: the folder .*/gone does not exist") as caught:
        raw_images.run(project, RunOptions())
    assert "imagerag.yaml" in str(caught.value)
    assert len(shop.live()) == 3


def test_a_collection_that_the_settings_drop_is_marked_removed(
    shop: Shop, make_project: MakeProject, tmp_path: Path
) -> None:
    other = write_pictures(tmp_path / "other", range(20, 22))
    (other / "bad.png").write_bytes(b"")
    url = shop.project.settings.database.url
    raw_images.run(make_project({"shop": shop.folder, "other": other}, url=url), RunOptions())
    assert len(shop.live()) == 5

    reports = raw_images.run(shop.project, RunOptions())
    assert {name: counts(report)[2] for name, report in reports.items()} == {
        "shop": 0,
        "(no longer in the settings)": 2,
    }
    assert len(shop.live()) == 3
    assert shop.quarantine() == []


def test_names_that_postgres_cannot_hold_pipes_and_loops_do_not_stop_the_rest(shop: Shop) -> None:
    (Path(os.fsdecode(os.fsencode(shop.folder) + b"/caf\xe9.png"))).write_bytes(b"pixels")
    (shop.folder / 'tab\tand\nline "quoted" \\n.png').write_bytes((shop.folder / "picture-0000.png").read_bytes())
    (shop.folder / "loop.png").symlink_to(shop.folder / "loop.png")
    (shop.folder / "dangling.png").symlink_to(shop.folder / "nowhere.png")
    (shop.folder / "round").symlink_to(shop.folder, target_is_directory=True)
    os.mkfifo(shop.folder / "pipe.png")
    (shop.folder / ".hidden.png").write_bytes(b"")
    (shop.folder / "Thumbs.db").write_bytes(b"")

    assert shop.run() == (1, 0, 0, 3, 1)
    assert shop.quarantine() == [("caf\\xe9.png", "unreadable")]
    assert 'tab\tand\nline "quoted" \\n.png' in shop.live()
    ((listed, ignored, why),) = shop.rows("select listed, ignored, ignored_why from scans order by scan desc limit 1")
    assert (listed, ignored) == (11, 6)
    assert why == {"hidden": 1, "link_loop": 1, "linked_folder": 1, "no_file": 1, "system": 1, "vanished": 1}
