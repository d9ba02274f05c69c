"""Files of several pages, limits and quarantine: what is looked at again, and what is not."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.rows import namedtuple_row

import imagerag_assets
from imagerag_assets.database.stages import Item
from imagerag_assets.images import workers
from imagerag_assets.images.inspect import Fault
from imagerag_assets.images.sources import PASSING, ReadFile, http
from imagerag_assets.images.sources import folder as folder_source
from imagerag_assets.project import Project
from imagerag_assets.stages import clip_embeddings, common, ocr_text, raw_images, tiles
from imagerag_assets.stages.common import RunOptions, load_image
from imagerag_assets_tests.images import zoo
from imagerag_assets_tests.images.test_ingest import Shop, touch
from imagerag_assets_tests.pictures import draw, write_pictures

MakeProject = Callable[..., Project]


@pytest.fixture
def shop(make_project: MakeProject, tmp_path: Path) -> Shop:
    """A collection of one picture, ingested once."""
    folder = write_pictures(tmp_path / "shop", range(1))
    made = Shop(make_project({"shop": folder}), folder)
    assert made.run() == (1, 0, 0, 0, 0)
    return made


def again(shop: Shop, make_project: MakeProject, **values: object) -> Shop:
    """The same database and folder under other settings."""
    return Shop(make_project({"shop": shop.folder}, url=shop.project.settings.database.url, **values), shop.folder)


def names(file: str, *pages: int) -> list[str]:
    return [f"{file}#page={page}" for page in pages]


def files_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from here on."""
    read: list[str] = []
    real = folder_source.read_file

    def reading(path: Path, uri: str, max_bytes: int) -> ReadFile:
        read.append(uri)
        return real(path, uri, max_bytes)

    monkeypatch.setattr(folder_source, "read_file", reading)
    return read


def test_every_page_is_an_image_with_a_name_and_a_content_of_its_own(shop: Shop) -> None:
    (shop.folder / "scan.pdf").write_bytes(zoo.pdf(3))
    (shop.folder / "fax.tif").write_bytes(zoo.tiff_of(2))
    (shop.folder / "single.pdf").write_bytes(zoo.pdf(1))
    assert shop.run() == (6, 0, 0, 1, 0)
    assert shop.live() == [
        *names("fax.tif", 1, 2), "picture-0000.png", *names("scan.pdf", 1, 2, 3), "single.pdf",
    ]  # fmt: skip
    assert shop.rows("select file, page from raw_images where uri like 'scan.pdf%' order by uri") == [
        ("scan.pdf", 1), ("scan.pdf", 2), ("scan.pdf", 3),
    ]  # fmt: skip
    assert shop.rows("select page from raw_images where uri = 'single.pdf'") == [(None,)]
    assert shop.rows("select count(distinct content) from raw_images") == [(7,)]
    assert shop.run() == (0, 0, 0, 4, 0)


def test_the_content_of_a_page_is_the_hash_of_the_files_hash_and_its_number(shop: Shop) -> None:
    data = zoo.pdf(2)
    (shop.folder / "scan.pdf").write_bytes(data)
    shop.run()
    whole = hashlib.sha256(data).hexdigest()
    expected = [(hashlib.sha256(f"{whole}#page={page}".encode()).hexdigest(), page) for page in (1, 2)]
    assert shop.rows("select content, page from raw_images where file = 'scan.pdf' order by page") == expected


def test_a_file_that_shrinks_loses_its_last_pages_and_one_that_grows_gains_some(shop: Shop) -> None:
    scan = shop.folder / "scan.tif"
    scan.write_bytes(zoo.tiff_of(5))
    shop.run()
    scan.write_bytes(zoo.tiff_of(3))
    assert shop.run() == (0, 3, 2, 1, 0)
    assert shop.live()[1:] == names("scan.tif", 1, 2, 3)
    scan.write_bytes(zoo.tiff_of(1))
    assert shop.run() == (1, 0, 3, 1, 0)
    assert shop.live()[1:] == ["scan.tif"]
    scan.write_bytes(zoo.tiff_of(2))
    assert shop.run() == (2, 0, 1, 1, 0)
    scan.unlink()
    assert shop.run() == (0, 0, 2, 1, 0)
    assert shop.live() == ["picture-0000.png"]


def test_one_broken_page_is_quarantined_and_the_others_are_kept(shop: Shop) -> None:
    good = zoo.tiff_of(4)
    directory = zoo.tiff_directories(good)[1]
    (shop.folder / "scan.tif").write_bytes(zoo.without_tag(good, directory, 256))
    assert shop.run() == (3, 0, 0, 1, 1)
    assert shop.live()[1:] == names("scan.tif", 1, 3, 4)
    assert shop.rows("select uri, file, page, reason, content is not null from quarantine") == [
        ("scan.tif#page=2", "scan.tif", 2, "decode_error", True)
    ]
    assert shop.run() == (0, 0, 0, 2, 0)
    (shop.folder / "scan.tif").write_bytes(good)
    assert shop.run() == (1, 3, 0, 1, 0)
    assert shop.quarantine() == []


