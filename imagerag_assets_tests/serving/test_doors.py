"""All doors over one index: the same query has the same images in the same order at each of them."""

from __future__ import annotations

import base64
import html
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import psycopg
import pytest
import yaml
from mcp import Client
from PIL import Image
from typer.testing import CliRunner

from imagerag_assets.methods import Method
from imagerag_assets.models.checkpoints import find_checkpoint
from imagerag_assets.models.text_encoder import _load
from imagerag_assets.project import Project, _text_encoder_identity
from imagerag_assets.retrieval import Query, Result, search
from imagerag_assets.retrieval.filters import parse_conditions
from imagerag_assets.serving import cli
from imagerag_assets.serving.agents.tools import agent_server
from imagerag_assets.stages import raw_images
from imagerag_assets.stages.common import RunOptions
from imagerag_assets_tests.images.sources.webserver import web_server
from imagerag_assets_tests.pictures import draw, write_pictures
from imagerag_assets_tests.retrieval.corpus import Picture, build, other_text_model, shop_project
from imagerag_assets_tests.serving.api.server import is_problem, serving, wait_until_ready
from imagerag_assets_tests.serving.test_page import served
from imagerag_assets_tests.stages.described import read_by_hand
from imagerag_assets_tests.stages.graph import STAGES


@dataclass(frozen=True)
class Asked:
    """One query as every door can put it; `picture` is a file."""

    text: str = ""
    picture: Path | None = None
    like: str = ""
    method: Method = "hybrid"
    collections: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    limit: int = 10


