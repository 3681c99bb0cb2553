"""The teacher as the judge that gives r (Eq. 11): its scores of a batch's responses, asked together, through
the sample store.

r is the score less the scale's middle, from -2.5 to 2.5: as of a reward model, above 0 is rather good, and no
score is as low as no answer's -5. A response whose judgement cannot be read has the lowest score: what keeps
the judge from a verdict must not pay.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from scripts.lib.data.files import write_text
from scripts.lib.engines.base import Run, Settings
from scripts.lib.engines.openai.bill import Tokens
from scripts.lib.engines.openai.server import Server
from scripts.lib.errors import UserError
from scripts.lib.labels.asking import judge
from scripts.lib.labels.judgement import PAPER, VERDICTS
from scripts.lib.labels.judging import combine, read_scores, requests
from scripts.lib.labels.settings import Combination, Judging
from scripts.lib.process.signals import Termination
from scripts.lib.samples.draws import NOTHING
from scripts.lib.samples.step import Asking

JUDGED = "judged.jsonl"
"""In a training's state: one line an iteration, with its new judgements and what they took."""
LOWEST, MIDDLE = float(PAPER.low), float(PAPER.low + PAPER.high) / 2
TAKEN = ("judgements", "reused", "prompt_tokens", "completion_tokens")


@dataclass(frozen=True, kw_only=True)
class JudgeRun(Run):
    """The teacher as the judge that gives r: which model it is, and how it is asked."""

    model: str = ""
    """Folder or hub id, or the name at a server."""
    revision: str | None = None
    """Of a hub model."""
    judging: Judging = Judging()
    """Judgements of a response, and when to ask again."""
    combine: Combination = "mean"
    """How several scores become one."""
    server: Server = Server()
    """Where the server is, its limits and prices."""
    store: Path = Path("store")
    """The sample store, which keeps what the judge says."""
    seed: int = 0
    """Of the draws."""

    def settings(self, prompt: Path) -> Settings:
        """What its engine is opened with."""
        verdicts = tuple(VERDICTS) if self.judging.verdict == "token" else ()
        longest, template = self.judging.longest, self.template(prompt)
        return Settings(template, longest, run=self, server=self.server, verdicts=verdicts)


class Unjudged(UserError):
    """The judge gives no more scores: its budget is spent, or it cannot be asked."""


def reward(score: float | None) -> float:
    """r of a judge's score from 0 to 5, None: none could be read."""
    return (LOWEST if score is None else score) - MIDDLE


@dataclass
class Judge:
    """The judge of one training; the first process asks it.

    `queries`: the training's (QUERIES); `most`: judgements that it may give. A response that it has judged is
    not asked about again, in this process or, from the store, in any.
    """

    asking: Asking
    judging: Judging
    combine: Combination
    queries: pl.DataFrame
    most: int | None = None
    scores: dict[str, float | None] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TAKEN, 0))

    def resume(self, folder: Path, done: int) -> None:
        """Keep what was judged up to iteration `done` of the training in `folder`; the store has the rest."""
        self._log, kept = folder / JUDGED, []
        for line in self._log.read_text(encoding="utf-8").splitlines() if self._log.exists() else []:
            try:
                row = json.loads(line)
            except ValueError:  # cut off by a kill
                break
            if row["iteration"] <= done:
                kept.append(line + "\n")
                self._count(row)
        write_text("".join(kept), self._log)
        if bill := self.asking.engine.bill:
            bill.stored += Tokens(self.taken["prompt_tokens"], self.taken["completion_tokens"])

    def score(self, k: int, rows: list[int], texts: Sequence[str]) -> tuple[list[float], float]:
        """r of each text, a response to the query of its row, in iteration k; and the share whose score could
        not be read. Raises Unjudged, and nothing that came is lost."""
        samples = pl.DataFrame(
            {
                "query_id": self.queries["query_id"].gather(rows),
                "sample_id": pl.int_range(len(rows), dtype=pl.Int32, eager=True),
                "completion": pl.Series(texts, dtype=pl.String),
                "finish_reason": pl.Series(["stop"] * len(rows), dtype=pl.String),
                "num_tokens": pl.Series([0] * len(rows), dtype=pl.Int32),
            }
        )
        asked, links = requests(samples, self.queries)
        self._ask(k, asked.filter(~pl.col("query_id").is_in(list(self.scores))))
        found = [self.scores.get(name) for name in links.sort("sample_id")["request_id"]]
        return [reward(score) for score in found], found.count(None) / max(1, len(found))

    def _ask(self, k: int, asked: pl.DataFrame) -> None:
        """Ask about the requests (QUERIES) and write down what comes of it."""
        if asked.is_empty():
            return
        given, more = self.taken["judgements"], asked.height * self.judging.n
        if self.most is not None and given + more > self.most:
            raise Unjudged(
                f"the judge has given {given:,} judgements, and iteration {k} needs {more:,} more than "
                f"max_judgements {self.most:,} allows; the training is saved: raise it and run again"
            )
        try:
            table, passes = judge(self.asking, asked, self.judging, Termination())
        except UserError as reason:
            raise Unjudged(f"{reason} (the training is saved)") from None
        self.asking.partition.compact()
        read = read_scores(table, self.judging.verdict)
        scores = dict(combine(read, self.combine).iter_rows())
        row = {
            "iteration": k,
            "judgements": sum(each["requested"] for each in passes),
            "reused": sum(each["reused"] for each in passes),
            "prompt_tokens": sum(each["total_prompt_tokens"] for each in passes),
            "completion_tokens": sum(each["total_completion_tokens"] for each in passes),
            "scores": {name: scores.get(name) for name in asked["query_id"]},
        }
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self._count(row)

    def _count(self, row: dict) -> None:
        self.scores |= row["scores"]
        for name in TAKEN:
            self.taken[name] += row[name]

    def shape(self) -> dict[str, object]:
        """Who judges and how, as far as it shapes the policy."""
        place = self.asking.partition.folder
        told = self.asking.settings.run.told() | vars(self.judging) | {"combine": self.combine}
        return {"store": f"{place.parent.name}/{place.name}"} | told

    def ledger(self) -> dict[str, object]:
        """What the training's judgements took, in the words of a sampling step's ledger."""
        engine, taken = self.asking.engine, self.taken
        told = {"requested": taken["judgements"], "reused": taken["reused"]}
        told |= {"sampled": taken["judgements"] - taken["reused"]}
        told |= {f"total_{name}": taken[name] for name in ("prompt_tokens", "completion_tokens")}
        model = {"engine": self.asking.settings.run.engine, "model": engine.identity}
        bill = engine.bill.ledger() if engine.bill else {}
        unread = sum(score is None for score in self.scores.values())
        return model | NOTHING | told | bill | {"without_score": unread, "versions": engine.versions}
