"""Buckets as sources, on a real S3 server (moto) on loopback."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from moto.server import ThreadedMotoServer

from imagerag_assets.errors import ItemError, SourceError
from imagerag_assets.images.sources import ListedFile, open_source
from imagerag_assets.images.sources.writing import put_file
from imagerag_assets.settings import Collection, Settings
from imagerag_assets_tests.images.sources.many_keys import many_keys


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def credentials(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def s3(credentials: None, request: pytest.FixtureRequest) -> Any:
    """A client with an empty bucket called photos."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="photos")
    yield client
    for entry in client.list_objects_v2(Bucket="photos").get("Contents", ()):
        client.delete_object(Bucket="photos", Key=entry["Key"])
    client.delete_bucket(Bucket="photos")


def put(s3: Any, key: str, body: bytes = b"pixels") -> str:
    """The object's etag, without quotes."""
    return str(s3.put_object(Bucket="photos", Key=key, Body=body)["ETag"]).strip('"')


def source_of(address: str = "s3://photos/shop", **values: Any) -> Any:
    return open_source(Settings(), Collection(name="shop", source=address, **values))


def listed(address: str = "s3://photos/shop", **values: Any) -> dict[str, ListedFile]:
    return {file.uri: file for file in source_of(address, **values).list()}


def test_objects_below_the_prefix_are_listed_with_size_and_etag_and_none_beside_it(s3: Any) -> None:
    etag = put(s3, "shop/deep/a.jpg")
    put(s3, "shop2/b.jpg")
    put(s3, "c.jpg")
    assert listed() == listed("s3://photos/shop/") == {"deep/a.jpg": ListedFile("deep/a.jpg", 6, etag)}
    assert set(listed("s3://photos")) == {"shop/deep/a.jpg", "shop2/b.jpg", "c.jpg"}


def test_reading_gives_the_version_that_the_listing_shows(s3: Any) -> None:
    put(s3, "shop/a.jpg")
    source = source_of()
    (file,) = source.list()
    read = source.read(file.uri, 100)
    assert (read.data, read.version) == (b"pixels", file.version)
    put(s3, "shop/a.jpg", b"other")
    assert source.read(file.uri, 100).version != file.version


def test_a_file_that_is_put_into_the_bucket_is_listed_and_read(s3: Any) -> None:
    collection = Collection(name="shop", source="s3://photos/shop")
    put_file(Settings(), collection, "uploads/a.png", b"picture")
    assert set(listed()) == {"uploads/a.png"}
    assert source_of().read("uploads/a.png", 100).data == b"picture"
    gone = Collection(name="shop", source="s3://no-such-bucket/shop")
    with pytest.raises(SourceError, match="cannot be written to"):
        put_file(Settings(), gone, "uploads/a.png", b"picture")


KEYS = [
    "été 日本.jpg",
    "a b+c%20d.jpg",
    "tab\there.jpg",
    "quote'\"<&>.jpg",
    "a#b?c=d.jpg",
    "star*[x].jpg",
    "x//y.jpg",
]


@pytest.mark.parametrize("key", KEYS)
def test_a_key_may_have_any_character(s3: Any, key: str) -> None:
    put(s3, f"shop/{key}", key.encode())
    source = source_of()
    (file,) = source.list()
    assert file.uri == key
    assert source.read(key, 100).data == key.encode()


def test_everything_else_is_listed_with_why_it_is_passed_over(s3: Any) -> None:
    for key in ("", "deep/", "a.jpg", "b.txt", ".git/x.jpg", "Thumbs.db", "cache/a.jpg", "a.jpg.json"):
        put(s3, f"shop/{key}", b"")
    found = listed(include=["*.jpg"], ignore=["cache"])
    assert {uri: file.ignored for uri, file in found.items()} == {
        "./": "folder_marker",
        "deep/": "folder_marker",
        "a.jpg": "",
        "b.txt": "not_included",
        ".git/x.jpg": "hidden",
        "Thumbs.db": "system",
        "cache/a.jpg": "pattern",
        "a.jpg.json": "not_included",
    }
    assert found["a.jpg.json"].version


def test_an_empty_object_is_read_as_such(s3: Any) -> None:
    put(s3, "shop/a.jpg", b"")
    assert source_of().read("a.jpg", 100).data == b""


@pytest.mark.parametrize(("size", "reason"), [(101, "too_large"), (None, "not_found")])
def test_an_object_that_cannot_be_used_ends_in_a_reason(s3: Any, size: int | None, reason: str) -> None:
    if size:
        put(s3, "shop/a.jpg", bytes(size))
    with pytest.raises(ItemError) as caught:
        source_of().read("a.jpg", 100)
    assert caught.value.reason == reason


def test_an_object_that_is_replaced_while_it_is_read_is_read_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "shop/a.jpg", b"first")
    source = source_of()
    files = source._folder.objects.files
    real, times = files.cat_file, iter(range(9))

    def replaced_before(*args: Any, **kwargs: Any) -> bytes:
        if next(times) == 0:
            put(s3, "shop/a.jpg", b"second")
        return bytes(real(*args, **kwargs))

    monkeypatch.setattr(files, "cat_file", replaced_before)
    read = source.read("a.jpg", 100)
    assert read.data == b"second"
    assert read.version == source_of().read("a.jpg", 100).version


