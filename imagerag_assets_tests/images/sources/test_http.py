"""Files over HTTP: every way in which a server can be slow, wrong or hostile ends in one reason."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import httpcore
import pytest

from imagerag_assets.errors import ItemError
from imagerag_assets.images.sources.http import ATTEMPTS, Web, _CheckedNetwork, _require_allowed
from imagerag_assets_tests.images.sources.webserver import Answer, WebServer, web_server

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def server() -> Iterator[WebServer]:
    with web_server() as running:
        yield running


class Clock:
    """Waits are noted instead of slept."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def web(clock: Clock) -> Web:
    return Web(allow_private_hosts=True, sleep=clock.sleep)


def refused(web: Web, url: str, max_bytes: int = 1000) -> str:
    with pytest.raises(ItemError) as caught:
        web.read(url, max_bytes)
    assert str(caught.value)
    return caught.value.reason


def test_a_file_comes_with_the_version_that_it_was_listed_with(server: WebServer, web: Web) -> None:
    server.answers["/a.jpg"] = Answer(b"pixels", headers={**JPEG, "ETag": '"v1"'})
    listed = web.describe(f"{server.url}/a.jpg")
    assert (listed.size_bytes, listed.version, listed.reason) == (6, '"v1"', "")
    assert server.requests == [("HEAD", "/a.jpg")]
    read = web.read(f"{server.url}/a.jpg", 1000)
    assert (read.data, read.version) == (b"pixels", '"v1"')


def test_without_an_etag_the_time_of_change_is_the_version(server: WebServer, web: Web) -> None:
    server.answers["/a.jpg"] = Answer(b"pixels", headers={"Last-Modified": "Mon, 02 Nov 2026 10:00:00 GMT"})
    assert web.describe(f"{server.url}/a.jpg").version == "Mon, 02 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize("status", [403, 405, 501])
def test_a_server_that_refuses_head_is_asked_by_get_without_its_body(server: WebServer, web: Web, status: int) -> None:
    server.answers["/a.jpg"] = Answer(b"pixels", headers={"ETag": '"v1"'}, head=status)
    listed = web.describe(f"{server.url}/a.jpg")
    assert (listed.size_bytes, listed.version) == (6, '"v1"')


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=404), "not_found"),
        (Answer(status=410), "gone"),
        (Answer(status=401), "forbidden"),
        (Answer(status=418), "http_error"),
        (Answer(status=204), "http_error"),
        (Answer(b"sign in", headers={"Content-Type": "text/html; charset=utf-8"}), "wrong_content_type"),
        (Answer(b"{}", headers={"Content-Type": "application/json"}), "wrong_content_type"),
        (Answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}), "wrong_content_type"),
        (Answer(bytes(2000), headers=JPEG), "too_large"),
        (Answer(status=302, headers={"Location": "ftp://example.com/a.jpg"}), "scheme_refused"),
        (Answer(status=302, headers={"Location": "file:///etc/passwd"}), "scheme_refused"),
        (Answer(status=302, headers={"Location": "/a.jpg"}), "too_many_redirects"),
        (Answer(status=302, headers={"Location": "http://169.254.169.254/latest"}), "private_address"),
    ],
)  # fmt: skip
def test_what_will_be_the_same_next_time_is_refused_at_once(
    server: WebServer, web: Web, clock: Clock, answer: Answer, reason: str
) -> None:
    server.answers["/a.jpg"] = answer
    assert refused(web, f"{server.url}/a.jpg") == reason
    assert clock.waits == []
    if reason != "too_large":
        assert web.describe(f"{server.url}/a.jpg").reason == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(status=500), "server_error"),
        (Answer(status=503), "server_error"),
        (Answer(status=429), "rate_limited"),
        (Answer(b"half", length=8, headers=JPEG), "truncated_body"),
    ],
)
def test_what_may_pass_is_tried_four_times_with_growing_waits(
    server: WebServer, web: Web, clock: Clock, answer: Answer, reason: str
) -> None:
    server.answers["/a.jpg"] = answer
    assert refused(web, f"{server.url}/a.jpg") == reason
    assert server.count("GET") == ATTEMPTS == 4
    assert len(clock.waits) == 3
    assert 0.3 < clock.waits[0] < clock.waits[1] < clock.waits[2] < 3


def test_a_file_that_comes_at_the_second_attempt_is_whole(server: WebServer, web: Web, clock: Clock) -> None:
    server.answers["/a.jpg"] = [Answer(b"pi", length=6), Answer(b"pixels")]
    assert web.read(f"{server.url}/a.jpg", 1000).data == b"pixels"
    assert len(clock.waits) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_the_server_says_how_long_to_wait(server: WebServer, web: Web, clock: Clock, status: int) -> None:
    soon = formatdate(time.time() + 30, usegmt=True)
    server.answers["/a.jpg"] = [
        Answer(status=status, headers={"Retry-After": "7"}),
        Answer(status=status, headers={"Retry-After": soon}),
        Answer(b"pixels"),
    ]
    assert web.read(f"{server.url}/a.jpg", 1000).data == b"pixels"
    assert clock.waits[0] == 7
    assert 27 < clock.waits[1] <= 30


def test_a_wait_beyond_the_time_limit_is_not_waited_for(server: WebServer, web: Web, clock: Clock) -> None:
    server.answers["/a.jpg"] = Answer(status=429, headers={"Retry-After": "86400"})
    assert refused(web, f"{server.url}/a.jpg") == "rate_limited"
    assert clock.waits == []


