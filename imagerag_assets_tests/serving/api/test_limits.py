"""How much, how often and how slowly a caller may ask; and the server without keys."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagerag_assets.errors import SettingsError
from imagerag_assets.project import Project
from imagerag_assets.serving.api.app import create_app, is_loopback
from imagerag_assets.serving.api.limits import TokenBuckets
from imagerag_assets.serving.api.problems import ProblemError
from imagerag_assets.settings import Serving
from imagerag_assets_tests.serving.api.server import is_problem, serving, with_key


@pytest.fixture(scope="module")
def make(
    make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Project]:
    """Projects with serving settings, over an empty folder and one database."""
    folder = tmp_path_factory.mktemp("shop")
    url = make_shared_project({"shop": folder}).settings.database.url
    return lambda **values: make_shared_project({"shop": folder}, url=url, serving=values)


def test_a_bucket_gives_a_minutes_worth_at_once_and_then_as_time_goes() -> None:
    now = 0.0
    buckets = TokenBuckets(60, lambda: now)
    for _ in range(60):
        buckets.take("a")
    with pytest.raises(ProblemError, match="60 requests a minute") as refused:
        buckets.take("a")
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "1")
    buckets.take("b")
    now = 2.0
    buckets.take("a")
    buckets.take("a")
    with pytest.raises(ProblemError):
        buckets.take("a")
    now = 10_000.0
    for _ in range(60):
        buckets.take("a")
    with pytest.raises(ProblemError):
        buckets.take("a")


def test_a_key_that_asks_too_often_waits_and_another_does_not(make: Callable[..., Project]) -> None:
    project = make(requests_per_minute=3)
    with serving(project, "read") as client:
        assert [client.get("/images/x").status_code for _ in range(3)] == [404] * 3
        answer = client.get("/images/x")
        is_problem(answer, 429, "too-many-requests")
        assert 1 <= int(answer.headers["retry-after"]) <= 20
        assert client.get("/images/x", headers=with_key(project, "read")).status_code == 404
        assert client.get("/healthz").status_code == 200


def test_a_body_is_refused_by_its_announced_and_by_its_real_size(make: Callable[..., Project]) -> None:
    with serving(make(max_upload_bytes=1000), "read") as client:
        is_problem(client.post("/search", json={"text": "x" * 70_000}), 413, "too-large")
        # In pieces, without a Content-Length.
        in_pieces = client.post(
            "/search", content=(b" " * 1000 for _ in range(100)), headers={"Content-Type": "application/json"}
        )
        is_problem(in_pieces, 413, "too-large")
        is_problem(client.post("/search", json={"image": "A" * 4000}), 413, "too-large")


def test_a_body_that_does_not_arrive_is_given_up(make: Callable[..., Project]) -> None:
    project = make(timeout_seconds=0.5)
    with serving(project, "read") as client, socket.create_connection(("127.0.0.1", client.base_url.port or 0)) as slow:
        key = client.headers["authorization"]
        slow.sendall(
            f"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
        slow.settimeout(5)
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


def test_work_that_takes_too_long_is_given_up(make: Callable[..., Project], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagerag_assets.serving.api.routes.search.search", lambda *_a, **_v: time.sleep(2))
    with serving(make(timeout_seconds=0.3), "read") as client:
        is_problem(client.post("/search", json={"text": "x"}), 503, "timeout")
        assert client.get("/healthz").status_code == 200


def test_without_authentication_everyone_on_this_machine_may_ask(make: Callable[..., Project]) -> None:
    with serving(make(authentication="off")) as client:
        assert client.get("/images/x").status_code == 404
        assert client.get("/metrics").status_code == 200
        is_problem(client.get("/images/x", headers={"Host": "rebound.example"}), 400, "unknown-host")
        form = {"data": {"collection": "shop"}, "files": {"file": b"x"}}
        foreign = {"Origin": "http://evil.example"}
        is_problem(client.post("/images", headers=foreign, **form), 403, "foreign-origin")  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])  # noqa: S104
def test_without_authentication_no_other_address_is_served(make: Callable[..., Project], host: str) -> None:
    with pytest.raises(SettingsError, match=r"serving\.authentication is off"):
        create_app(make(authentication="off"), host)


def test_loopback_is_told_from_other_addresses() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "localhost.evil.example", "")))  # noqa: S104


def test_off_in_yaml_is_off_and_other_values_are_refused() -> None:
    assert Serving.model_validate({"authentication": False}).authentication == "off"
    for values in ({"authentication": True}, {"hosts": ["http://a"]}, {"cors_origins": ["*"]}, {"hosts": ["a/b"]}):
        with pytest.raises(ValueError, match=r"authentication|host|origin"):
            Serving.model_validate(values)


def test_pages_of_named_origins_may_call_and_no_others(make: Callable[..., Project]) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "Authorization"}
    with serving(make(cors_origins=["https://app.example.com"]), "read") as client:
        for origin, allowed in (("https://app.example.com", True), ("https://evil.example", False)):
            preflight = client.options("/search", headers={"Origin": origin, **asked})
            assert (preflight.headers.get("access-control-allow-origin") == origin) == allowed
            posted = client.post("/search", headers={"Origin": origin}, json={})
            assert (posted.status_code == 403) != allowed


def test_names_of_the_settings_are_answered_to(make: Callable[..., Project]) -> None:
    with serving(make(hosts=["search.example.com", "*.internal.example"]), "read") as client:
        for name in ("search.example.com", "SEARCH.example.com:8443", "a.internal.example", "[::1]:80"):
            assert client.get("/healthz", headers={"Host": name}).status_code == 200, name
        for name in ("example.com", "search.example.com.evil.example", "internal.example", "[", "a@b"):
            assert client.get("/healthz", headers={"Host": name}).status_code == 400, name


def test_a_revoked_key_is_refused_at_once(make: Callable[..., Project]) -> None:
    from imagerag_assets.serving.api import keys

    project = make()
    with serving(project, "read") as client:
        assert client.get("/images/x").status_code == 404
        with project.database.connect() as connection:
            (key,) = [one for one in keys.all_keys(connection) if one.key_id in client.headers["authorization"]]
            assert key.last_used_at is not None
            assert keys.revoke(connection, key.name).revoked_at is not None
        is_problem(client.get("/images/x"), 401, "unknown-key")


def test_the_database_holds_no_key(make: Callable[..., Project], tmp_path: Path) -> None:
    project = make()
    token = with_key(project, "read", "write")["Authorization"].removeprefix("Bearer ")
    secret = token.split("_", 2)[2]
    with project.database.connect() as connection:
        rows = connection.execute("select row_to_json(k)::text, k.hash from api_keys k").fetchall()
    assert rows
    assert all(secret not in text and secret.encode() not in bytes(raw) for text, raw in rows)
    assert any(len(bytes(raw)) == 32 for _, raw in rows)


def test_a_key_is_made_listed_and_revoked_by_hand(make: Callable[..., Project], tmp_path: Path) -> None:
    import json

    import yaml
    from typer.testing import CliRunner

    from imagerag_assets.serving.cli import app

    project = make()
    file = tmp_path / "imagerag.yaml"
    settings = {"database": {"url": project.settings.database.url}, "collections": [{"name": "shop", "source": "."}]}
    file.write_text(yaml.safe_dump(settings))

    def run(*arguments: str) -> str:
        ended = CliRunner().invoke(app, ["keys", *arguments, "--settings", str(file)], catch_exceptions=False)
        assert ended.exit_code == 0
        return ended.stdout

    token = run("create", "--name", "the [red]app[/red]", "--scope", "read,write").strip()
    made = json.loads(run("create", "--name", "other", "--scope", "read", "--json"))
    listed = {one["name"]: one for one in json.loads(run("list", "--json"))}
    assert listed["the [red]app[/red]"]["scopes"] == ["read", "write"]
    assert listed["other"]["key_id"] == made["key_id"]
    assert token.split("_", 2)[2] not in run("list", "--json")
    with serving(project) as client:
        assert client.get("/images/x", headers={"Authorization": f"Bearer {token}"}).status_code == 404
        run("revoke", "the [red]app[/red]")
        is_problem(client.get("/images/x", headers={"Authorization": f"Bearer {token}"}), 401, "unknown-key")
    for wrong in (("create", "--name", "other", "--scope", "read"), ("create", "--name", "x", "--scope", "admin")):
        with pytest.raises(SettingsError):
            run(*wrong)
    with pytest.raises(SettingsError, match="no key"):
        run("revoke", "nobody")