def test_a_file_that_is_no_image_any_more_loses_its_pages(shop: Shop) -> None:
    (shop.folder / "scan.pdf").write_bytes(zoo.pdf(2))
    shop.run()
    (shop.folder / "scan.pdf").write_bytes(b"gone")
    assert shop.run() == (0, 0, 2, 1, 1)
    assert shop.live() == ["picture-0000.png"]
    assert shop.quarantine() == [("scan.pdf", "not_an_image")]


def test_a_file_that_is_called_like_a_page_takes_no_name_away(shop: Shop) -> None:
    (shop.folder / "scan.pdf").write_bytes(zoo.pdf(2))
    draw(50).save(shop.folder / "other.png")
    (shop.folder / "other.png").rename(shop.folder / "scan.pdf#page=2")
    assert shop.run() == (2, 0, 0, 1, 1)
    assert shop.rows("select file from raw_images where uri = 'scan.pdf#page=2'") == [("scan.pdf",)]
    assert shop.quarantine() == [("scan.pdf#page=2", "name_taken")]
    assert shop.run() == (0, 0, 0, 3, 0)


def test_pages_are_loaded_from_their_file_which_is_read_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    (shop.folder / "scan.pdf").write_bytes(zoo.pdf(3))
    shop.run()
    read = files_read(monkeypatch)
    with shop.project.database.connect() as connection, connection.cursor(row_factory=namedtuple_row) as cursor:
        items: list[Item] = [
            *cursor.execute(f"select * from ({common.CONTENTS}) s where s.file = 'scan.pdf' order by s.page".encode())
        ]
    sizes = [load_image(shop.project, item).size for item in items]
    assert sizes == [(417, 251)] * 3
    assert read == ["scan.pdf"]
    assert all(size == (item.width, item.height) for size, item in zip(sizes, items, strict=True))


def test_every_stage_works_on_pages(shop: Shop) -> None:
    (shop.folder / "scan.tif").write_bytes(zoo.tiff_of(2))
    shop.run()
    assert tiles.run(shop.project, RunOptions()).new == 3
    assert clip_embeddings.run(shop.project, RunOptions()).new == 3
    report = ocr_text.run(shop.project, RunOptions())
    assert (report.new, report.failed) == (3, 0)


