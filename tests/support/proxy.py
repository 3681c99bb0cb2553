"""A proxy on loopback before a real server: it passes everything on, and remembers what was asked and
answered."""

import json
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Proxy:
    """Starts at once; a context manager. `asked` holds every request's body, `answered` every whole reply."""

    def __init__(self, upstream: str):
        self.upstream = upstream
        self.asked: list[dict] = []
        self.answered: list[dict] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def forget(self) -> None:
        """Begin anew."""
        self.asked.clear()
        self.answered.clear()

    @property
    def wanted(self) -> int:
        """Completions asked for."""
        return sum(body.get("n", 1) for body in self.asked)

    @property
    def counted(self) -> int:
        """Completion tokens by the server's own usage."""
        return sum(reply["usage"]["completion_tokens"] for reply in self.answered)


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            proxy.asked.append(json.loads(data))
            address = proxy.upstream + self.path.removeprefix("/v1")
            request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=300) as reply:
                    status, content = reply.status, reply.read()
                proxy.answered.append(json.loads(content))
            except urllib.error.HTTPError as refusal:
                status, content = refusal.code, refusal.read()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Handler
