"""A plain HTTP server on loopback that answers as badly as it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What a path answers. A `length` that is not the body's makes it truncated; `pause` is before every byte."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    pause: float = 0.0
    head: int | None = None
    """Status for HEAD, where it is another."""


@dataclass
class WebServer:
    """`answers` maps a path to one answer, or to one for each request in turn (the last one stays)."""

    url: str
    answers: dict[str, Answer | list[Answer]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)

    def count(self, method: str) -> int:
        return sum(one == method for one, _ in self.requests)


@contextmanager
def web_server() -> Iterator[WebServer]:
    """Serves on 127.0.0.1 until the end of the block."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    found = WebServer(f"http://127.0.0.1:{server.server_address[1]}")
    server.RequestHandlerClass = _handler(found)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()


def _handler(state: WebServer) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(lambda answer: _send_slowly(self, answer))

        def do_HEAD(self) -> None:
            self._answer(lambda _answer: None)

        def _answer(self, send_body: Callable[[Answer], None]) -> None:
            with lock:
                state.requests.append((self.command, self.path))
                answer = state.answers.get(self.path, Answer(b"nothing here", 404))
                if isinstance(answer, list):
                    answer = answer.pop(0) if len(answer) > 1 else answer[0]
            status = answer.head if self.command == "HEAD" and answer.head else answer.status
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.send_header("Connection", "close")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            send_body(answer)
            self.close_connection = True

        def log_message(self, *_args: object) -> None:
            """Silence."""

    return Handler


def _send_slowly(handler: BaseHTTPRequestHandler, answer: Answer) -> None:
    try:
        if not answer.pause:
            handler.wfile.write(answer.body)
            return
        for byte in answer.body:
            handler.wfile.write(bytes((byte,)))
            handler.wfile.flush()
            time.sleep(answer.pause)
    except (BrokenPipeError, ConnectionResetError):
        pass
