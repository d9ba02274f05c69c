"""A server on loopback with OpenAI's /files and /batches, which goes on only when told, and counts what is paid."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from imagerag_assets_tests.models.fault_server import Request, Response, answer

_MOST_REQUESTS = 50_000
_MOST_BYTES = 200_000_000


@dataclass
class Batch:
    """A batch at the server."""

    id: str
    input_file: str
    metadata: dict[str, str]
    status: str = "validating"
    output_file: str | None = None
    error_file: str | None = None
    errors: list[dict[str, Any]] = field(default_factory=list)
    created: int = field(default_factory=lambda: int(time.time()))

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id, "object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h",
            "input_file_id": self.input_file, "status": self.status, "created_at": self.created,
            "output_file_id": self.output_file, "error_file_id": self.error_file, "metadata": self.metadata,
            "errors": {"object": "list", "data": self.errors} if self.errors else None,
        }  # fmt: skip


Trouble = Callable[[str, str], Response | None]
"""(method, path) → what the server does instead. A response of status 0 does the work and then cuts the connection."""


class BatchServer:
    """Keeps files and batches. `finish` and its like bring a batch to its end."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: list[Batch] = []
        self.calls: list[tuple[str, str]] = []
        self.paid: list[dict[str, Any]] = []
        """The bodies of all requests that were answered by a model."""
        self.trouble: Trouble = lambda _method, _path: None
        self.page = 100
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def requests_of(self, batch: Batch) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.files[batch.input_file].splitlines()]

    def finish(self, plan: Callable[[int, Request], Response | None] = lambda _n, _r: answer()) -> None:
        """Work on every batch that is waiting. Where the plan has no response, the request gets no line at all."""
        for batch in [one for one in self.batches if one.status in ("validating", "in_progress")]:
            self.end(batch, "completed", plan)

    def end(
        self, batch: Batch, status: str, plan: Callable[[int, Request], Response | None] = lambda _n, _r: None
    ) -> None:
        """Bring a batch to `status`: what the plan answers has run. If that is not `completed`, the rest has not."""
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for number, line in enumerate(self.requests_of(batch)):
            response = plan(number, Request(line["body"], {}, line["url"], 0.0))
            told: dict[str, Any] = {"id": f"batch_req_{number}", "custom_id": line["custom_id"], "error": None}
            if response is None and status == "completed":
                continue
            if response is None:
                code = f"batch_{status}"
                bad.append({**told, "response": None, "error": {"code": code, "message": "This request was not run."}})
                continue
            self.paid.append(line["body"])
            body = {"status_code": response.status, "request_id": "r", "body": response.body}
            (good if response.status == 200 else bad).append({**told, "response": body})
        # In any order, says the documentation.
        batch.output_file = self._store(good[::-1]) if good else None
        batch.error_file = self._store(bad[::-1]) if bad else None
        batch.status = status

    def refuse(self, batch: Batch, code: str, message: str) -> None:
        batch.status = "failed"
        batch.errors = [{"code": code, "message": message, "line": None, "param": None}]

    def _store(self, lines: list[dict[str, Any]]) -> str:
        return self._keep("".join(json.dumps(line) + "\n" for line in lines).encode())

    def _keep(self, data: bytes) -> str:
        name = f"file-{len(self.files)}"
        self.files[name] = data
        return name

    def upload(self, content_type: str, body: bytes) -> dict[str, Any]:
        head = f"content-type: {content_type}\r\n\r\n".encode()
        form: Message = BytesParser(policy=HTTP).parsebytes(head + body)
        parts = {str(part.get_param("name", header="content-disposition")): part for part in form.walk()}
        assert bytes(parts["purpose"].get_payload(decode=True) or b"") == b"batch"
        assert (parts["file"].get_filename() or "").endswith(".jsonl")
        data = bytes(parts["file"].get_payload(decode=True) or b"")
        assert len(data) <= _MOST_BYTES
        with self._lock:
            return {"id": self._keep(data), "object": "file", "purpose": "batch", "bytes": len(data)}

    def create(self, told: dict[str, Any]) -> dict[str, Any]:
        assert (told["endpoint"], told["completion_window"]) == ("/v1/chat/completions", "24h")
        with self._lock:
            batch = Batch(f"batch_{len(self.batches)}", told["input_file_id"], told.get("metadata") or {})
            lines = self.requests_of(batch)
            names = [line["custom_id"] for line in lines]
            assert 0 < len(lines) <= _MOST_REQUESTS
            assert len(set(names)) == len(names)
            assert max(map(len, names)) <= 64
            assert {(line["method"], line["url"]) for line in lines} == {("POST", "/v1/chat/completions")}
            self.batches.append(batch)
            return batch.told()

    def listed(self, after: str) -> dict[str, Any]:
        newest = self.batches[::-1]
        start = next((number + 1 for number, one in enumerate(newest) if one.id == after), 0)
        page = newest[start : start + self.page]
        more = start + self.page < len(newest)
        return {"object": "list", "data": [one.told() for one in page], "has_more": more}

    def respond(self, method: str, path: str, content_type: str, body: bytes) -> Response:
        name, _, query = path.removeprefix("/v1").partition("?")
        with self._lock:
            self.calls.append((method, name))
        trouble = self.trouble(method, name)
        if trouble is not None and trouble.status:
            return trouble
        done = self._do(method, name, query, content_type, body)
        return Response(done.status, done.body, cut=True) if trouble is not None else done

    def _do(self, method: str, name: str, query: str, content_type: str, body: bytes) -> Response:
        if (method, name) == ("POST", "/files"):
            return Response(body=self.upload(content_type, body))
        if (method, name) == ("POST", "/batches"):
            return Response(body=self.create(json.loads(body)))
        if name == "/batches":
            after = re.search(r"after=([^&]+)", query)
            return Response(body=self.listed(after[1] if after else ""))
        if found := re.fullmatch(r"/files/(.+)/content", name):
            return Response(
                body=self.files[found[1]].decode("utf-8", "replace"), content_type="application/octet-stream"
            )
        for batch in self.batches:
            if name == f"/batches/{batch.id}/cancel":
                # One request has run by then.
                self.end(batch, "cancelled", lambda number, _request: None if number else answer())
                return Response(body=batch.told())
            if name == f"/batches/{batch.id}":
                return Response(body=batch.told())
        return Response(404, {"error": {"message": f"No batch found with id {name}.", "type": "e", "code": None}})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers["content-length"])))

            def do_GET(self) -> None:
                self._answer(b"")

            def _answer(self, body: bytes) -> None:
                content_type = self.headers.get("content-type", "")
                response = outer.respond(self.command, self.path, content_type, body)
                time.sleep(response.after_seconds)
                text = response.body if isinstance(response.body, str) else json.dumps(response.body)
                data = text.encode()
                self.send_response(response.status)
                self.send_header("content-type", response.content_type)
                self.send_header("content-length", str(len(data)))
                for header, value in response.headers.items():
                    self.send_header(header, value)
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if response.cut else data)
                self.close_connection = response.cut

            def log_message(self, *_arguments: Any) -> None:
                pass

        return Handler

    def close(self) -> None:
        """Be gone: nobody listens at the address any more."""
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def running(self) -> Iterator[BatchServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield self
        self._server.shutdown()
        self._server.server_close()
