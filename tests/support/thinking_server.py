"""An OpenAI-compatible server on loopback that thinks before it replies, in the forms of public servers.

The form is the one that a question names ("Which form is vllm ?"). Every thought has seven tokens and says
what its reply does not; a reply has three.
"""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

THOUGHT, REPLY = "The answer is 41? No.", "The answer is 42."
PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}], "closed": True},
    {"type": "text", "text": REPLY},
]
FORMS = {
    "deepseek": {"content": REPLY, "reasoning_content": THOUGHT},
    "vllm": {"content": f"\n\n{REPLY}", "reasoning": THOUGHT, "tool_calls": []},
    "openrouter": {
        "content": REPLY,
        "refusal": None,
        "reasoning": THOUGHT,
        "reasoning_details": [{"type": "reasoning.text", "text": THOUGHT, "format": "unknown", "index": 0}],
    },
    "mistral": {"content": PARTS},
    "tags": {"content": f"<think>\n{THOUGHT}\n</think>\n\n{REPLY}"},
    "closing": {"content": f"{THOUGHT}\n</think>\n\n{REPLY}"},
    "magistral": {"content": f"[THINK]{THOUGHT}[/THINK]{REPLY}"},
    "harmony": {
        "content": f"<|channel|>analysis<|message|>{THOUGHT}<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{REPLY}"
    },
    "stripped": {"content": f"analysis{THOUGHT}assistantfinal{REPLY}"},
    "hidden": {"content": REPLY},
    "cut": {"content": None, "reasoning_content": THOUGHT},
    "cutting": {"content": f"<think>\n{THOUGHT}"},
}


class ThinkingServer:
    """Starts at once; a context manager. `asked` counts requests by the form of their replies."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def __enter__(self) -> "ThinkingServer":
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    def reply(self, body: dict) -> dict:
        """The document that answers a request."""
        asked = body["messages"][-1]["content"]
        form = next(form for form in FORMS if f" {form} " in asked)
        self.asked[form] += 1
        reason, tokens = ("length", 7) if form.startswith("cut") else ("stop", 10)
        message = {"role": "assistant"} | FORMS[form]
        usage = {"prompt_tokens": 5, "completion_tokens": tokens, "total_tokens": 5 + tokens}
        return {
            "model": "thinker-2026-01-01",
            "choices": [{"index": 0, "finish_reason": reason, "message": message}],
            "usage": usage | {"completion_tokens_details": {"reasoning_tokens": 7}},
        }


def _handler(server: ThinkingServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            data = json.dumps(server.reply(body)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