@pytest.fixture(scope="module")
def project(make_shared_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Two collections; the office has a near-duplicate of the shop's picture-0001.png."""
    root = tmp_path_factory.mktemp("doors")
    folders = {
        "shop": write_pictures(root / "shop", range(4)), "office": write_pictures(root / "office", range(5, 7)),
    }  # fmt: skip
    draw(1).save(folders["office"] / "again.jpg", quality=92)
    made = make_shared_project(folders, serving={"authentication": "off"})
    read_by_hand(made, texts={"picture-0001.png": "PART 4001", "picture-0006.png": "PART 4006 invoice"})
    raw_images.run(made, RunOptions())
    for stage in STAGES:
        if stage.__name__.rpartition(".")[2] != "ocr_text":
            stage.run(made, RunOptions())
    return made


@pytest.fixture(scope="module")
def server(project: Project) -> Iterator[httpx.Client]:
    """What `imagerag serve` serves: the API and the page."""
    with served(project) as address, httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        yield client


Door = Callable[[Asked], list[str]]


@pytest.fixture(scope="module")
def settings_file(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_settings(tmp_path_factory.mktemp("settings"), project)


def write_settings(folder: Path, project: Project) -> Path:
    file = folder / "imagerag.yaml"
    collections = [{"name": one.name, "source": one.source} for one in project.settings.collections]
    database = {"url": project.settings.database.url}
    file.write_text(
        yaml.safe_dump({"data_dir": str(project.settings.data_path), "database": database, "collections": collections})
    )
    return file


@pytest.fixture(scope="module")
def doors(project: Project, server: httpx.Client, settings_file: Path) -> dict[str, Door]:
    """Each gives collection/uri, best first."""
    page = Page(server)
    return {
        "library": lambda asked: named(in_library(project, asked)),
        "command line": lambda asked: on_command_line(settings_file, asked),
        "API": lambda asked: by_http(server, asked),
        "agents": lambda asked: as_agent(project, asked),
        "page": page.search,
    }


def in_library(project: Project, asked: Asked) -> list[Result]:
    picture = Image.open(asked.picture).convert("RGB") if asked.picture else None
    return search(
        project, Query(asked.text, picture, image_id=asked.like), method=asked.method, collections=asked.collections,
        where=parse_conditions(asked.where), limit=asked.limit,
    )  # fmt: skip


def named(results: list[Result]) -> list[str]:
    return [f"{one.collection}/{one.uri}" for one in results]


def options(settings: Path, asked: Asked) -> list[str]:
    """The query as the command takes it."""
    given = ["--settings", str(settings), "--method", asked.method, "--limit", str(asked.limit), "--like", asked.like]
    for name in asked.collections:
        given += ["--collection", name]
    for condition in asked.where:
        given += ["--where", condition]
    if asked.picture:
        given += ["--image", str(asked.picture)]
    return [*given, "--json", "--", asked.text]


def on_command_line(settings: Path, asked: Asked) -> list[str]:
    ended = CliRunner().invoke(cli.app, ["search", *options(settings, asked)])
    assert ended.exit_code in (0, 3), ended.output
    return told(json.loads(ended.stdout))


def by_http(server: httpx.Client, asked: Asked) -> list[str]:
    answer = server.post("/search", json=as_json(asked))
    assert answer.status_code == 200, answer.text
    return told(answer.json()["results"])


def call_agent(project: Project, asked: Asked) -> Any:
    async def call() -> Any:
        async with Client(agent_server(project)) as client:
            return await client.call_tool("search_images", as_json(asked) | {"thumbnails": False})

    return anyio.run(call)


def as_agent(project: Project, asked: Asked) -> list[str]:
    result = call_agent(project, asked)
    assert not result.is_error, result.content
    return told(result.structured_content["results"])


def as_json(asked: Asked) -> dict[str, Any]:
    picture = base64.b64encode(asked.picture.read_bytes()).decode() if asked.picture else None
    return {
        "text": asked.text, "image": picture, "image_id": asked.like or None, "method": asked.method,
        "collections": list(asked.collections), "where": list(asked.where), "limit": asked.limit,
    }  # fmt: skip


def told(results: list[dict[str, Any]]) -> list[str]:
    return [f"{one['collection']}/{one['uri']}" for one in results]


class Page:
    """The page as its script in a browser speaks with the server; what a browser shows is test_page's."""

    def __init__(self, server: httpx.Client) -> None:
        self._server = server
        self._session = secrets.token_hex(6)
        config = server.get("/config").json()
        self._parts = {one["props"].get("elem_id"): one["id"] for one in config["components"]}
        self._events = {
            (target[0], target[1]): one["id"] for one in config["dependencies"] for target in one["targets"]
        }

    def search(self, asked: Asked) -> list[str]:
        return self._shown(self.ask_for(asked))

    def ask_for(self, asked: Asked) -> dict[str, Any]:
        """What the server says to the query."""
        narrowed = [list(asked.collections), "\n".join(asked.where), asked.method, "alone", asked.limit]
        if asked.like:
            everything = ["", list(asked.collections), "", "clip", "alone", 50]
            found = self._shown(self.send("search", "click", [None, asked.like, *everything[1:]]))
            self.send("results", "select", [None, None], {"index": found.index(asked.like), "value": None})
            return self.send("more", "click", [None, *narrowed])
        return self.send("search", "click", [self._uploaded(asked.picture), asked.text, *narrowed])

    def send(self, part: str, event: str, data: list[Any], chosen: Any = None) -> dict[str, Any]:
        """What the server says at the end of one event of the page."""
        body = {
            "data": data, "fn_index": self._events[self._parts[part], event], "session_hash": self._session,
            "event_data": chosen, "trigger_id": self._parts[part],
        }  # fmt: skip
        assert self._server.post("/gradio_api/queue/join", json=body).status_code == 200
        with self._server.stream("GET", "/gradio_api/queue/data", params={"session_hash": self._session}) as events:
            for line in events.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "process_completed":
                    return dict(message)
        raise AssertionError("the event came to no end")

    def _uploaded(self, picture: Path | None) -> dict[str, Any] | None:
        if picture is None:
            return None
        (path,) = self._server.post("/gradio_api/upload", files={"files": picture.read_bytes()}).json()
        return {"path": path, "meta": {"_type": "gradio.FileData"}}

    def _shown(self, message: dict[str, Any]) -> list[str]:
        """The captions of the first gallery, without rank, score and number of duplicates."""
        assert message["success"], message
        status, _, gallery, *_ = message["output"]["data"]
        assert "alert" not in status, status
        return [one["caption"].split(" · ")[2].partition(" (+")[0] for one in gallery["value"]]


def test_all_doors_give_the_same_images_in_the_same_order(
    doors: dict[str, Door], project: Project, tmp_path: Path
) -> None:
    draw(2).save(tmp_path / "mine.png")
    words = Asked("PART 4001 invoice")
    queries = [
        words,
        replace(words, method="text"),
        replace(words, method="rrf", limit=3),
        Asked(picture=tmp_path / "mine.png", method="clip"),
        Asked("blue part", picture=tmp_path / "mine.png"),
        Asked(like="shop/picture-0002.png"),
        replace(words, where=("format=PNG", "width>=100", "uri!=picture-0000.png"), collections=("shop",)),
        Asked("part", method="description", where=("collection=office",)),
    ]
    for asked in queries:
        found = {name: door(asked) for name, door in doors.items()}
        assert found["library"], asked
        assert all(one == found["library"] for one in found.values()), (asked, found)
    # Among them are a group of duplicates, a filter that leaves something out and an example that is not found itself.
    everything = in_library(project, words)
    assert len(everything) == 6
    assert [one.duplicates for one in everything if one.duplicates] != []
    assert set(doors["page"](queries[6])) == {"shop/picture-0001.png", "shop/picture-0002.png", "shop/picture-0003.png"}
    assert "shop/picture-0002.png" not in doors["page"](queries[5])


def test_an_event_of_the_page_has_no_more_time_than_a_request_of_the_api(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = project.settings.serving.model_copy(update={"timeout_seconds": 0.5, "answer_timeout_seconds": 0.5})
    hurried = Project(project.settings.model_copy(update={"serving": limits}))
    for name in ("search", "ask_stream"):
        monkeypatch.setattr(f"imagerag_assets.serving.page.blocks.{name}", lambda *_a, **_v: time.sleep(3))
    with served(hurried) as address, httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        page = Page(client)
        for part in ("search", "ask"):
            told = page.send(part, "click", [None, "part", [], "", "clip", "alone", 3])
            assert "took more than 0.5 s" in told["output"]["data"][0], part


def test_a_path_or_an_address_is_searched_as_words_at_every_door(
    doors: dict[str, Door], project: Project, tmp_path: Path
) -> None:
    picture = Path(project.settings.collections[0].source) / "picture-0002.png"
    assert in_library(project, Asked(picture=picture, method="clip"))[0].score > 0.99
    data = f"data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()}"[:1900]
    with web_server() as web:
        for text in (str(picture), "/etc/passwd.png", f"{web.url}/x.png", data):
            asked = Asked(text, method="clip")
            expected = in_library(project, asked)
            assert expected[0].score < 0.9
            for name, door in doors.items():
                assert door(asked) == named(expected), (name, text)
    assert web.requests == []


Refusals = dict[str, Callable[[Asked], str]]


@pytest.fixture
def refusals(
    project: Project, server: httpx.Client, settings_file: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Refusals:  # fmt: skip
    """What each door says of a query that it refuses; the API's begins with status and name."""
    page = Page(server)

    def on_command_line(asked: Asked) -> str:
        monkeypatch.setattr(sys, "argv", ["imagerag", "search", *options(settings_file, asked)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        assert ended.value.code == 1
        assert printed.out == ""
        return " ".join(printed.err.split())

    def by_http(asked: Asked) -> str:
        answer = server.post("/search", json=as_json(asked))
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json", problem
        return f"{answer.status_code} {problem['type'].rpartition(':')[2]}: {problem['detail']}"

    def as_agent(asked: Asked) -> str:
        result = call_agent(project, asked)
        assert result.is_error
        return str(result.content[0].text)

    def on_page(asked: Asked) -> str:
        told = page.ask_for(asked)
        return str(told["output"]["data"][0] if told["success"] else told["output"]["error"])

    return {"command line": on_command_line, "API": by_http, "agents": as_agent, "page": on_page}


@pytest.mark.parametrize(
    ("asked", "problem", "message"),
    [
        (Asked(" \t"), "422 invalid-query", "Nothing to look for"),
        (Asked("\x01\x1b\x07"), "422 invalid-query", "Nothing to look for"),
        (Asked("x" * 100_000), "422 query-too-long", "has 100,000 characters"),
        (Asked("part", Path("broken.png")), "422 no-image", "cannot be used"),
        (Asked("part", collections=("attic",)), "422 unknown-collection", ""),
        (Asked("part", where=("collection=attic",)), "422 invalid-query", "There is no collection 'attic'"),
        (Asked("part", where=("colour=red",)), "422 invalid-query", "No image has 'colour'"),
        (Asked("part", where=("width",)), "422 invalid-query", "has no meaning"),
        (Asked(like="shop/picture-0002.png", method="text"), "422 invalid-query", "Search it by clip, hybrid or rrf"),
        (Asked(like="shop/picture-0002.png", method="description"), "422 invalid-query", "compares words"),
    ],
    ids=lambda value: None if isinstance(value, Asked) else value,
)
def test_bad_input_is_told_at_every_door(
    refusals: Refusals, asked: Asked, problem: str, message: str, tmp_path: Path
) -> None:
    if asked.picture:
        asked = replace(asked, picture=tmp_path / asked.picture)
        (tmp_path / "broken.png").write_bytes(b"no picture at all")
    for name, door in refusals.items():
        told = html.unescape(door(asked))
        assert message in told, name
        assert "Traceback" not in told, name
        if name == "API":
            assert told.startswith(f"{problem}: ")
        if name == "command line":
            assert told.startswith("Error: ")


def test_a_database_that_goes_in_the_middle_is_told_at_every_door(
    refusals: Refusals, doors: dict[str, Door], project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = sys.modules[search.__module__]
    search_rows = module.search_rows

    def cut_off(*arguments: Any, **options: Any) -> Any:
        with psycopg.connect(project.settings.database.url, autocommit=True) as outside:
            outside.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
        return search_rows(*arguments, **options)

    asked = Asked("part", method="text")
    expected = doors["library"](asked)
    for name, refused in refusals.items():
        with monkeypatch.context() as patch:
            patch.setattr(module, "search_rows", cut_off)
            told = refused(asked)
        assert "database" in told, name
        assert "Traceback" not in told, name
        assert doors[name](asked) == expected, name


def test_without_an_index_and_with_one_whose_model_is_gone_each_door_says_so(
    make_project: Callable[..., Project], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    empty = shop_project(make_project, tmp_path, serving={"authentication": "off"})
    asked = Asked("part", method="text")

    def told(status: int, name: str) -> list[str]:
        with serving(empty) as client:
            problem = is_problem(client.post("/search", json=as_json(asked)), status, name)
        monkeypatch.setattr(sys, "argv", ["imagerag", "search", *options(write_settings(tmp_path, empty), asked)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 1
        return [problem["detail"], " ".join(capsys.readouterr().err.split()), call_agent(empty, asked).content[0].text]

    assert all("no live index yet" in one for one in told(409, "no-live-index"))

    models = {"text": other_text_model(tmp_path / "model")}
    other = shop_project(make_project, tmp_path, url=empty.settings.database.url, models=models)
    build(other, [Picture("a.png", "part"), Picture("b.png", "another part")])
    with serving(empty, warm=True) as client:
        wait_until_ready(client)
        # The models that were warmed are those that searches use.
        loaded = _load.cache_info().misses
        described = client.post("/search", json=as_json(replace(asked, method="description")))
        assert len(described.json()["results"]) == 2
        assert _load.cache_info().misses == loaded
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    find_checkpoint.cache_clear()
    _text_encoder_identity.cache_clear()
    assert all("not to be had" in one and "materialize the graph" in one for one in told(503, "model"))


def test_the_page_takes_no_file_that_was_not_uploaded(server: httpx.Client, project: Project) -> None:
    page = Page(server)
    uploads = project.settings.data_path / "page"
    there = Path(project.settings.collections[0].source) / "picture-0002.png"
    for path in (str(there), "/etc/passwd", "http://127.0.0.1:1/x.png", f"{uploads}/../../shop.png", None):
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        for part, data in (
            ("search", [file, "", [], "", "clip", "alone", 3]),
            ("search", [None, file, [], "", "clip", "alone", 3]),
            ("add", [[file], "shop"]),
        ):
            told = page.send(part, "click", data)
            assert not told["success"], (part, path)
            assert "Only files of your own" in told["output"]["error"]
    assert not [one for one in uploads.rglob("*") if one.name in ("passwd", there.name)]
    for path in ("/etc/passwd", str(there), f"{uploads}/../reports"):
        assert server.get(f"/gradio_api/file={path}").status_code in (403, 404), path
