"""The agents' door: the SDK's own client against `imagerag mcp` in a process of its own, on both transports."""

from __future__ import annotations

import base64
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import yaml
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image

from imagerag_assets.errors import SettingsError
from imagerag_assets.project import Project
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.serving.agents.server import http_app
from imagerag_assets.serving.api import keys
from imagerag_assets.settings import Serving
from imagerag_assets_tests.retrieval.corpus import Picture, build, content_of
from imagerag_assets_tests.serving.api.server import running

MakeProject = Callable[..., Project]
COMMAND = ("-m", "imagerag_assets.serving.cli", "mcp", "--settings")


def webp() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 20), "teal").save(buffer, "WEBP")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def project(make_shared_project: MakeProject, tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("agents")
    made = make_shared_project({"shop": folder, "office": folder})
    build(made, [
        Picture("invoice.png", ocr="INVOICE 7731 total 42", description="an invoice on white paper"),
        Picture("invoice-2.png", ocr="INVOICE 7731", description="a second invoice", collection="office"),
        Picture("mug.png", ocr="best mug", description="a red mug"),
        Picture("manual.png", ocr="manual " * 1_000),
    ])  # fmt: skip
    with made.database.connect() as connection:
        connection.execute("update contents set thumbnail = %s", (webp(),))
    return made


@pytest.fixture(scope="module")
def settings_file(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "imagerag.yaml"
    source = project.settings.collections[0].source
    file.write_text(
        yaml.safe_dump(
            {
                "data_dir": str(project.settings.data_path),
                "database": {"url": project.settings.database.url},
                "collections": [{"name": name, "source": source} for name in ("shop", "office")],
            }
        )
    )
    return file


@contextmanager
def http_server(settings_file: Path, *arguments: str) -> Iterator[str]:
    """`imagerag mcp --http` in a process of its own; gives the server's address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *COMMAND, str(settings_file), "--http", "--port", str(port), *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            for _ in range(600):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert child.poll() is None, child.stderr and child.stderr.read()
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            # Otherwise a test that fails would wait for a server that has no end.
            child.terminate()


async def call(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    return await client.call_tool(tool, arguments)


def facts(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def message(result: CallToolResult) -> str:
    """What an agent reads of a tool that failed."""
    assert result.is_error
    (only,) = result.content
    assert isinstance(only, TextContent)
    assert "Traceback" not in only.text
    return only.text


async def use_every_tool(client: Client, project: Project) -> None:
    tools = {one.name: one for one in (await client.list_tools()).tools}
    assert set(tools) == {"search_images", "get_image", "ask"}
    assert all(one.output_schema and one.description for one in tools.values())

    found = await call(client, "search_images", text="invoice 7731", method="text", where=["width>=1"])
    expected = [one.content for one in search(project, Query("invoice 7731"), method="text")]
    assert [one["content"] for one in facts(found)["results"]] == expected
    text, *pictures = found.content
    assert isinstance(text, TextContent)
    assert "INVOICE 7731 total 42" in text.text
    assert [base64.b64decode(one.data) for one in pictures if isinstance(one, ImageContent)] == [webp()] * 2

    one = facts(await call(client, "get_image", image_id="shop/mug.png"))
    assert (one["content"], one["ocr"], one["state"]) == (content_of("mug.png"), "best mug", "indexed")

    # The example itself is left out.
    like = facts(await call(client, "search_images", image_id="shop/invoice.png", method="clip"))["results"]
    assert [one["content"] for one in like] == [
        one.content for one in search(project, Query(image_id="shop/invoice.png"), method="clip")
    ]
    assert content_of("invoice.png") not in {one["content"] for one in like}

    assert "'attic'" in message(await call(client, "search_images", text="mug", collections=["attic"]))
    assert "no meaning" in message(await call(client, "search_images", text="mug", where=["width"]))
    assert "Nothing to look for" in message(await call(client, "search_images"))
    assert "no image" in message(await call(client, "get_image", image_id="shop/none.png"))
    assert "not base64" in message(await call(client, "search_images", image="?"))
    broken = base64.b64encode(b"no picture at all").decode()
    assert "cannot be used" in message(await call(client, "search_images", image=broken, method="clip"))


def test_an_agent_uses_every_tool_over_standard_input_and_output(project: Project, settings_file: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    server = StdioServerParameters(command=sys.executable, args=[*COMMAND, str(settings_file)], env=environment)

    async def run() -> None:
        async with Client(server) as client:
            await use_every_tool(client, project)

    anyio.run(run)


@pytest.fixture(scope="module")
def address(settings_file: Path) -> Iterator[str]:
    """Of a server in a process of its own."""
    with http_server(settings_file) as where:
        yield where


@asynccontextmanager
async def with_key(address: str, key: str) -> AsyncIterator[Client]:
    """The SDK's client, with a key as people give it one."""
    http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=300)
    async with http, Client(streamable_http_client(address, http_client=http)) as client:
        yield client


def made_key(project: Project, scope: str) -> str:
    with project.database.connect() as connection:
        return keys.create(connection, f"{scope} {time.monotonic_ns()}", [scope])[1]


def test_an_agent_with_a_key_to_read_uses_every_tool_over_http(project: Project, address: str) -> None:
    async def run() -> None:
        async with with_key(address, made_key(project, "read")) as client:
            await use_every_tool(client, project)
            answer = await call(client, "ask", question="Which invoice is it?", limit=2)
            told = facts(answer)
            assert told["extractive"]
            assert {one["content"] for one in told["citations"]} <= {one["content"] for one in told["results"]}

    anyio.run(run)


def test_without_a_key_to_read_an_agent_is_refused_on_loopback_too(project: Project, address: str) -> None:
    async def names(key: str) -> None:
        async with with_key(address, key) as client:
            await client.list_tools()

    with pytest.RaisesGroup(pytest.RaisesExc(Exception), flatten_subgroups=True, allow_unwrapped=True):
        anyio.run(names, "imagerag_x_y")
    reading = made_key(project, "read")
    for key, status in (("", 401), (f"{reading}x", 401), (made_key(project, "write"), 403), (reading, 400)):
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = httpx2.post(address, json={}, headers=headers)
        assert answer.status_code == status, answer.text
        assert ("www-authenticate" in answer.headers) == (status == 401)


def test_a_page_elsewhere_cannot_reach_the_server_by_another_name_or_from_another_origin(
    project: Project, address: str
) -> None:
    key = {"Authorization": f"Bearer {made_key(project, 'read')}"}
    for header, status in (({"Host": "evil.example"}, 400), ({"Origin": "http://evil.example"}, 403)):
        assert httpx2.post(address, headers={**key, **header}, json={}).status_code == status


def test_calls_are_limited_in_number_and_in_size(project: Project, tmp_path: Path) -> None:
    limits = Serving(authentication="off", requests_per_minute=5, max_upload_bytes=1000)
    limited = Project(project.settings.model_copy(update={"serving": limits}))
    with running(http_app(limited, "127.0.0.1")) as origin, httpx2.Client(base_url=origin) as client:
        as_json = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
        in_pieces = (b" " * 1000 for _ in range(100))
        for body in (b" " * 70_000, in_pieces):
            assert client.post("/mcp", content=body, headers=as_json).status_code == 413
        # The bucket is asked before the body: one of the two above took from it.
        statuses = [client.post("/mcp", json={}).status_code for _ in range(5)]
        assert statuses == [400, 400, 400, 400, 429]


def test_nothing_but_the_protocol_is_on_standard_output(settings_file: Path) -> None:
    hello = (
        '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},'
        '"clientInfo":{"name":"test","version":"1"}}}\n'
    )
    done = subprocess.run(
        [sys.executable, *COMMAND, str(settings_file)], input=hello, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert '"serverInfo"' in line


def test_without_keys_only_loopback_is_served(project: Project) -> None:
    serving = project.settings.serving.model_copy(update={"authentication": "off"})
    open_to_all = Project(project.settings.model_copy(update={"serving": serving}))
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1"):
        http_app(open_to_all, "192.168.1.5")


def test_a_results_texts_are_short_and_get_image_has_the_whole(project: Project) -> None:
    from imagerag_assets.serving.agents.tools import agent_server

    async def run() -> tuple[str, str]:
        async with Client(agent_server(project)) as client:
            found = facts(await call(client, "search_images", text="manual", method="text", thumbnails=False))
            whole = facts(await call(client, "get_image", image_id="shop/manual.png"))
            return found["results"][0]["ocr"], whole["ocr"]

    short, whole = anyio.run(run)
    assert len(whole) == 7_000
    assert short == f"{whole[:2_000]} …"


def test_a_database_that_went_away_is_told_to_the_agent(make_project: MakeProject, tmp_path: Path) -> None:
    from imagerag_assets.serving.agents.tools import agent_server

    gone = make_project({"shop": tmp_path}, url="postgresql://me:hunter2@127.0.0.1:1/images")

    async def run() -> str:
        async with Client(agent_server(gone)) as client:
            return message(await call(client, "search_images", text="mug", method="text"))

    told = anyio.run(run)
    assert "Check that the server runs" in told
    assert "hunter2" not in told
