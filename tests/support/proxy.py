"""A proxy on loopback before a real server: it passes everything on, and remembers what was asked and
answered."""

import json
import urllib.error
import urllib.request

from tests.support.loopback import Handler, Loopback


class Proxy(Loopback):
    """Starts at once; a context manager. `asked` holds every request's body, `answered` every whole reply."""

    def __init__(self, upstream: str):
        self.upstream = upstream
        self.asked: list[dict] = []
        self.answered: list[dict] = []
        super().__init__(_handler(self))

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


def _handler(proxy: Proxy) -> type[Handler]:
    class Answering(Handler):
        def do_POST(self) -> None:
            data = self.content()
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
                self.send(status, content)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

    return Answering
