"""The API over loopback: the domain's answers unchanged, and a problem with its own status for everything else."""

from __future__ import annotations

import base64
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families
from psycopg import sql
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.result import Ok

from imagerag_assets import answers
from imagerag_assets.methods import METHODS
from imagerag_assets.project import Project
from imagerag_assets.retrieval import Query, search
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.settings import Answerer
from imagerag_assets_tests.images.sources.webserver import web_server
from imagerag_assets_tests.models.fault_server import FaultServer, fails, streamed
from imagerag_assets_tests.pictures import draw
from imagerag_assets_tests.retrieval.corpus import MakeProject
from imagerag_assets_tests.serving.api.conftest import HOSTILE
from imagerag_assets_tests.serving.api.server import is_problem, serving, with_key


def png(number: int, image_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    draw(number).save(buffer, image_format)
    return buffer.getvalue()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def found(answer: httpx.Response) -> list[tuple[str, float]]:
    assert answer.status_code == 200, answer.text
    return [(one["uri"], one["score"]) for one in answer.json()["results"]]


@pytest.mark.parametrize("method", METHODS)
def test_the_same_images_in_the_same_order_as_the_domain(api: httpx.Client, shop: Project, method: Any) -> None:
    expected = search(shop, "part 4001 on a table", method=method)
    assert found(api.post("/search", json={"text": "part 4001 on a table", "method": method})) == [
        (one.uri, one.score) for one in expected
    ]


def test_a_picture_in_base64_in_a_form_and_beside_words_finds_what_it_finds_in_the_domain(
    api: httpx.Client, shop: Project
) -> None:
    expected = [(one.uri, one.score) for one in search(shop, Query(image=draw(2)))]
    assert expected[0][0] == "picture-0002.png"
    assert found(api.post("/search", json={"image": in_base64(png(2))})) == expected
    assert found(api.post("/search", files={"image": ("../x.jpg", png(2))})) == expected
    both = [
        (one.uri, one.score) for one in search(shop, Query("red part", draw(2)), method="clip", limit=2, exact=True)
    ]
    form = {"text": "red part", "method": "clip", "limit": "2", "exact": "true", "collections": ["shop"]}
    assert found(api.post("/search", data=form, files={"image": png(2)})) == both


def test_an_indexed_image_is_a_query_and_pages_and_filters_are_the_domains(api: httpx.Client, shop: Project) -> None:
    like = found(api.post("/search", json={"image_id": "shop/picture-0001.png", "limit": 50}))
    assert like == [(one.uri, one.score) for one in search(shop, Query(image_id="shop/picture-0001.png"), limit=50)]
    assert "picture-0001.png" not in [uri for uri, _ in like]
    whole = found(api.post("/search", json={"text": "part"}))
    assert found(api.post("/search", json={"text": "part", "limit": 2, "offset": 1})) == whole[1:3]
    where = ["uri~picture", "width>=100"]
    kept = [(one.uri, one.score) for one in search(shop, "part", where=parse_conditions(where))]
    assert found(api.post("/search", json={"text": "part", "where": where})) == kept
    assert len(kept) == 3


def test_hostile_names_and_words_are_text(api: httpx.Client) -> None:
    for words in (HOSTILE, "'; drop table raw_images; --", "%s {} \\", "\x00\x07 part", "א" * 500):
        assert len(found(api.post("/search", json={"text": words}))) == 4
    told = api.get(f"/images/shop/{HOSTILE.replace('#', '%23')}").json()
    assert told["uri"] == HOSTILE
    assert told["state"] == "indexed"
    listed = api.post("/search", json={"text": "part", "where": [f"uri={HOSTILE}"]})
    assert [uri for uri, _ in found(listed)] == [HOSTILE]
    assert listed.headers["content-type"] == "application/json"


def test_a_path_or_an_address_is_searched_as_words(api: httpx.Client, tmp_path: Path) -> None:
    draw(1).save(tmp_path / "x.png")
    with web_server() as web:
        for words in (str(tmp_path / "x.png"), f"{web.url}/x.png", f"data:image/png;base64,{in_base64(png(1))}"[:1900]):
            assert len(found(api.post("/search", json={"text": words, "method": "clip"}))) == 4
        assert web.requests == []


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ({}, 422, "invalid-query"),
        ({"text": " \t\n"}, 422, "invalid-query"),
        ({"text": "x" * 100_000}, 422, "query-too-long"),
        ({"text": "x", "collections": ["attic"]}, 422, "unknown-collection"),
        ({"text": "x", "where": ["colour"]}, 422, "invalid-query"),
        ({"text": "x", "where": ["no_such_key=1"]}, 422, "invalid-query"),
        ({"text": "x", "method": "magic"}, 422, "invalid-request"),
        ({"text": "x", "limit": 0}, 422, "invalid-request"),
        ({"text": "x", "limit": "10"}, 422, "invalid-request"),
        ({"text": "x", "surprise": 1}, 422, "invalid-request"),
        ({"image": "no base64!"}, 422, "invalid-request"),
        ({"image": in_base64(b"no picture")}, 422, "no-image"),
        ({"image": in_base64(png(1)[:200])}, 422, "no-image"),
        ({"image_id": "shop/none.png"}, 404, "unknown-image"),
        ({"image": in_base64(png(1)), "image_id": "shop/picture-0001.png"}, 422, "invalid-query"),
        (["text"], 422, "invalid-request"),
    ],
)
def test_a_search_that_cannot_be_is_a_problem_of_its_own(api: httpx.Client, body: Any, status: int, name: str) -> None:
    problem = is_problem(api.post("/search", json=body), status, name)
    assert "Traceback" not in problem["detail"]


