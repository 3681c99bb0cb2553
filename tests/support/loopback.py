"""What our servers on loopback have in common."""

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class Loopback:
    """A server that listens at once; a context manager."""

    def __init__(self, handler: type[BaseHTTPRequestHandler], path: str = "/v1"):
        self.http = _Listener(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}{path}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


class Handler(BaseHTTPRequestHandler):
    """Says nothing in the log."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def content(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def head(self, status: int, length: int, headers: Mapping[str, str] | None = None) -> None:
        """Begin a reply of so many bytes."""
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, status: int, document: object, headers: Mapping[str, str] | None = None) -> None:
        """Reply with bytes, or with a document as JSON."""
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.head(status, len(data), headers)
        if self.command != "HEAD":
            self.wfile.write(data)
