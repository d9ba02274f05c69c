"""A scriptable server that speaks the OpenAI protocol on loopback: answers, refuses, stalls, lies, and counts calls."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = {
    "general_description": "A blue part on a white table.",
    "key_elements": ["blue part", "white table"],
    "visible_text": "PART 4001",
    "metadata": {"category": "machine part", "tags": ["blue", "part"]},
}
"""What a model should answer."""


@dataclass(frozen=True)
class Request:
    """One call as it came in."""

    body: dict[str, Any]
    headers: dict[str, str]
    path: str
    at: float

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def data(self) -> str:
        """The text of the user's first message."""
        return next(str(part["text"]) for part in self.body["messages"][1]["content"] if part["type"] == "text")

    @property
    def image_url(self) -> dict[str, Any]:
        return next(dict(part["image_url"]) for part in self.body["messages"][1]["content"] if part["type"] != "text")

    @property
    def texts(self) -> str:
        """All texts of the user's first message."""
        return "\n".join(str(part["text"]) for part in self.body["messages"][1]["content"] if part["type"] == "text")

    @property
    def image_urls(self) -> list[dict[str, Any]]:
        return [dict(part["image_url"]) for part in self.body["messages"][1]["content"] if part["type"] != "text"]

    @property
    def is_repair(self) -> bool:
        return len(self.body["messages"]) > 2


@dataclass(frozen=True)
class Response:
    """What the server does with one call. `cut` sends only half of the body that it announced."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    after_seconds: float = 0.0
    cut: bool = False
    content_type: str = "application/json"


def answer(
    text: str | None = json.dumps(GOOD), tokens: tuple[int, int] = (1000, 100), reason: str = "stop", **more: Any
) -> Response:
    """A completion with that text; `more` goes to the Response."""
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    usage = {
        "prompt_tokens": tokens[0],
        "completion_tokens": tokens[1],
        "total_tokens": sum(tokens),
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    body = {
        "id": "c", "object": "chat.completion", "created": 0, "model": "m", "usage": usage,
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    }  # fmt: skip
    return Response(body=body, **more)


def streamed(*pieces: str, tokens: tuple[int, int] = (1000, 100), reason: str = "stop", **more: Any) -> Response:
    """A completion as events, one for each piece, with the count of tokens at the end; `more` goes to the Response."""

    def event(choices: list[dict[str, Any]], **rest: Any) -> str:
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices, **rest}
        return f"data: {json.dumps(chunk)}\n\n"

    events = [event([{"index": 0, "delta": {"content": piece}, "finish_reason": None}]) for piece in pieces]
    events.append(event([{"index": 0, "delta": {}, "finish_reason": reason}]))
    events.append(event([], usage={"prompt_tokens": tokens[0], "completion_tokens": tokens[1]}))
    return Response(body="".join(events) + "data: [DONE]\n\n", content_type="text/event-stream", **more)


def fails(status: int, message: str = "no", code: str | None = None, **headers: str) -> Response:
    """An error in OpenAI's form; header names have underscores here."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, {"error": {"message": message, "type": "error", "param": None, "code": code}}, named)


REFUSAL = answer(None, message={"refusal": "I cannot describe this image."})

Plan = Callable[[int, Request], Response]
"""(number of the call from 0, the call) → what to do."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_arguments: Any) -> None:
        """A client that is killed leaves its connections behind."""


class FaultServer:
    """Does what `plan` says, and remembers every call."""

    def __init__(self) -> None:
        self.plan: Plan = lambda _number, _request: answer()
        self.requests: list[Request] = []
        self.answered = 0
        self.most_in_flight = 0
        self._in_flight = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def script(self, *responses: Response) -> None:
        """Give these in order, then good answers."""
        self.plan = lambda number, _request: responses[number] if number < len(responses) else answer()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(body, headers, self.path, time.monotonic())
                with outer._lock:
                    number = len(outer.requests)
                    outer.requests.append(request)
                    outer._in_flight += 1
                    outer.most_in_flight = max(outer.most_in_flight, outer._in_flight)
                response = outer.plan(number, request)
                time.sleep(response.after_seconds)
                with outer._lock:
                    outer._in_flight -= 1
                self._send(response)

            def _send(self, response: Response) -> None:
                text = response.body if isinstance(response.body, str) else json.dumps(response.body)
                data = text.encode()
                try:
                    self.send_response(response.status)
                    for name, value in {"content-type": response.content_type, **response.headers}.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(data)))
                    self.end_headers()
                    self.wfile.write(data[: len(data) // 2] if response.cut else data)
                    outer.answered += 1
                except (BrokenPipeError, ConnectionResetError):
                    pass
                self.close_connection = response.cut

            def log_message(self, *_arguments: Any) -> None:
                pass

        return Handler

    @contextmanager
    def running(self) -> Iterator[FaultServer]:
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield self
        self._server.shutdown()
        self._server.server_close()
