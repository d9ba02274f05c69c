"""What a listing leads to: metadata, counts that add up, questions before much is removed, nothing for a bad line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest
from moto.server import ThreadedMotoServer
from psycopg import sql

from imagerag_assets.database import migrate
from imagerag_assets.errors import SettingsError, SourceError
from imagerag_assets.images import listing
from imagerag_assets.images.sources import ListedFile, ReadFile
from imagerag_assets.images.sources.bucket import BucketSource, Objects
from imagerag_assets.images.sources.folder import FolderSource
from imagerag_assets.project import Project
from imagerag_assets.settings import Limits, Retries
from imagerag_assets.stages import raw_images
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.images.sources.webserver import Answer, WebServer, web_server
from imagerag_assets_tests.images.test_ingest import counts
from imagerag_assets_tests.pictures import draw, write_pictures

MakeProject = Callable[..., Project]


@dataclass(frozen=True)
class Shop:
    """A project with one collection, ingested at every `run`, after which nothing may be lost."""

    project: Project

    def run(self, *allow_removal: str) -> tuple[int, int, int, int, int]:
        """(new, updated, removed, skipped, failed)."""
        report = raw_images.run(self.project, RunOptions(allow_removal=allow_removal))["shop"]
        (balance,) = self.balances()
        assert balance.lost == 0, balance
        return counts(report)

    def balances(self) -> list[listing.Balance]:
        with self.project.database.connect() as connection:
            return listing.balances(connection, ["shop"])

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.project.database.connect() as connection:
            return connection.execute(query.encode()).fetchall()

    def live(self) -> dict[str, Any]:
        return dict(self.rows("select uri, metadata from raw_images where removed_at is null order by uri"))

    def quarantine(self) -> dict[str, str]:
        return dict(self.rows("select uri, reason from quarantine order by uri"))

    def scan(self) -> dict[str, Any]:
        names = ("listed", "images", "unchanged", "quarantined", "ignored", "sidecars", "removed")
        (row,) = self.rows(f"select {', '.join(names)} from scans order by scan desc limit 1")
        return dict(zip(names, row, strict=True))

    def version(self) -> str:
        with self.project.database.connect() as connection:
            return raw_images.data_version(connection)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "shop"


@pytest.fixture
def open_shop(make_project: MakeProject, folder: Path) -> Callable[..., Shop]:
    def made(source: object = folder, url: str | None = None, **values: Any) -> Shop:
        collection = {"name": "shop", "source": str(source), **values}
        return Shop(make_project({}, url=url, collections=[collection]))

    return made


OpenShop = Callable[..., Shop]


def picture_bytes(folder: Path, number: int = 0) -> bytes:
    return (write_pictures(folder / "drawn", range(number, number + 1)) / f"picture-{number:04d}.png").read_bytes()


# Metadata.


def test_sidecars_become_metadata_and_are_no_images(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(3))
    (folder / "picture-0000.png.json").write_text('{"colour": "red", "shot": {"at": "2026-05-01"}, "tags": ["a", "b"]}')
    (folder / "picture-0001.JSON").write_text('{"price": 12.5, "new": true, "nothing": null}')
    (folder / "alone.json").write_text('{"of": "nothing"}')
    shop = open_shop()
    assert shop.run() == (3, 0, 0, 0, 1)
    assert shop.live() == {
        "picture-0000.png": {"colour": "red", "shot.at": "2026-05-01", "tags": "a, b"},
        "picture-0001.png": {"price": 12.5, "new": True},
        "picture-0002.png": {},
    }
    assert shop.quarantine() == {"alone.json": "not_an_image"}
    assert shop.scan() == {
        "listed": 6, "images": 3, "unchanged": 0, "quarantined": 1, "ignored": 0, "sidecars": 2, "removed": 0
    }  # fmt: skip


def test_of_two_sidecars_the_one_with_the_whole_name_counts(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(1))
    (folder / "picture-0000.json").write_text('{"of": "the stem"}')
    (folder / "picture-0000.png.json").write_text('{"of": "the name"}')
    shop = open_shop(include=["*.png"])
    assert shop.run() == (1, 0, 0, 0, 0)
    assert shop.live() == {"picture-0000.png": {"of": "the name"}}
    assert shop.scan()["sidecars"] == 2


def test_a_change_of_metadata_alone_reads_no_image(
    open_shop: OpenShop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(folder, range(3))
    (folder / "picture-0000.json").write_text('{"colour": "red"}')
    shop = open_shop()
    shop.run()
    before, real, read = shop.version(), FolderSource.read, []

    def noted(self: FolderSource, uri: str, max_bytes: int) -> ReadFile:
        read.append(uri)
        return real(self, uri, max_bytes)

    monkeypatch.setattr(FolderSource, "read", noted)
    (folder / "picture-0000.json").write_text('{"colour": "dark blue"}')
    (folder / "picture-0001.png.json").write_text('{"colour": "green"}')
    assert shop.run() == (0, 2, 0, 1, 0)
    assert sorted(read) == ["picture-0000.json", "picture-0001.png.json"]
    assert shop.live()["picture-0000.png"] == {"colour": "dark blue"}
    assert shop.version() != before

    read.clear()
    assert shop.run() == (0, 0, 0, 3, 0)
    assert read == []
    (folder / "picture-0000.json").unlink()
    assert shop.run() == (0, 1, 0, 2, 0)
    assert shop.live()["picture-0000.png"] == {}


@pytest.mark.parametrize(
    "bad", ["no json", "[1]", '{"x": NaN}', '{"x": "\\u0000"}', '{"x": "\\ud800"}', '{"x": "' + "y" * 20_000 + '"}',
            "[" * 50_000, '{"x": "' + "y" * 300_000 + '"}'], ids=range(8)
)  # fmt: skip
def test_a_bad_sidecar_is_quarantined_and_its_image_is_not(open_shop: OpenShop, folder: Path, bad: str) -> None:
    write_pictures(folder, range(1))
    sidecar = folder / "picture-0000.json"
    sidecar.write_text(bad)
    shop = open_shop()
    assert shop.run() == (1, 0, 0, 0, 0)
    assert shop.quarantine() == {"picture-0000.json": "too_large" if len(bad) > 300_000 else "bad_metadata"}
    assert shop.run() == (0, 0, 0, 1, 0)
    sidecar.write_text('{"x": "mended"}')
    assert shop.run() == (0, 1, 0, 0, 0)
    assert (shop.live(), shop.quarantine()) == ({"picture-0000.png": {"x": "mended"}}, {})


def test_a_manifests_columns_are_metadata_and_a_bad_line_is_quarantined(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(3))
    (folder / "picture-0000.png.json").write_text('{"colour": "sidecars are for folders"}')
    manifest = folder / "shop.csv"
    manifest.write_text("uri,colour\npicture-0000.png,red\n../../etc/passwd,\npicture-0001.png,blue\n,\n")
    shop = open_shop(manifest)
    assert shop.run() == (2, 0, 0, 0, 2)
    assert shop.live() == {"picture-0000.png": {"colour": "red"}, "picture-0001.png": {"colour": "blue"}}
    assert shop.quarantine() == {"shop.csv#line=3": "outside_source", "shop.csv#line=5": "bad_manifest_line"}
    assert shop.run() == (0, 0, 0, 4, 0)

    manifest.write_text("uri,colour\npicture-0000.png,green\npicture-0001.png,blue\npicture-0001.png,again\n")
    assert shop.run() == (0, 1, 0, 1, 0)
    assert shop.live()["picture-0001.png"] == {"colour": "blue"}
    assert (shop.quarantine(), shop.scan()["ignored"]) == ({}, 1)


# What is removed.


def test_a_mass_deletion_asks_before_it_changes_anything(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(40))
    shop = open_shop()
    shop.run()
    for number in range(21):
        (folder / f"picture-{number:04d}.png").unlink()
    draw(77).save(folder / "new.png")
    with pytest.raises(SourceError) as caught:
        shop.run()
    message = str(caught.value)
    assert message.startswith("The collection shop would lose 21 of its 40 images")
    assert "'picture-0000.png'" in message
    assert "imagerag materialize --allow-removal shop" in message
    assert len(shop.live()) == 40
    assert shop.run("shop") == (1, 0, 21, 19, 0)
    assert shop.run() == (0, 0, 0, 20, 0)


def test_half_of_the_images_or_fewer_than_twenty_go_without_a_question(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(40))
    shop = open_shop()
    shop.run()
    for number in range(20):
        (folder / f"picture-{number:04d}.png").unlink()
    assert shop.run() == (0, 0, 20, 20, 0)
    for number in range(20, 39):
        (folder / f"picture-{number:04d}.png").unlink()
    assert shop.run() == (0, 0, 19, 1, 0)


def test_the_settings_may_allow_more_or_less(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(30))
    shop = open_shop(max_removed_share=1.0)
    shop.run()
    strict = open_shop(url=shop.project.settings.database.url, max_removed_share=0.1)
    for number in range(20):
        (folder / f"picture-{number:04d}.png").unlink()
    with pytest.raises(SourceError, match="would lose 20 of its 30"):
        strict.run()
    assert shop.run() == (0, 0, 20, 10, 0)


def test_moving_everything_is_no_deletion(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(30))
    shop = open_shop()
    shop.run()
    (folder / "2026").mkdir()
    for file in list(folder.glob("*.png")):
        file.rename(folder / "2026" / file.name)
    assert shop.run() == (30, 0, 30, 0, 0)
    assert shop.rows("select count(*) from contents") == [(30,)]


def test_a_collection_to_allow_removal_for_has_to_exist(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(1))
    with pytest.raises(SettingsError, match="no collection 'shoop'"):
        open_shop().run("shoop")


def test_what_becomes_ignored_leaves_the_index_and_is_counted(open_shop: OpenShop, folder: Path) -> None:
    write_pictures(folder, range(3))
    shop = open_shop()
    shop.run()
    other = open_shop(url=shop.project.settings.database.url, ignore=["*-0001.*"])
    assert other.run() == (0, 0, 1, 2, 0)
    assert (other.scan()["listed"], other.scan()["ignored"]) == (3, 1)


# What changes while it is listed and read.


def test_a_file_that_is_replaced_between_listing_and_reading_is_stored_as_it_was_read(
    open_shop: OpenShop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(folder, range(1))
    shop, real, file = open_shop(), FolderSource.read, folder / "picture-0000.png"

    def replaced_before(self: FolderSource, uri: str, max_bytes: int) -> ReadFile:
        draw(5, (300, 100)).save(file)
        os.utime(file, ns=(1, 1_000_000_007))
        return real(self, uri, max_bytes)

    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "read", replaced_before)
        shop.run()
    stored = shop.rows(
        "select r.size_bytes, r.version, c.size_bytes, c.width from raw_images r join contents c using (content)"
    )
    size = file.stat().st_size
    assert stored == [(size, "1000000007", size, 300)]
    assert shop.run() == (0, 0, 0, 1, 0)

    draw(6).save(file)
    assert shop.run() == (0, 1, 0, 0, 0)


def test_a_file_that_could_not_be_read_is_tried_again_although_it_did_not_change(
    open_shop: OpenShop, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pictures(folder, range(2))
    shop, real = open_shop(), os.open

    def refusing(path: Any, *args: Any) -> int:
        if str(path).endswith("0000.png"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *args)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        assert shop.run() == (1, 0, 0, 0, 1)
    assert shop.quarantine() == {"picture-0000.png": "unreadable"}
    assert shop.run() == (1, 0, 0, 1, 0)
    assert shop.quarantine() == {}


def test_names_that_no_row_can_hold_are_quarantined_under_one_that_it_can(
    database: Any, open_shop: OpenShop, folder: Path
) -> None:
    long = "https://example.com/" + "x" * 5000
    files = [
        ListedFile(os.fsdecode(b"caf\xe9.png"), 5, "1"),
        ListedFile("nul\x00.png", 5, "1"),
        ListedFile("half\ud800.png", 5, "1"),
        ListedFile(long, 5, "1"),
        ListedFile(long + "2", 5, "1"),
        ListedFile("twice.png", 5, "1"),
        ListedFile("twice.png", 6, "2"),
        ListedFile('tab\tline\n\\N "quoted".png', 5, "1"),
    ]
    with database.connect() as connection:
        listing.load(connection, files)
        assert listing.find_changed(connection, "shop", "f", "q", Limits(), Retries()) == 7
        (batch,) = listing.changed_batches(connection, 64)
    found = {one.file.uri: one.file.reason for one in batch}
    assert {name: reason for name, reason in found.items() if not name.startswith("https")} == {
        "caf\\xe9.png": "unreadable",
        "nul\\x00.png": "unreadable",
        "half\\ud800.png": "unreadable",
        "twice.png": "",
        'tab\tline\n\\N "quoted".png': "",
    }
    assert [reason for name, reason in found.items() if name.startswith("https")] == ["unreadable"] * 2
    assert max(map(len, found)) < 300


# Buckets and the web.


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def test_an_unchanged_address_is_not_fetched_again(
    open_shop: OpenShop, folder: Path, server: WebServer, tmp_path: Path
) -> None:
    folder.mkdir()
    for number in range(3):
        body = picture_bytes(tmp_path, number)
        server.answers[f"/{number}.png"] = Answer(body, headers={"ETag": f'"{number}"', "Content-Type": "image/png"})
    lines = "".join(f"{server.url}/{number}.png\n" for number in range(4))
    (folder / "m.csv").write_text(f"uri\n{lines}")
    shop = open_shop(folder / "m.csv", allow_private_hosts=True)
    assert shop.run() == (3, 0, 0, 0, 1)
    assert shop.quarantine() == {f"{server.url}/3.png": "not_found"}
    server.requests.clear()
    assert shop.run() == (0, 0, 0, 3, 1)
    assert {method for method, _ in server.requests} == {"HEAD"}
    server.answers["/1.png"] = Answer(picture_bytes(tmp_path, 9), headers={"ETag": '"new"'})
    assert shop.run() == (0, 1, 0, 2, 1)
    assert server.count("GET") == 1


def test_an_image_stays_while_its_server_is_down_and_goes_when_it_is_gone(
    open_shop: OpenShop, folder: Path, server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagerag_assets.images.sources.http._FIRST_WAIT_SECONDS", 0.001)
    folder.mkdir()
    good = Answer(picture_bytes(tmp_path), headers={"ETag": '"1"'})
    address = f"{server.url}/a.png"
    (folder / "m.csv").write_text(f"uri\n{address}\n")
    shop = open_shop(folder / "m.csv", allow_private_hosts=True)
    server.answers["/a.png"] = good
    assert shop.run() == (1, 0, 0, 0, 0)

    server.answers["/a.png"] = Answer(status=503)
    assert shop.run() == (0, 0, 0, 0, 1)
    assert (set(shop.live()), shop.quarantine()) == ({address}, {address: "server_error"})

    server.answers["/a.png"] = good
    assert shop.run() == (0, 1, 0, 0, 0)
    assert (set(shop.live()), shop.quarantine()) == ({address}, {})

    server.answers["/a.png"] = Answer(status=410)
    assert shop.run() == (0, 0, 0, 0, 1)
    assert (shop.live(), shop.quarantine()) == ({}, {address: "gone"})


def test_a_server_that_has_forgotten_all_its_files_asks_first(
    open_shop: OpenShop, folder: Path, server: WebServer, tmp_path: Path
) -> None:
    folder.mkdir()
    body = picture_bytes(tmp_path)
    for number in range(20):
        server.answers[f"/{number}.png"] = Answer(body, headers={"ETag": '"1"'})
    lines = "".join(f"{server.url}/{number}.png\n" for number in range(20))
    (folder / "m.csv").write_text(f"uri\n{lines}")
    shop = open_shop(folder / "m.csv", allow_private_hosts=True)
    assert shop.run() == (20, 0, 0, 0, 0)
    server.answers.clear()
    with pytest.raises(SourceError, match="would lose 20 of its 20"):
        shop.run()
    assert len(shop.live()) == 20


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    client = boto3.client("s3", endpoint_url=f"http://{host}:{port}")
    client.create_bucket(Bucket="ingested")
    yield client
    # All of moto's servers in a process share what they hold.
    httpx.post(f"http://{host}:{port}/moto-api/reset")
    server.stop()


def test_a_bucket_is_ingested_and_only_what_changed_is_read_again(
    open_shop: OpenShop, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        s3.put_object(Bucket="ingested", Key=f"shop/{number}.png", Body=picture_bytes(tmp_path, number))
    s3.put_object(Bucket="ingested", Key="shop/0.png.json", Body=b'{"colour": "red"}')
    s3.put_object(Bucket="ingested", Key="shop/notes.txt", Body=b"words")
    shop = open_shop("s3://ingested/shop", storage_options={"endpoint_url": s3.meta.endpoint_url})
    assert shop.run() == (3, 0, 0, 0, 1)
    assert shop.live()["0.png"] == {"colour": "red"}

    real, read = Objects.read, []

    def noted(self: Objects, uri: str, max_bytes: int) -> ReadFile:
        read.append(uri)
        return real(self, uri, max_bytes)

    monkeypatch.setattr(Objects, "read", noted)
    assert shop.run() == (0, 0, 0, 4, 0)
    assert read == []
    s3.put_object(Bucket="ingested", Key="shop/1.png", Body=picture_bytes(tmp_path, 7))
    s3.delete_object(Bucket="ingested", Key="shop/2.png")
    s3.put_object(Bucket="ingested", Key="shop/0.png.json", Body=b'{"colour": "blue"}')
    assert shop.run() == (0, 2, 1, 1, 0)
    assert sorted(read) == ["s3://ingested/shop/0.png.json", "s3://ingested/shop/1.png"]


def test_a_bucket_whose_listing_breaks_off_loses_nothing(
    open_shop: OpenShop, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = picture_bytes(tmp_path)
    for number in range(3):
        s3.put_object(Bucket="ingested", Key=f"shop/{number}.png", Body=body)
    shop = open_shop("s3://ingested/shop", storage_options={"endpoint_url": s3.meta.endpoint_url})
    shop.run()
    real = BucketSource._listed

    def breaking(self: BucketSource, uri: str, size: int, version: str) -> ListedFile:
        if uri == "1.png":
            raise ConnectionResetError("the line went dead")
        return real(self, uri, size, version)

    with monkeypatch.context() as patch:
        patch.setattr(BucketSource, "_listed", breaking)
        with pytest.raises(SourceError, match="the line went dead"):
            shop.run()
    assert len(shop.live()) == 3
    assert shop.run() == (0, 0, 0, 3, 0)


# The database.


def test_rows_from_before_sources_had_versions_keep_their_times(
    new_database_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrate.available()
    with psycopg.connect(new_database_url(), autocommit=True) as connection:
        connection.execute("create extension vector")
        connection.execute("set search_path to imagerag, public")
        with monkeypatch.context() as patch:
            patch.setattr(migrate, "available", lambda: [one for one in every if one[0] < 3])
            migrate.migrate(connection, "imagerag")
        for table, extra in (("raw_images", "content"), ("quarantine", "reason")):
            more = sql.SQL(", message") if table == "quarantine" else sql.SQL("")
            value = sql.SQL(", 'why'") if table == "quarantine" else sql.SQL("")
            connection.execute(
                sql.SQL(
                    "insert into {} (collection, uri, {}{}, size_bytes, modified_ns, fingerprint) "
                    "values ('shop', 'a.png', 'x'{}, 5, 1700000000123456789, 'f')"
                ).format(sql.Identifier(table), sql.Identifier(extra), more, value)
            )
        migrate.migrate(connection, "imagerag")
        for table in ("raw_images", "quarantine"):
            rows = connection.execute(
                sql.SQL("select uri, size_bytes, version from {}").format(sql.Identifier(table))
            ).fetchall()
            assert rows == [("a.png", 5, "1700000000123456789")]