def test_a_bucket_that_does_not_exist_is_one_clear_error(s3: Any) -> None:
    with pytest.raises(SourceError, match=r"s3://nowhere/shop cannot be listed: .* Nothing was changed"):
        listed("s3://nowhere/shop")


def test_a_prefix_with_nothing_below_it_is_one_clear_error(s3: Any) -> None:
    put(s3, "shop/a.jpg")
    with pytest.raises(SourceError, match=r"Nothing in the bucket photos has the prefix 'shoo/'"):
        listed("s3://photos/shoo")
    s3.delete_object(Bucket="photos", Key="shop/a.jpg")
    assert listed("s3://photos") == {}


def test_an_endpoint_that_does_not_answer_is_one_clear_error(s3: Any) -> None:
    with pytest.raises(SourceError, match=r"cannot be listed: .*Nothing was changed"):
        listed(
            storage_options={"endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"retries": {"max_attempts": 0}}}
        )


def test_the_endpoint_may_be_in_the_settings(s3: Any, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "shop/a.jpg")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert set(listed(storage_options={"endpoint_url": endpoint})) == {"a.jpg"}


def test_a_listing_that_fails_on_its_second_page_is_an_error(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(s3, "shop/a.jpg")
    put(s3, "shop/b.jpg")
    source = source_of()
    files = source._folder.objects.files
    real = files.call_s3

    def small_pages(method: str, *args: Any, **kwargs: Any) -> Any:
        if "ContinuationToken" in kwargs:
            raise ConnectionResetError("the line went dead")
        return real(method, *args, MaxKeys=1, **kwargs)

    monkeypatch.setattr(files, "call_s3", small_pages)
    listing = source.list()
    assert next(listing).uri == "a.jpg"
    with pytest.raises(SourceError, match="the line went dead"):
        next(listing)


def test_a_hundred_thousand_keys_are_listed_in_flat_memory() -> None:
    with many_keys(100_000) as (url, pages):
        listing = source_of("s3://many/shop", storage_options={"endpoint_url": url}).list()
        assert next(listing).uri == "0000000.jpg"
        assert pages == [0]
        # The first pages load the library's own tables.
        count = 1 + sum(1 for _ in itertools.islice(listing, 4999))
        start = most = psutil.Process().memory_info().rss
        for _ in listing:
            count += 1
            if count % 1000 == 0:
                most = max(most, psutil.Process().memory_info().rss)
    assert count == 100_000
    assert len(pages) == 100
    # All of them held would be over 30 MB.
    assert most - start < 10_000_000


def test_a_manifest_in_a_bucket_names_objects_beside_it(s3: Any) -> None:
    put(s3, "shop/manifest.csv", b"uri,colour\na.jpg,red\n../c.jpg,blue\ns3://photos/c.jpg,green\ngone.jpg,\n")
    etag = put(s3, "shop/a.jpg")
    put(s3, "c.jpg", b"other")
    source = source_of("s3://photos/shop/manifest.csv")
    found = {file.uri: file for file in source.list()}
    assert found["a.jpg"] == ListedFile("a.jpg", 6, etag, {"colour": "red"})
    assert found["manifest.csv#line=3"].reason == "outside_source"
    assert found["s3://photos/c.jpg"].size_bytes == 5
    assert found["gone.jpg"].reason == "not_found"
    assert source.read("a.jpg", 100).data == b"pixels"
    assert source.read("s3://photos/c.jpg", 100).data == b"other"


def test_a_manifest_on_this_machine_names_objects(s3: Any, tmp_path: Path) -> None:
    etag = put(s3, "shop/a.jpg")
    (tmp_path / "manifest.jsonl").write_text('{"uri": "s3://photos/shop/a.jpg"}\n')
    assert listed(str(tmp_path / "manifest.jsonl"))["s3://photos/shop/a.jpg"].version == etag


def test_a_manifest_that_is_not_in_the_bucket_is_told(s3: Any) -> None:
    with pytest.raises(SourceError, match=r"The manifest s3://photos/gone\.csv cannot be read"):
        listed("s3://photos/gone.csv")


@pytest.mark.parametrize(("scheme", "extra"), [("s3", "s3"), ("gs", "gcs"), ("az", "azure")])
def test_a_missing_extra_is_named(scheme: str, extra: str) -> None:
    """In a fresh interpreter that cannot import the providers' libraries."""
    program = f"""
import sys
for name in ("s3fs", "gcsfs", "adlfs"):
    sys.modules[name] = None
from imagerag_assets.errors import SourceError
from imagerag_assets.images.sources import open_source
from imagerag_assets.settings import Collection, Settings
try:
    open_source(Settings(), Collection(name="shop", source="{scheme}://photos/shop"))
except SourceError as error:
    print(error)
"""
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f'{scheme}:// needs the extra "{extra}": pip install "imagerag[{extra}]"' in child.stdout
