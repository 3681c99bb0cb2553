"""What a server's answers cost, and whether the next request still fits the budget."""

from collections import Counter
from dataclasses import dataclass, field

from scripts.lib.engines.openai.server import Server

CHARACTERS = 3.0
"""Characters per token, before a server has counted any: fewer than in usual English (4), so that estimates
are high."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of prompts and of completions."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.prompt - other.prompt, self.completion - other.completion)

    @property
    def total(self) -> int:
        """Both together."""
        return self.prompt + self.completion


@dataclass
class Bill:
    """The account of one step. Replies that were lost may be charged too: they count with an estimate."""

    server: Server
    stored: Tokens = Tokens()
    """Of the step's completions that earlier runs have paid for."""
    received: Tokens = Tokens()
    lost: Tokens = Tokens()
    reserved: Tokens = Tokens()
    """At most, of the requests under way."""
    requests: int = 0
    retries: int = 0
    estimated: int = 0
    """Replies whose tokens the server did not count."""
    failures: Counter = field(default_factory=Counter)
    characters: int = 0
    counted: int = 0
    replies: int = 0

    def dollars(self, tokens: Tokens) -> float:
        """The price of tokens."""
        server = self.server
        return (tokens.prompt * server.price_prompt + tokens.completion * server.price_completion) / 1e6

    @property
    def spent(self) -> Tokens:
        """By this run and the ones before."""
        return self.stored + self.received + self.lost

    def fits(self, tokens: Tokens = Tokens()) -> bool:
        """Whether the budget allows `tokens` on top of what is spent and under way."""
        total, server = self.spent + self.reserved + tokens, self.server
        if server.max_dollars is not None and not self.dollars(total) <= server.max_dollars * (1 + 1e-12):
            return False
        return server.max_total_tokens is None or total.total <= server.max_total_tokens

    def estimate(self, text: str) -> int:
        """Tokens of a text, by what the server has counted so far."""
        ratio = self.counted / self.characters if self.characters else 1 / CHARACTERS
        return int(len(text) * ratio) + (1 if self.characters else 16)

    def receive(self, prompt: str, texts: list[str], tokens: Tokens | None) -> Tokens:
        """Enter a reply with its `usage`, or None where the server gives none. Returns what was entered."""
        if tokens is None:
            self.estimated += 1
            tokens = Tokens(self.estimate(prompt), sum(self.estimate(text) for text in texts))
        else:
            self.characters += len(prompt)
            self.counted += tokens.prompt
        self.replies += len(texts)
        self.received += tokens
        return tokens

    def lose(self, tokens: Tokens, n: int) -> None:
        """Enter a reply of n completions that came to nothing: its prompt, and completions of the usual
        length."""
        usual = self.received.completion // self.replies * n if self.replies else tokens.completion
        self.lost += Tokens(tokens.prompt, min(usual, tokens.completion))

    def ledger(self) -> dict[str, object]:
        """For ledger.json: this run's requests, tokens and dollars; `total_dollars` with what was stored
        before. What stop strings saved no server says."""
        return {
            "saved_tokens": None,
            "prompt_tokens": self.received.prompt,
            "completion_tokens": self.received.completion,
            "requests": self.requests,
            "retries": self.retries,
            "failures": dict(sorted(self.failures.items())),
            "lost_tokens": self.lost.total,
            "estimated_replies": self.estimated,
            "omitted": sorted(set(self.server.omit)),
            "dollars": round(self.dollars(self.received + self.lost), 6),
            "total_dollars": round(self.dollars(self.spent), 6),
        }

    def line(self) -> str:
        """For people: what this run has spent, and the step in all."""
        now, price = self.received + self.lost, self.server.price_prompt or self.server.price_completion
        text = f"{self.requests} requests ({self.retries} again), {now.prompt} + {now.completion} tokens"
        if price:
            text += f", ${self.dollars(now):.4f}; with earlier runs ${self.dollars(self.spent):.4f}"
        failures = ", ".join(f"{kind} x {number}" for kind, number in sorted(self.failures.items()))
        return text + (f"; failures: {failures}" if failures else "")
