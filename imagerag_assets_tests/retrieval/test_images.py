"""One image by its id: whatever became of it, with all that is known, and its pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from psycopg import sql

from imagerag_assets.errors import AmbiguousImageError, ItemError, QueryError, UnknownImageError
from imagerag_assets.project import Project
from imagerag_assets.retrieval import generations
from imagerag_assets.retrieval.images import File, find_image, thumbnail_of, tile_of
from imagerag_assets.stages import pgvector_index, raw_images
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.pictures import draw, write_pictures
from imagerag_assets_tests.retrieval.corpus import MakeProject, Picture, content_of, shop_project, store


@pytest.fixture(scope="module")
def shop(make_shared_project: MakeProject) -> Project:
    """Two collections written by hand: a group of duplicates, a shared name, a file that went, one in quarantine."""
    project = shop_project(make_shared_project, Path("unread"))
    pictures = [
        Picture("a.png", "red mug", "A mug", tiles=3),
        Picture("b.png", "red mug", "A mug", canonical="a.png"),
        Picture("both.png"),
        Picture("gone.png"),
        Picture("sub/c.png", collection="office"),
    ]
    store(project, pictures)
    with project.database.connect() as connection:
        connection.execute(
            "insert into raw_images (collection, uri, content, size_bytes, version, fingerprint) values "
            "('office', 'both.png', %s, 1, '0', 'f'), ('shop', 'copy.png', %s, 1, '0', 'f')",
            (content_of("sub/c.png"), content_of("a.png")),
        )
        connection.execute("update raw_images set metadata = '{\"price\": 9}' where uri = 'a.png'")
        connection.execute(
            "insert into quarantine (collection, uri, content, size_bytes, version, fingerprint, reason, message) "
            "values ('shop', 'bad.png', %s, 3, '0', 'f', 'truncated', 'It ends early.'), "
            "('shop', 'none.png', null, 0, '', 'f', 'unreadable', 'No.')",
            (content_of("bad.png"),),
        )
    pgvector_index.run(project, RunOptions())
    with project.database.connect() as connection:
        connection.execute("update raw_images set removed_at = now() where uri = 'gone.png'")
    return project


def named(project: Project, name: str) -> str:
    with project.database.connect() as connection:
        found = find_image(connection, project, name)
    return f"{found.collection}/{found.uri}"


def test_an_image_goes_by_its_content_its_first_digits_its_address_and_a_name_of_its_own(shop: Project) -> None:
    content = content_of("a.png")
    for name in (content, content.upper(), content[:8], content[:30], "shop/a.png", "a.png", f" {content} "):
        assert named(shop, name) == "shop/a.png"
    assert named(shop, "office/sub/c.png") == named(shop, "sub/c.png") == "office/sub/c.png"


@pytest.mark.parametrize(
    "name", ["", "  ", "nothing.png", "shop/nothing.png", "attic/a.png", "0" * 64, "a.p%", "\x00", "\udcff"]
)
def test_what_nobody_has_is_told(shop: Project, name: str) -> None:
    with pytest.raises(UnknownImageError, match="sha256, eight or more of its first digits"):
        named(shop, name)


def test_a_name_of_two_images_is_told_with_both(shop: Project) -> None:
    with pytest.raises(AmbiguousImageError, match=r"may be any of office/both\.png, shop/both\.png"):
        named(shop, "both.png")
    assert named(shop, "office/both.png") == "office/both.png"


def test_everything_that_is_known_of_an_image_is_told(shop: Project) -> None:
    with shop.database.connect() as connection:
        found = find_image(connection, shop, "shop/a.png")
    assert (found.content, found.state, found.uris) == (content_of("a.png"), "indexed", ("a.png", "copy.png"))
    assert (found.width, found.height, found.format, found.tiles) == (300, 50, "PNG", 3)
    assert (found.general, found.category, found.tags, found.ocr) == ("A mug", "thing", ("a tag",), "red mug")
    assert (found.describer, found.languages) == ("m", ("eng",))
    assert found.metadata == {"format": "PNG", "price": 9}
    assert found.group_id == content_of("a.png")
    assert [(one.collection, one.uri) for one in found.duplicates] == [("shop", "b.png")]
    assert found.first_seen is not None


def test_an_image_that_went_and_one_in_quarantine_say_so(shop: Project) -> None:
    with shop.database.connect() as connection:
        gone, bad = find_image(connection, shop, "gone.png"), find_image(connection, shop, content_of("bad.png"))
        unread = find_image(connection, shop, "shop/none.png")
    assert (gone.state, gone.uris) == ("removed", ())
    assert isinstance(gone.files[0], File)
    assert gone.files[0].removed_at is not None
    assert bad.state == "quarantined"
    assert bad.trouble is not None
    assert (bad.uri, bad.trouble.reason, bad.trouble.message) == ("bad.png", "truncated", "It ends early.")
    assert (unread.state, unread.content) == ("quarantined", None)


def test_an_index_of_another_versions_tables_is_not_read(shop: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generations, "LAYOUT_VERSION", 99)
    with shop.database.connect() as connection:
        connection.execute(
            sql.SQL("alter table {} rename column metadata to other").format(
                generations.live(connection).table("images")
            )
        )
        told = find_image(connection, shop, "a.png")
        connection.rollback()
    assert (told.state, told.metadata) == ("pending", {"price": 9})


@pytest.fixture(scope="module")
def files(make_shared_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two real files, and nothing made of them yet."""
    folder = write_pictures(tmp_path_factory.mktemp("files"), range(2))
    project = make_shared_project({"shop": folder})
    raw_images.run(project, RunOptions())
    return project


