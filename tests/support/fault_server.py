"""An OpenAI-compatible server on loopback that fails on schedule and remembers what it did.

A completion follows from the prompt, the seed (without one, the request's number) and its place in the reply;
its tokens are its words. Faults are taken one per request, None for none:
"429", "429 after 0.3", "500", "503", "half" a body, "close" without a word, "garbage", "empty", "slow",
"none" (no choices), "fewer" (one choice too few), "error" (200 with an error).
`says` is asked first: what it returns for a request's body, (status, JSON or bytes, headers), is the reply.
"""

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain, repeat

from tests.support.loopback import Handler, Loopback


class FaultServer(Loopback):
    """Starts at once; a context manager. `delay` seconds a reply; `knows` what a request may hold beyond the
    least."""

    def __init__(
        self,
        faults: Iterable[str | None] = (),
        delay: float = 0.0,
        slow: float = 1.0,
        knows: Iterable[str] = ("n", "seed", "max_tokens"),
        ignores_n: bool = False,
        usage: bool = True,
        key: str | None = None,
        finish: str = "stop",
        content: str | None = "text",
        says: Callable[[dict], tuple | None] = lambda body: None,
    ):
        self.faults, self.delay, self.slow = chain(faults, repeat(None)), delay, slow
        self.knows, self.ignores_n, self.usage = set(knows), ignores_n, usage
        self.key, self.finish, self.content, self.says = key, finish, content, says
        self.lock = threading.Lock()
        self.requests = self.parallel = self.most_parallel = 0
        self.faulted: Counter = Counter()
        self.times: list[float] = []
        self.bodies: list[dict] = []
        self.said: Counter = Counter()
        self.prompt_tokens = self.completion_tokens = 0
        super().__init__(_handler(self))

    @property
    def choices(self) -> int:
        """Completions in replies that were whole."""
        return self.said.total()


def _handler(server: FaultServer) -> type[Handler]:
    class Answering(Handler):
        def do_POST(self) -> None:
            body = json.loads(self.content())
            with server.lock:
                server.requests += 1
                server.parallel += 1
                server.most_parallel = max(server.most_parallel, server.parallel)
                server.times.append(time.monotonic())
                server.bodies.append(body)
                number = server.requests
                fault = next(server.faults)
                if fault:
                    server.faulted[fault.split()[0]] += 1
            try:
                self._answer(body, fault, number)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True
            finally:
                with server.lock:
                    server.parallel -= 1

        def _answer(self, body: dict, fault: str | None, number: int) -> None:
            time.sleep(server.delay)
            if reply := server.says(body):
                return self.send(*reply)
            if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                said = f"Incorrect API key provided: {self.headers.get('Authorization')}"
                return self.send(401, {"error": {"message": said, "code": "invalid_api_key"}})
            for name in ("n", "seed", "max_tokens"):
                if name in body and name not in server.knows:
                    mend = "; use 'max_completion_tokens'" if name == "max_tokens" else ""
                    said = f"Unsupported parameter: '{name}'{mend}"
                    return self.send(400, {"error": {"message": said, "code": "unsupported_parameter"}})
            status, _, after = (fault or "").partition(" after ")
            if status.isdigit():
                headers = {"Retry-After": after} if after else {}
                return self.send(int(status), {"error": {"message": f"fault {status}"}}, headers)
            if fault == "slow":
                time.sleep(server.slow)
            document = self._reply(body, fault, number)
            data = json.dumps(document).encode()
            if fault == "error":
                return self.send(200, {"error": {"message": "overloaded", "code": 529}})
            if fault == "garbage":
                data = b"<html>\xff not JSON</html>"
            if fault == "empty":
                data = b""
            if fault == "close":
                self.close_connection = True
                self.connection.close()
                return None
            if fault == "half":
                self.head(200, len(data))
                self.wfile.write(data[: len(data) // 2])
                self.close_connection = True
                return None
            if fault in (None, "fewer"):
                with server.lock:
                    for choice in document["choices"]:
                        server.said[choice["text"] if "text" in choice else choice["message"]["content"]] += 1
                    server.prompt_tokens += document["usage"]["prompt_tokens"]
                    server.completion_tokens += document["usage"]["completion_tokens"]
            if not server.usage and fault is None:
                data = json.dumps({k: v for k, v in document.items() if k != "usage"}).encode()
            self.head(200, len(data))
            self.wfile.write(data)
            return None

        def _reply(self, body: dict, fault: str | None, number: int) -> dict:
            chat = "messages" in body
            prompt = body["messages"][-1]["content"] if chat else body["prompt"]
            n = 1 if server.ignores_n else body.get("n", 1)
            n = {"none": 0, "fewer": n - 1}.get(fault or "", n)
            name = hashlib.sha256(prompt.encode()).hexdigest()[:8]
            texts = [f"{name} {body.get('seed', number)} {i} The answer is {i}." for i in range(n)]
            choices = []
            for index, text in enumerate(texts):
                said = text if server.content else None
                part = {"message": {"role": "assistant", "content": said}} if chat else {"text": said}
                choices.append({"index": index, "finish_reason": server.finish} | part)
            usage = {
                "prompt_tokens": len(prompt.split()),
                "completion_tokens": sum(len(text.split()) for text in texts),
            }
            return {"model": f"{body['model']}-2026-01-01", "choices": choices[::-1], "usage": usage}

    return Answering