def test_bodies_that_are_no_json_and_no_form_are_told(api: httpx.Client) -> None:
    as_json = {"Content-Type": "application/json"}
    is_problem(api.post("/search", content=b"{", headers=as_json), 422, "invalid-request")
    is_problem(api.post("/search", content=b"[" * 100_000, headers=as_json), 422, "invalid-request")
    is_problem(api.post("/search", content=b'{"text": "\\ud800"}', headers=as_json), 422, "invalid-request")
    is_problem(api.post("/search", content=b"text=x"), 415, "media-type")
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert api.post("/search", content=b"x", headers=no_boundary).status_code == 400
    is_problem(api.post("/search", files={"picture": png(1)}), 422, "invalid-request")
    is_problem(api.get("/nothing"), 404, "not-found")
    is_problem(api.put("/search"), 405, "method-not-allowed")


def test_a_problem_quotes_none_of_the_values_that_were_sent(api: httpx.Client) -> None:
    answer = api.post("/search", json={"text": "x", "limit": "my secret", "method": "my secret"})
    assert "my secret" not in answer.text
    assert [one["where"] for one in answer.json()["errors"]] == ["method", "limit"]


def test_an_image_shows_its_facts_its_thumbnail_and_its_pixels(api: httpx.Client) -> None:
    facts = api.get("/images/shop/picture-0001.png").json()
    assert (facts["uri"], facts["width"], facts["height"], facts["format"]) == ("picture-0001.png", 200, 120, "PNG")
    for image_id in (facts["content"], facts["content"][:12], "picture-0001.png"):
        assert api.get(f"/images/{image_id}").json() == facts
    small = api.get(f"/images/{facts['content']}/thumbnail")
    assert small.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(small.content)).size == (200, 120)
    tile = api.get(f"/images/{facts['content']}/tile", params={"x0": 20, "y0": 10, "x1": 90, "y1": 60})
    pixels = Image.open(io.BytesIO(tile.content)).convert("RGB")
    assert pixels.size == (70, 50)
    near = draw(1).crop((20, 10, 90, 60)).getpixel((35, 25))
    seen = pixels.getpixel((35, 25))
    assert isinstance(near, tuple)
    assert isinstance(seen, tuple)
    assert all(abs(a - b) < 24 for a, b in zip(near, seen, strict=True))


@pytest.mark.parametrize(
    ("path", "status", "name"),
    [
        ("/images/nobody", 404, "unknown-image"),
        ("/images/", 404, "unknown-image"),
        ("/images/..%2f..%2fetc%2fpasswd", 404, "unknown-image"),
        ("/images/%00", 404, "unknown-image"),
        ("/images/" + "a" * 64 + "/thumbnail", 404, "unknown-image"),
        ("/images/picture-0001.png/tile?x0=0&y0=0&x1=999&y1=9", 422, "invalid-query"),
        ("/images/picture-0001.png/tile?x0=-1&y0=0&x1=9&y1=9", 422, "invalid-request"),
        ("/images/picture-0001.png/tile", 422, "invalid-request"),
    ],
)
def test_an_image_that_cannot_be_shown_is_told(api: httpx.Client, path: str, status: int, name: str) -> None:
    is_problem(api.get(path), status, name)


def events(answer: httpx.Response) -> list[tuple[str, Any]]:
    """(name, data) of every event."""
    blocks = answer.text.strip().split("\n\n")
    fields = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [(one["event"], json.loads(one["data"])) for one in fields]