def test_a_tile_is_cut_from_the_file_at_full_size_and_a_thumbnail_is_a_picture(files: Project) -> None:
    with files.database.connect() as connection:
        found = find_image(connection, files, "picture-0001.png")
        assert (found.state, found.tiles, found.ocr, found.general) == ("pending", 0, "", "")
        assert found.content is not None
        tile = tile_of(connection, files, found.content, (10, 20, 110, 70))
        data, kind = thumbnail_of(connection, found.content)
    assert tile.tobytes() == draw(1).crop((10, 20, 110, 70)).tobytes()
    assert (kind, data[:4], data[8:12]) == ("image/webp", b"RIFF", b"WEBP")


@pytest.mark.parametrize("box", [(0, 0, 201, 10), (-1, 0, 10, 10), (10, 10, 10, 20), (0, 0, 10), (5, 9, 10, 3)])
def test_a_box_outside_the_image_is_refused_with_its_size(files: Project, box: tuple[int, ...]) -> None:
    with files.database.connect() as connection:
        content = find_image(connection, files, "picture-0000.png").content or ""
        with pytest.raises(QueryError, match="200 × 120 pixels"):
            tile_of(connection, files, content, box)


def test_pixels_of_unknown_contents_are_refused(files: Project) -> None:
    with files.database.connect() as connection:
        with pytest.raises(UnknownImageError):
            thumbnail_of(connection, "0" * 64)
        with pytest.raises(UnknownImageError):
            tile_of(connection, files, "0" * 64, (0, 0, 1, 1))


def test_a_file_that_changed_since_gives_no_tile_of_something_else(make_project: MakeProject, tmp_path: Path) -> None:
    project = make_project({"shop": write_pictures(tmp_path / "shop", range(1))})
    raw_images.run(project, RunOptions())
    Image.new("RGB", (200, 120)).save(tmp_path / "shop" / "picture-0000.png")
    with project.database.connect() as connection:
        content = find_image(connection, project, "picture-0000.png").content or ""
        with pytest.raises(ItemError, match="changed since it was listed"):
            tile_of(connection, project, content, (0, 0, 10, 10))
