"""An OpenAI-compatible server on loopback that is teacher, judge and AlpacaEval's annotator, and reads what
it judges.

It answers every question with one of a few sentences, chosen by the request's seed. A response is worth a
point each for a known word, for half of its words being known, for all of them, for a reason ("because") and
for a full stop at its end. The judge (Figure 6's prompt) says that score, the annotator gives its two letters
by the difference of both scores.
"""

import csv
import json
import math
import random
import re
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from tests.support.loopback import Handler, Loopback

REASONS = ("we know it", "they all do", "it was so", "you can see it")
SENTENCES = [f"It is so because {reason}." for reason in REASONS] + ["It is so.", "It is", "Hm"]
KNOWN = set(re.findall(r"\w+", " ".join(SENTENCES).lower())) - {"hm"}


def worth(response: str) -> int:
    """The score from 0 to 5."""
    words = re.findall(r"\w+", response.lower())
    known = sum(word in KNOWN for word in words)
    points = [known > 0, known >= len(words) / 2 > 0, known == len(words) > 0, "because" in words]
    return sum(points) + response.rstrip().endswith(".")


class JudgeServer(Loopback):
    """Starts at once; a context manager. `asked` counts requests by what they were for."""

    def __init__(
        self,
        refuses: int = 0,
        silent: float = 0.0,
        score: Callable[[str, str], int] | None = None,
        silences: float = math.inf,
    ):
        """`refuses`: after so many annotations answer 401; `silent`: this share of judgements holds no score,
        and of one response `silences` at most;
        `mute`: every so-manieth annotation names neither output; `score`: of a response to a question, in
        place of its `worth`."""
        self.refuses, self.silent, self.mute, self.score = refuses, silent, 0, score
        self.left: defaultdict[str, float] = defaultdict(lambda: silences)
        self.asked = {"teacher": 0, "judge": 0, "annotator": 0}
        self.models: set[str] = set()
        self.bodies: list[dict] = []
        self.lock = threading.Lock()
        super().__init__(_handler(self))

    def role(self, messages: list[dict]) -> str:
        if "additive 5-point" in messages[0]["content"]:
            return "judge"
        return "annotator" if "Best Model Identifier" in messages[-1]["content"] else "teacher"

    def choices(self, body: dict) -> list[dict]:
        """What is said to one request, as the API's choices."""
        text, role = body["messages"][-1]["content"], self.role(body["messages"])
        if role == "annotator":
            first, second = re.findall(r'"output": """(.*?)"""', text, re.S)
            odds = 1 / (1 + math.exp(worth(second) - worth(first)))
            top = [
                {"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("m", odds), ("M", 1 - odds))
            ]
            top.sort(key=lambda each: -each["logprob"])
            if self.mute and self.asked["annotator"] % self.mute == 0:
                top = [{"token": "Both", "logprob": 0.0, "bytes": None}]
            content = [{**top[0], "top_logprobs": top}]
            return [_choice(0, top[0]["token"], "length") | {"logprobs": {"content": content}}]
        dice = random.Random(f"{body.get('seed')} {text}")
        if role == "judge":
            question, response = text.split("\n<Response>: ", 1)
            score = self.score(question, response) if self.score else worth(response)
            said = f"Evaluation evidence: I read it.\nScore: {score}"
            silent = dice.random() < self.silent and self.left[text] > 0
            self.left[text] -= silent
            return [_choice(0, "I cannot say." if silent else said, "stop")]
        return [_choice(n, dice.choice(SENTENCES), "stop") for n in range(body.get("n", 1))]


def _choice(index: int, content: str, finish_reason: str) -> dict:
    return {
        "index": index,
        "message": {"role": "assistant", "content": content},
        "finish_reason": finish_reason,
    }


def _handler(server: JudgeServer) -> type[Handler]:
    class Answering(Handler):
        def do_POST(self) -> None:
            body = json.loads(self.content())
            role = server.role(body["messages"])
            with server.lock:
                server.asked[role] += 1
                server.models.add(body["model"])
                server.bodies.append(body)
                refused = role == "annotator" and 0 < server.refuses < server.asked[role]
            if refused:
                return self.send(401, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}})
            usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
            head = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"]}
            return self.send(200, head | {"choices": server.choices(body), "usage": usage})

    return Answering


def write_gamed(path: Path) -> None:
    """A file of df_gamed.csv's shape and invented verdicts: what the length-controlled win rate is fitted
    with."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["model", "preference", "index", "std_delta_len", "instruction_difficulty", "not_gamed_baseline"]
        )
        for model, sign in (("verbose", -1), ("concise", 1)):
            for n in range(805):
                difficulty = math.sin(n)
                win = 1 / (1 + math.exp(sign - difficulty / 4))
                table.writerow([model, win, n, sign * (1 + n % 7), difficulty, False])
