"""An OpenAI-compatible server on loopback that thinks before it replies, in the forms of public servers.

The form is the one that a question names ("Which form is vllm ?"). Every thought has seven tokens and says
what its reply does not; a reply has three.
"""

import json
from collections import Counter

from tests.support.loopback import Handler, Loopback

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


class ThinkingServer(Loopback):
    """Starts at once; a context manager. `asked` counts requests by the form of their replies."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        super().__init__(_handler(self))

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


def _handler(server: ThinkingServer) -> type[Handler]:
    class Answering(Handler):
        def do_POST(self) -> None:
            body = json.loads(self.content())
            self.send(200, server.reply(body))

    return Answering
