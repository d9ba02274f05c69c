"""A manifest as a source: what it may name, what it says of it, and what a bad line costs."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagerag_assets.errors import ItemError, SourceError
from imagerag_assets.images.sources import ListedFile, Source, open_source
from imagerag_assets.settings import Collection, Settings
from imagerag_assets_tests.images.sources.webserver import Answer, WebServer, web_server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    (made / "deep").mkdir(parents=True)
    for name in ("a.jpg", "deep/b.jpg", "été 1.jpg"):
        (made / name).write_bytes(name.encode())
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    (made / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    return made


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


def opened(manifest: Path, **values: Any) -> Source:
    return open_source(Settings(), Collection(name="shop", source=str(manifest), **values))


def listed(manifest: Path, **values: Any) -> list[ListedFile]:
    return list(opened(manifest, **values).list())


def csv_of(folder: Path, text: str | bytes) -> Path:
    file = folder / "manifest.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def jsonl_of(folder: Path, *lines: object) -> Path:
    file = folder / "manifest.jsonl"
    file.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n")
    return file


def test_columns_are_metadata(folder: Path) -> None:
    file = csv_of(
        folder, '\ufeffuri,colour,price,note\r\na.jpg,red,12,\r\n./deep/b.jpg,"blue, light",,"two\nlines"\r\n'
    )
    first, second = listed(file)
    assert (first.uri, first.size_bytes, first.metadata) == ("a.jpg", 5, {"colour": "red", "price": "12"})
    assert (second.uri, second.metadata) == ("deep/b.jpg", {"colour": "blue, light", "note": "two\nlines"})
    assert first.version == str((folder / "a.jpg").stat().st_mtime_ns)


def test_json_lines_keep_their_types(folder: Path) -> None:
    row = {"uri": "été 1.jpg", "price": 12.5, "new": True, "tags": ["a", "b"], "geo": {"lat": 1}, "none": None}
    (file,) = listed(jsonl_of(folder, row))
    assert file.metadata == {"price": 12.5, "new": True, "tags": "a, b", "geo.lat": 1}
    assert opened(folder / "manifest.jsonl").read(file.uri, 100).data == "été 1.jpg".encode()


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("../outside.jpg", "outside_source"),
        ("deep/../../outside.jpg", "outside_source"),
        ("/etc/passwd", "outside_source"),
        ("link.jpg", "outside_source"),
        ("file:///etc/passwd", "scheme_refused"),
        ("FILE:/etc/passwd", "scheme_refused"),
        ("data:image/png;base64,AAAA", "scheme_refused"),
        ("ftp://example.com/a.jpg", "scheme_refused"),
        ("http://user:secret@example.com/a.jpg", "bad_address"),
        ("http://", "bad_address"),
        ("http://[::1/a.jpg", "bad_address"),
        ("gone.jpg", "not_found"),
        ("deep", "unreadable"),
        ("n" * 300 + ".jpg", "unreadable"),
        ("", "bad_manifest_line"),
        (".", "bad_manifest_line"),
        ("nul\x00.jpg", "bad_manifest_line"),
        ("half\ud800.jpg", "bad_manifest_line"),
    ],
)
def test_what_may_not_be_named_costs_its_own_line(folder: Path, uri: str, reason: str) -> None:
    bad, good = listed(jsonl_of(folder, {"uri": uri}, {"uri": "a.jpg"}))
    assert (bad.reason, good.uri, good.reason) == (reason, "a.jpg", "")
    assert bad.message
    assert "secret" not in bad.uri + bad.message


def test_nothing_outside_is_read_even_when_asked_for(folder: Path) -> None:
    source = opened(jsonl_of(folder, {"uri": "a.jpg"}))
    for uri in ("link.jpg", "../outside.jpg"):
        with pytest.raises(ItemError, match="leads out of"):
            source.read(uri, 100)


@pytest.mark.parametrize(
    "line",
    ["not json", "[1, 2]", '"a.jpg"', '{"uri": 5}', '{"colour": "red"}', '{"uri": "a.jpg", "x": NaN}', "[" * 100_000],
    ids=range(7),
)
def test_a_bad_json_line_is_listed_for_the_quarantine(folder: Path, line: str) -> None:
    bad, good = listed(jsonl_of(folder, line, {"uri": "a.jpg"}))
    assert bad.uri == "manifest.jsonl#line=1"
    assert bad.reason in ("bad_manifest_line", "bad_metadata")
    assert good.uri == "a.jpg"


@pytest.mark.parametrize(
    "line", [b"a.jpg,red,too,many", b'"a.jpg"x,red', b"caf\xe9.jpg,red", b",red", b"a.jpg,nul\x00", b"a.jpg,caf\xe9"]
)
def test_a_bad_csv_line_is_listed_for_the_quarantine(folder: Path, line: bytes) -> None:
    bad, good = listed(csv_of(folder, b"uri,colour\n" + line + b"\na.jpg,red\n"))
    assert bad.uri == "manifest.csv#line=2"
    assert bad.reason in ("bad_manifest_line", "bad_metadata")
    assert good.uri == "a.jpg"


def test_a_bad_line_keeps_its_version_until_it_is_mended(folder: Path) -> None:
    (first,) = listed(jsonl_of(folder, "not json"))
    (again,) = listed(jsonl_of(folder, "not json"))
    (other,) = listed(jsonl_of(folder, "not json either"))
    assert first.version == again.version != other.version


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("path,colour\na.jpg,red\n", "has to name a column uri"),
        ("uri,colour,colour\n", "two columns 'colour'"),
        ('uri,note\n"a.jpg,never closed\ndeep/b.jpg,x\n', "line 2 opens a quote"),
        ('uri,note\n"a.jpg,closed late\n"deep/b.jpg,x\n', "line 2 opens a quote"),
        ('uri,note\n"a.jpg' + ",x\n" * 100_000, "line 2 opens a quote"),
        ("uri\n" + "a" * 2_000_000, "line 2 has more than 1,048,576 bytes"),
    ],
    ids=["empty", "no uri", "twice", "open quote", "late quote", "long quote", "long line"],
)
def test_a_manifest_whose_lines_would_be_lost_is_refused_as_a_whole(folder: Path, text: str, why: str) -> None:
    with pytest.raises(SourceError, match=why) as caught:
        listed(csv_of(folder, text))
    assert "Nothing was changed" in str(caught.value)


def test_a_manifest_that_is_gone_is_told(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"collections\.shop\.source: the manifest .*gone\.csv does not exist"):
        opened(folder / "gone.csv")


def test_a_manifest_that_is_written_while_it_is_read_is_refused(folder: Path) -> None:
    file = jsonl_of(folder, *({"uri": "a.jpg"} for _ in range(1000)))
    listing = opened(file).list()
    next(listing)
    with file.open("a") as more:
        more.write('{"uri": "deep/b.jpg"}\n')
    with pytest.raises(SourceError, match="was written to while it was read"):
        list(listing)


def test_web_addresses_are_asked_for_by_head_and_read_by_get(folder: Path, server: WebServer) -> None:
    server.answers["/a.jpg"] = Answer(b"pixels", headers={"ETag": '"v1"'})
    source = opened(jsonl_of(folder, {"uri": f"{server.url}/a.jpg", "colour": "red"}), allow_private_hosts=True)
    (file,) = source.list()
    assert (file.size_bytes, file.version, file.metadata) == (6, '"v1"', {"colour": "red"})
    assert server.count("GET") == 0
    assert source.read(file.uri, 100).data == b"pixels"


def test_private_addresses_need_the_settings_word(folder: Path, server: WebServer) -> None:
    server.answers["/a.jpg"] = Answer(b"pixels")
    (file,) = listed(jsonl_of(folder, {"uri": f"{server.url}/a.jpg"}))
    assert file.reason == "private_address"
    assert server.requests == []


def test_a_sensor_looks_without_asking_any_server(folder: Path, server: WebServer) -> None:
    rows = [{"uri": f"{server.url}/{number}.jpg", "number": number} for number in range(5)]
    source = opened(jsonl_of(folder, *rows), allow_private_hosts=True)
    assert [file.metadata["number"] for file in source.list(cheaply=True)] == list(range(5))
    assert server.requests == []
    (beside,) = opened(jsonl_of(folder, {"uri": "a.jpg"})).list(cheaply=True)
    assert beside.version


def test_patterns_hold_for_what_a_manifest_names(folder: Path) -> None:
    rows = jsonl_of(folder, {"uri": "a.jpg"}, {"uri": "deep/b.jpg"}, {"uri": "https://example.com/c.png"})
    found = listed(rows, include=["*.jpg"], ignore=["deep"])
    assert [file.ignored for file in found] == ["", "pattern", "not_included"]


def test_a_long_manifest_is_not_held_in_memory(folder: Path) -> None:
    file = folder / "long.jsonl"
    with file.open("w") as lines:
        for number in range(20_000):
            lines.write(f'{{"uri": "https://example.com/{number:06}.jpg", "number": {number}}}\n')
    source = opened(file)
    tracemalloc.start()
    count = sum(1 for _ in source.list(cheaply=True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert peak < 1_000_000
