"""The agents' door: the SDK's own client against `imagerag mcp` in a process of its own, on both transports."""

from __future__ import annotations

import base64
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from imagerag_assets.database.connection import Connection
from imagerag_assets.errors import SettingsError
from imagerag_assets.project import Project
from imagerag_assets.retrieval.search import Query, search
from imagerag_assets.serving.agents.server import http_app
from imagerag_assets.serving.api import keys
from imagerag_assets_tests.retrieval.corpus import Picture, build, content_of

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


def test_an_agent_uses_every_tool_over_http(project: Project, settings_file: Path) -> None:
    async def run(address: str) -> None:
        async with Client(address) as client:
            await use_every_tool(client, project)
            answer = await call(client, "ask", question="Which invoice is it?", limit=2)
            told = facts(answer)
            assert told["extractive"]
            assert {one["content"] for one in told["citations"]} <= {one["content"] for one in told["results"]}

    with http_server(settings_file) as address:
        anyio.run(run, address)


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


def test_a_page_elsewhere_cannot_reach_the_server_on_loopback_by_another_name(settings_file: Path) -> None:
    with http_server(settings_file) as address:
        answer = httpx2.post(address, headers={"Host": "evil.example"}, json={})
        assert answer.status_code == 421


@contextmanager
def connected(project: Project) -> Iterator[Connection]:
    with project.database.connect() as connection:
        yield connection


def test_elsewhere_than_on_loopback_a_key_to_read_is_needed(project: Project, settings_file: Path) -> None:
    with connected(project) as connection:
        _, reading = keys.create(connection, "agent", ["read"])
        _, writing = keys.create(connection, "uploader", ["write"])

    async def names(address: str, key: str) -> set[str]:
        http = httpx2.AsyncClient(headers={"Authorization": f"Bearer {key}"})
        async with http, Client(streamable_http_client(address, http_client=http)) as client:
            return {one.name for one in (await client.list_tools()).tools}

    with http_server(settings_file, "--host", "0.0.0.0") as address:  # noqa: S104
        assert httpx2.post(address, json={}).status_code == 401
        assert httpx2.post(address, json={}, headers={"Authorization": f"Bearer {reading}x"}).status_code == 401
        assert httpx2.post(address, json={}, headers={"Authorization": f"Bearer {writing}"}).status_code == 403
        assert "ask" in anyio.run(names, address, reading)


def test_without_keys_only_loopback_is_served(project: Project) -> None:
    serving = project.settings.serving.model_copy(update={"authentication": "off"})
    open_to_all = Project(project.settings.model_copy(update={"serving": serving}))
    with pytest.raises(SettingsError, match=r"127\.0\.0\.1"):
        http_app(open_to_all, "192.168.1.5")


def test_a_database_that_went_away_is_told_to_the_agent(make_project: MakeProject, tmp_path: Path) -> None:
    from imagerag_assets.serving.agents.tools import agent_server

    gone = make_project({"shop": tmp_path}, url="postgresql://me:hunter2@127.0.0.1:1/images")

    async def run() -> str:
        async with Client(agent_server(gone)) as client:
            return message(await call(client, "search_images", text="mug", method="text"))

    told = anyio.run(run)
    assert "Check that the server runs" in told
    assert "hunter2" not in told