def test_other_limits_read_only_what_they_decide(
    shop: Shop, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(70, (400, 300)).save(shop.folder / "large.png")
    (shop.folder / "bad.png").write_bytes(b"bad")
    assert shop.run() == (1, 0, 0, 1, 1)
    read = files_read(monkeypatch)
    lower = again(shop, make_project, limits={"max_pixels": 50_000})
    assert lower.run() == (0, 0, 0, 1, 2)
    assert sorted(read) == ["bad.png", "large.png"]
    assert lower.live() == ["picture-0000.png"]
    assert lower.run() == (0, 0, 0, 3, 0)
    read.clear()
    assert shop.run() == (1, 0, 0, 1, 1)
    assert sorted(read) == ["bad.png", "large.png"]


@pytest.mark.parametrize("limit", ["max_pages", "max_frames", "max_bytes"])
def test_what_a_lowered_limit_forbids_goes_into_quarantine(shop: Shop, make_project: MakeProject, limit: str) -> None:
    file, data, value = {
        "max_pages": ("scan.tif", zoo.tiff_of(3), 2),
        "max_frames": ("moving.gif", zoo.endless_gif(9), 8),
        "max_bytes": ("large.bmp", zoo.encoded(draw(3, (300, 300)), "BMP"), 200_000),
    }[limit]
    (shop.folder / file).write_bytes(data)
    shop.run()
    strict = again(shop, make_project, limits={limit: value})
    assert strict.run()[4] == 1
    assert strict.live() == ["picture-0000.png"]
    assert strict.quarantine() == [(file, "too_large")]
    assert strict.run()[3:] == (2, 0)


def test_another_resolution_draws_the_pdfs_anew_and_what_was_made_from_them(
    shop: Shop, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.folder / "scan.pdf").write_bytes(zoo.pdf(2))
    shop.run()
    tiles.run(shop.project, RunOptions())
    read = files_read(monkeypatch)
    finer = again(shop, make_project, limits={"pdf_dpi": 300})
    assert finer.run() == (0, 2, 0, 1, 0)
    assert read == ["scan.pdf"]
    assert tiles.run(finer.project, RunOptions()).worked == 2
    assert finer.rows("select distinct x1, y1 from tiles join contents using (content) where dpi is not null") == [
        (834, 501)
    ]
    assert finer.run() == (0, 0, 0, 2, 0)


def test_a_page_that_the_limit_of_pixels_bounds_is_not_drawn_anew_in_every_run(
    shop: Shop, make_project: MakeProject
) -> None:
    (shop.folder / "scan.pdf").write_bytes(zoo.pdf(2))
    bounded = again(shop, make_project, limits={"max_pixels": 40_000})
    assert bounded.run() == (2, 0, 0, 1, 0)
    assert bounded.run() == (0, 0, 0, 2, 0)
    assert shop.run() == (0, 2, 0, 1, 0)


@pytest.mark.parametrize("reason", ["decoder_crashed", "timeout"])
def test_what_may_pass_is_tried_again_and_not_for_ever(
    shop: Shop, make_project: MakeProject, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    looked: list[int] = []

    def failing(self: workers.DecoderPool, data: bytes, limits: object) -> list[Fault]:
        looked.append(len(data))
        return [Fault(None, reason, "it happens")]

    draw(5).save(shop.folder / "new.png")
    patient = again(shop, make_project, retries={"attempts": 3, "first_wait_seconds": 0})
    with monkeypatch.context() as patch:
        patch.setattr(workers.DecoderPool, "look_inside", failing)
        assert [patient.run()[4] for _ in range(5)] == [1, 1, 1, 0, 0]
    assert len(looked) == 3
    assert patient.rows("select attempts from quarantine") == [(3,)]
    touch(shop.folder / "new.png", 5)
    assert patient.run() == (1, 0, 0, 1, 0)


def test_what_may_pass_waits_before_it_is_tried_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    draw(5).save(shop.folder / "new.png")
    with monkeypatch.context() as patch:
        patch.setattr(workers.DecoderPool, "look_inside", lambda *_: [Fault(None, "timeout", "slow")])
        assert shop.run()[4] == 1
    assert shop.run() == (0, 0, 0, 2, 0)
    shop.rows("update quarantine set next_try = now() returning uri")
    assert shop.run() == (1, 0, 0, 1, 0)
    assert shop.quarantine() == []


def test_what_cannot_pass_is_not_tried_again(shop: Shop, make_project: MakeProject) -> None:
    patient = again(shop, make_project, retries={"attempts": 3, "first_wait_seconds": 0})
    (shop.folder / "bad.png").write_bytes(b"bad")
    assert [patient.run()[4] for _ in range(3)] == [1, 0, 0]


def test_every_reason_of_the_code_is_in_the_documentation_and_none_else() -> None:
    package = Path(imagerag_assets.__file__).parent
    document = (package.parent / "docs" / "quarantine.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| (`.*?) \|", document, re.MULTILINE)
    documented = {reason for cell in cells for reason in re.findall(r"`(\w+)`", cell)}
    code = "".join(file.read_text(encoding="utf-8") for file in (package / "images").rglob("*.py"))
    raised = set(re.findall(r'(?:ItemError|_refused)\(\s*"(\w+)"', code))
    # A reason with its message, as for a page that cost its decoder.
    raised |= set(re.findall(r'return "(\w+)", (?:f"|str\()', code))
    raised |= set(re.findall(r'Fault\([\w. ]+, "(\w+)"', code)) | {"truncated", "decode_error"}
    raised |= {*http._REASONS.values(), *PASSING, "http_error"}
    # `changed` is of a stage that reads a file again, and puts nothing into quarantine.
    assert raised - {"changed"} == documented


def test_the_whole_zoo_is_indexed_or_quarantined_for_a_fitting_reason(
    make_project: MakeProject, tmp_path: Path
) -> None:
    folder = tmp_path / "zoo"
    files = zoo.write_zoo(folder)
    assert files >= 150
    keeper = Shop(make_project({"zoo": folder}), folder)
    report = raw_images.run(keeper.project, RunOptions())["zoo"]
    known = keeper.rows("select file from raw_images where removed_at is null union select file from quarantine")
    assert len(known) == files
    assert report.failed == len(keeper.quarantine())
    reasons = {str(file): str(why) for file, why in keeper.rows("select file, reason from quarantine")}
    assert not set(reasons.values()) & {"decoder_crashed", "timeout", "unreadable", "name_taken"}
    for name, _, fitting in zoo.bad_files():
        assert reasons[name] in fitting, name
    for name, _ in zoo.good_files():
        assert name not in reasons, (name, reasons.get(name))
    assert {reasons.get(name) for name, _ in zoo.cut_files()} == {"truncated"}