def test_a_body_that_drips_ends_at_the_time_limit(server: WebServer) -> None:
    server.answers["/a.jpg"] = Answer(bytes(100), pause=0.05)
    started = time.monotonic()
    assert refused(Web(allow_private_hosts=True, time_limit=0.4), f"{server.url}/a.jpg") == "fetch_timeout"
    assert time.monotonic() - started < 2


def test_a_body_without_end_stops_at_the_limit_of_bytes(server: WebServer, web: Web) -> None:
    # Chunked: no length is announced.
    chunk = b"400\r\n" + bytes(1024) + b"\r\n"
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            try:
                while True:
                    connection.sendall(chunk)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    with listener:
        assert refused(web, f"http://127.0.0.1:{listener.getsockname()[1]}/a.jpg", 50_000) == "too_large"


def test_a_closed_port_and_a_name_without_address_are_unreachable(web: Web) -> None:
    assert refused(web, "http://127.0.0.1:1/a.jpg") == "unreachable"
    assert refused(web, "http://nowhere.invalid/a.jpg") == "unreachable"


def test_a_host_that_is_down_is_not_asked_for_every_file(
    server: WebServer, web: Web, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        assert refused(web, f"http://127.0.0.1:1/{number}.jpg") == "unreachable"
    assert len(clock.waits) == 3 * (ATTEMPTS - 1)
    monkeypatch.setattr("imagerag_assets.images.sources.http._REST_SECONDS", 0)
    assert refused(web, "http://127.0.0.1:1/later.jpg") == "unreachable"
    assert len(clock.waits) == 4 * (ATTEMPTS - 1)
    server.answers["/a.jpg"] = Answer(b"pixels")
    assert web.read(f"{server.url}/a.jpg", 1000).data == b"pixels"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]  # noqa: S104
)  # fmt: skip
def test_this_machine_is_refused_however_it_is_written(server: WebServer, host: str) -> None:
    server.answers["/a.jpg"] = Answer(b"secret")
    port = server.url.rpartition(":")[2]
    assert refused(Web(allow_private_hosts=False), f"http://{host}:{port}/a.jpg") == "private_address"
    assert server.requests == []


@pytest.mark.parametrize(
    ("address", "allowed", "asked_for"),
    [
        ("93.184.216.34", True, True),
        ("2606:2800:220:1::1", True, True),
        ("10.0.0.1", False, True),
        ("172.16.5.4", False, True),
        ("192.168.1.1", False, True),
        ("100.64.0.1", False, True),
        ("169.254.1.1", False, True),
        ("fe80::1%eth0", False, True),
        ("fd12::1", False, True),
        ("224.0.0.1", False, True),
        ("::ffff:10.0.0.1", False, True),
        ("64:ff9b::a00:1", False, True),
        ("2002:a00:1::", False, True),
        ("169.254.169.254", False, False),
        ("168.63.129.16", False, False),
        ("fd00:ec2::254", False, False),
        ("64:ff9b::a9fe:a9fe", False, False),
    ],
)
def test_private_addresses_need_the_setting_and_metadata_services_have_none(
    address: str, allowed: bool, asked_for: bool
) -> None:
    for setting, expected in ((False, allowed), (True, asked_for)):
        if expected:
            _require_allowed("host", address, setting)
        else:
            with pytest.raises(ItemError, match=r"^host is "):
                _require_allowed("host", address, setting)


def test_a_redirect_to_this_machine_is_refused_like_a_direct_request(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first server is called public for the test; what it redirects to is not."""
    real, port = _require_allowed, server.url.rpartition(":")[2]
    monkeypatch.setattr(
        "imagerag_assets.images.sources.http._require_allowed",
        lambda host, address, private: None if host == "127.0.0.1" else real(host, address, private),
    )
    server.answers["/a.jpg"] = Answer(status=302, headers={"Location": f"http://localhost:{port}/inside"})
    server.answers["/inside"] = Answer(b"secret")
    assert refused(Web(allow_private_hosts=False), f"{server.url}/a.jpg") == "private_address"
    assert server.requests == [("GET", "/a.jpg")]


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that answers differently the second time is never asked twice."""
    answers = ["93.184.216.34", "127.0.0.1"]
    connected: list[str] = []

    def resolve(_host: str, port: int, **_kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers.pop(0), port))]

    def connect(_self: object, host: str, *_args: Any) -> httpcore.NetworkStream:
        connected.append(host)
        raise httpcore.ConnectError("no way out of here")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    with pytest.raises(httpcore.ConnectError):
        _CheckedNetwork(allow_private_hosts=False).connect_tcp("rebinding.example", 80)
    assert connected == ["93.184.216.34"]
    assert ipaddress.ip_address(connected[0]).is_global


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 80)) for one in ("93.184.216.34", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_kwargs: found)
    with pytest.raises(ItemError, match=r"10\.0\.0\.1, which is no public address"):
        _CheckedNetwork(allow_private_hosts=False).connect_tcp("both.example", 80)


def test_a_proxy_of_the_environment_is_not_used(server: WebServer, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.answers["/a.jpg"] = Answer(b"pixels")
    assert Web(allow_private_hosts=True).read(f"{server.url}/a.jpg", 1000).data == b"pixels"