def test_an_answer_streams_and_comes_whole_for_who_accepts_json(api: httpx.Client, shop: Project) -> None:
    question = {"question": "Which part is 4001?"}
    expected = answers.ask(shop, question["question"])
    streamed = api.post("/ask", json=question)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    *pieces, (last, answer) = events(streamed)
    assert {name for name, _ in pieces} == {"token"}
    assert "".join(text for _, text in pieces) == expected.text
    assert last == "answer"
    whole = api.post("/ask", json=question, headers={"Accept": "application/json"}).json()
    for one in (answer, whole):
        assert one["text"] == expected.text
        assert one["extractive"] is True
        assert [cited["uri"] for cited in one["citations"]] == [cited.uri for cited in expected.citations]


@pytest.fixture
def answerer(shop: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[httpx.Client, FaultServer]]:
    """The same index where a language model answers."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-private")
    with FaultServer().running() as model:
        endpoint = Answerer(preset="openai", base_url=model.url, model="gpt-4o")
        models = shop.settings.models.model_copy(update={"answerer": endpoint})
        with serving(Project(shop.settings.model_copy(update={"models": models})), "read") as client:
            yield client, model


def test_a_language_models_words_stream_as_they_come_and_the_checked_answer_is_last(
    answerer: tuple[httpx.Client, FaultServer],
) -> None:
    client, model = answerer
    model.script(streamed("It is ", "[1], ", "not [9]."))
    told = events(client.post("/ask", json={"question": "Which part is 4001?", "image_id": "shop/picture-0001.png"}))
    assert [name for name, _ in told][-1] == "answer"
    assert len([name for name, _ in told if name == "token"]) >= 2
    assert [one["number"] for one in told[-1][1]["citations"]] == [1]
    assert "[9]" not in told[-1][1]["text"]
    assert told[-1][1]["usd"] > 0


def test_a_language_model_that_fails_is_a_problem_without_its_key(answerer: tuple[httpx.Client, FaultServer]) -> None:
    client, model = answerer
    model.script(fails(401, "bad key sk-private"))
    refused = client.post("/ask", json={"question": "Which part is 4001?"})
    is_problem(refused, 503, "model")
    assert "sk-private" not in refused.text


def test_who_goes_away_is_not_answered_any_further(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def endless(*_args: object, **_values: object) -> Iterator[str]:
        try:
            while True:
                yield "word " * 1000
        finally:
            ended.set()

    monkeypatch.setattr("imagerag_assets.serving.api.routes.ask.ask_stream", endless)
    with api.stream("POST", "/ask", json={"question": "what?"}) as answer:
        assert next(answer.iter_bytes())
    assert ended.wait(10)


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        ({"question": "  "}, 422, "invalid-query"),
        ({"question": "x" * 3000}, 422, "query-too-long"),
        ({"question": "what?", "collections": ["attic"]}, 422, "unknown-collection"),
        ({"question": "what?", "image": in_base64(b"none")}, 422, "no-image"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "*/*"])
def test_a_question_that_cannot_be_has_a_status_even_where_it_would_stream(
    api: httpx.Client, body: dict[str, Any], status: int, name: str, accept: str
) -> None:
    is_problem(api.post("/ask", json=body, headers={"Accept": accept}), status, name)


def test_answers_that_take_their_time_keep_no_search_waiting(
    api: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting, go_on = threading.Semaphore(0), threading.Event()

    def slow(*_args: object, **_values: object) -> Iterator[str]:
        waiting.release()
        go_on.wait(30)
        yield "late"

    monkeypatch.setattr("imagerag_assets.serving.api.routes.ask.ask_stream", slow)
    with ThreadPoolExecutor(12) as threads:
        try:
            asked = [threads.submit(api.post, "/ask", json={"question": "what?"}) for _ in range(12)]
            assert all(waiting.acquire(timeout=10) for _ in asked)
            assert api.post("/search", json={"text": "part"}).status_code == 200
        finally:
            go_on.set()


def test_what_fails_in_the_middle_of_a_stream_is_an_event(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object, **_values: object) -> Iterator[str]:
        yield "The first words"
        raise psycopg.OperationalError("the server closed the connection")

    # No part of the extractive answer can fail so late.
    monkeypatch.setattr("imagerag_assets.serving.api.routes.ask.ask_stream", broken)
    (first, text), (last, problem) = events(api.post("/ask", json={"question": "what?"}))
    assert (first, text, last) == ("token", "The first words", "error")
    assert (problem["type"], problem["status"]) == ("urn:imagerag:problem:database", 503)


def test_reports_are_served_from_their_folder_and_from_nowhere_else(api: httpx.Client) -> None:
    listing = api.get("/reports", follow_redirects=True)
    (link,) = re.findall('href="([^"]+)"', listing.text)
    page = api.get(str(listing.url.join(link)))
    assert "Evaluation 1" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in ("..%2fsecret.html", "%2e%2e/secret.html", "....//secret.html", "link.html", "secret.html", ".html"):
        assert api.get(f"/reports/{path}").status_code == 404


def test_twenty_searches_at_once_find_what_one_finds(api: httpx.Client) -> None:
    bodies = [{"text": f"part {4000 + number % 4}", "method": METHODS[number % 5]} for number in range(20)]
    alone = [found(api.post("/search", json=body)) for body in bodies]
    with ThreadPoolExecutor(20) as threads:
        together = list(threads.map(lambda body: found(api.post("/search", json=body)), bodies))
    assert together == alone


def test_metrics_count_what_was_asked_and_hold_no_words_of_it(api: httpx.Client) -> None:
    api.post("/search", json={"text": "unmistakable words", "method": "text"})
    api.get("/images/unmistakable")
    api.request("PROPFIND", "/unmistakable")
    text = api.get("/metrics").text
    assert "unmistakable" not in text
    assert "PROPFIND" not in text
    samples = {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }
    assert samples[("imagerag_search_seconds_count", ("method", "text"))] >= 1
    counted = ("imagerag_http_requests_total", ("method", "POST"), ("route", "/search"), ("status", "200"))
    assert samples[counted] >= 1
    assert samples[("imagerag_http_requests_total", ("method", "other"), ("route", "other"), ("status", "404"))] == 1
    assert samples[("imagerag_index_images", ("collection", "shop"))] == 4
    assert samples[("imagerag_index_generation",)] == 1
    assert samples[("imagerag_database_up",)] == 1
    assert samples[("imagerag_model_load_seconds", ("model", "image_text"))] > 0


def test_every_answer_has_an_id_and_the_headers_of_what_is_no_page(api: httpx.Client) -> None:
    for answer in (api.get("/healthz"), api.get("/nothing"), api.post("/search", json={"text": "part"})):
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "access-control-allow-origin" not in answer.headers
    assert api.get("/healthz", headers={"X-Request-ID": "from-a.proxy_1"}).headers["x-request-id"] == "from-a.proxy_1"
    for odd in ("x" * 65, 'a"b', "a b"):
        assert api.get("/healthz", headers={"X-Request-ID": odd}).headers["x-request-id"] != odd


def test_the_access_log_has_no_words_paths_or_keys(api: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "imagerag.access"):
        api.post("/search", json={"text": "private words"})
        api.get("/images/private-name")
        # A line is written when the answer is out.
        while caplog.text.count("request_id") < 2:
            time.sleep(0.01)
    lines = [json.loads(one.message) for one in caplog.records if one.name == "imagerag.access"]
    assert [(one["route"], one["status"]) for one in lines] == [("/search", "200"), ("/images/{image_id:path}", "404")]
    key_id = api.headers["authorization"].split("_")[1]
    assert all(one["key"] == key_id and one["ms"] > 0 for one in lines)
    assert "private" not in caplog.text
    assert api.headers["authorization"].split("_", 2)[2] not in caplog.text


def test_another_name_or_another_origin_than_this_servers_is_refused(api: httpx.Client) -> None:
    is_problem(api.get("/healthz", headers={"Host": "evil.example"}), 400, "unknown-host")
    assert api.get("/healthz", headers={"Host": "localhost:80"}).status_code == 200
    asked: dict[str, Any] = {"json": {"text": "part"}}
    is_problem(api.post("/search", headers={"Origin": "https://evil.example"}, **asked), 403, "foreign-origin")
    is_problem(api.post("/search", headers={"Origin": "null"}, **asked), 403, "foreign-origin")
    own = f"http://127.0.0.1:{api.base_url.port}"
    assert api.post("/search", headers={"Origin": own}, **asked).status_code == 200


MATRIX = [
    ("POST", "/search", {"read"}),
    ("POST", "/ask", {"read"}),
    ("GET", "/images/x", {"read"}),
    ("GET", "/images/x/thumbnail", {"read"}),
    ("GET", "/images/x/tile?x0=0&y0=0&x1=1&y1=1", {"read"}),
    ("POST", "/images", {"write"}),
    ("GET", "/uploads/00000000-0000-0000-0000-000000000000", {"read", "write"}),
    ("GET", "/reports", {"read"}),
    ("GET", "/reports/evaluation-1.html", {"read"}),
    ("GET", "/metrics", {"read"}),
    ("GET", "/healthz", set()),
    ("GET", "/readyz", set()),
    ("GET", "/openapi.json", set()),
]


def test_every_route_takes_the_keys_of_its_scopes_and_no_others(api: httpx.Client, shop: Project) -> None:
    assert {re.sub(r"\{[^}]*\}", "x", path) for path in api.get("/openapi.json").json()["paths"]} <= {
        re.sub(r"\?.*", "", re.sub(r"(?<=/)(0000.*|evaluation.*)", "x", path)) for _, path, _ in MATRIX
    }
    for scope in ("read", "write"):
        headers = with_key(shop, scope)
        for method, path, scopes in MATRIX:
            status = api.request(method, path, headers=headers).status_code
            assert (status == 403) == bool(scopes and scope not in scopes), path
            assert status != 401
    good = api.headers["authorization"]
    forged = good[:-1] + ("A" if good[-1] != "A" else "B")
    for value in (
        forged,
        good.replace("Bearer", "Digest"),
        "",
        "Bearer imagerag_x_y",
        "Basic eDp5",
        "Bearer imagerag_" + "0" * 12 + "_" + "A" * 43,
    ):
        for method, path, scopes in MATRIX:
            answer = api.request(method, path, headers={"Authorization": value})
            assert (answer.status_code == 401) == bool(scopes), (value, path)
            assert ("www-authenticate" in answer.headers) == bool(scopes)


def test_a_browser_opens_a_report_with_the_key_as_its_password_and_nothing_else(api: httpx.Client) -> None:
    token = api.headers["authorization"].removeprefix("Bearer ")
    with httpx.Client(base_url=api.base_url, auth=("me", token), trust_env=False) as browser:
        assert browser.get("/reports/evaluation-1.html").status_code == 200
        assert browser.get("/metrics").status_code == 401
        assert browser.post("/search", json={"text": "part"}).status_code == 401


def test_without_an_index_and_with_anothers_it_says_so(make_project: MakeProject, shop: Project) -> None:
    with serving(make_project({"shop": shop.settings.root}), "read", warm=True) as client:
        told = is_problem(client.post("/search", json={"text": "part"}), 409, "no-live-index")
        assert "imagerag materialize" in told["detail"]
        is_problem(client.get("/images/nobody"), 404, "unknown-image")
        for _ in range(200):
            if (answer := client.get("/readyz")).json()["type"] != "urn:imagerag:problem:not-ready":
                break
            time.sleep(0.05)
        is_problem(answer, 503, "no-live-index")


def test_a_database_that_goes_in_the_middle_is_a_problem_until_it_is_back(shop: Project) -> None:
    url = shop.settings.database.url
    name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    allow = sql.SQL("alter database {} allow_connections {}")
    words = {"text": "part"}
    with (
        serving(Project(shop.settings, database_wait_seconds=1.0), "read") as client,
        psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as outside,
    ):
        assert client.post("/search", json=words).status_code == 200
        outside.execute(allow.format(sql.Identifier(name), sql.SQL("false")))
        try:
            outside.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (name,))
            told = is_problem(client.post("/search", json=words), 503, "database")
            assert "Traceback" not in told["detail"]
            assert client.get("/readyz").status_code == 503
            assert client.get("/healthz").status_code == 200
        finally:
            outside.execute(allow.format(sql.Identifier(name), sql.SQL("true")))
        back = time.monotonic()
        while client.post("/search", json=words).status_code != 200:
            time.sleep(0.05)
        assert time.monotonic() - back < 2


def test_whatever_is_sent_the_answer_is_as_described_and_no_server_error(api: httpx.Client) -> None:
    schema = schemathesis.openapi.from_url(f"{api.base_url}/openapi.json")
    # Words can fit the schema and still ask for an unknown image; the tests above say what is then answered.
    left_out: list[Any] = [CHECKS.get_one("positive_data_acceptance")]
    headers = {"Authorization": api.headers["authorization"]}
    operations = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    assert len(operations) >= len(api.get("/openapi.json").json()["paths"])
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @hypothesis.settings(
                max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def check(case: schemathesis.Case[Any]) -> None:
                case.call_and_validate(headers=headers, excluded_checks=left_out)

            try:
                check()
            except hypothesis.errors.Unsatisfiable:
                # What takes nothing cannot be sent anything wrong.
                assert mode is GenerationMode.NEGATIVE
