"""What a study took: times of its jobs, what its sampling wrote, what its servers were paid."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from scripts.lib.process.cli import USED
from scripts.lib.report import read
from scripts.lib.report.study import Job, Ledger


@dataclass
class RuleCost:
    """What the jobs of a rule took together; None: not known.

    `seconds` by Snakemake's clock, `cpu` processor seconds, `memory` the highest peak in MB; of sampling,
    completions `sampled` anew and `reused` from the store, and `completion_tokens` written, of which
    `reasoning_tokens` are thoughts. Of the completions `requested`, sampled and reused, `cut_off` ran to
    max_tokens; `saved_tokens` are those that stop strings left unwritten, at most.
    """

    rule: str
    jobs: int = 0
    seconds: float | None = None
    cpu: float | None = None
    memory: float | None = None
    sampled: int | None = None
    reused: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    requested: int | None = None
    cut_off: int | None = None
    saved_tokens: int | None = None


SAMPLED = ("sampled", "reused", "completion_tokens", "reasoning_tokens")
ENDED = ("requested", "cut_off", "saved_tokens")


def rule_costs(jobs: Iterable[Job], ledgers: Iterable[Ledger]) -> list[RuleCost]:
    """Per rule, in the order of the jobs: what those that were measured took, and what the ledgers count."""
    rules: dict[str, RuleCost] = {}
    for job in jobs:
        if not (measured := job_cost(job.benchmark, job.log)):
            continue
        cost = rules.setdefault(job.rule, RuleCost(job.rule))
        cost.jobs += 1
        cost.seconds = _plus(cost.seconds, measured.get("s"))
        cost.cpu = _plus(cost.cpu, measured.get("cpu_time"))
        if "max_rss" in measured:
            cost.memory = max(cost.memory or 0.0, measured["max_rss"])
    for ledger in ledgers:
        said = read.document(ledger.file)
        cost = rules.setdefault(ledger.rule, RuleCost(ledger.rule))
        for name in (*SAMPLED, *ENDED):
            setattr(cost, name, _plus(getattr(cost, name), said.get(name)))
    return list(rules.values())


def all_costs(costs: Iterable[RuleCost]) -> RuleCost:
    """The costs of all rules as one line."""
    total = RuleCost("All")
    for cost in costs:
        total.jobs += cost.jobs
        for name in ("seconds", "cpu", *SAMPLED, *ENDED):
            setattr(total, name, _plus(getattr(total, name), getattr(cost, name)))
        if cost.memory is not None:
            total.memory = max(total.memory or 0.0, cost.memory)
    return total


def _plus(total: float | None, value: float | None) -> float | None:
    return total if value is None else (total or 0) + value


def job_cost(benchmark: Path, log: Path) -> dict[str, float]:
    """Seconds `s`, processor seconds `cpu_time`, peak MB `max_rss` of a job, by its benchmark TSV; else {}.

    Repeats are averaged; what Snakemake could not measure (`-`, `NA`) is left out. What the steps themselves
    say in `log` that they used goes before: Snakemake looks twice a minute, and at its own child processes
    only.
    """
    if not benchmark.is_file():
        return {}
    with benchmark.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    values: dict[str, list[float]] = {}
    for line in lines:
        for name in ("s", "cpu_time", "max_rss"):
            try:
                values.setdefault(name, []).append(float(line.get(name) or ""))
            except ValueError:
                continue
    measured = {name: sum(each) / len(each) for name, each in values.items() if each}
    if log.is_file() and (said := USED.findall(log.read_text(encoding="utf-8", errors="replace"))):
        seconds, memory = zip(*said, strict=True)
        measured |= {"cpu_time": sum(map(float, seconds)), "max_rss": max(map(float, memory))}
    return measured


@dataclass
class ServerCost:
    """What a model behind a server took: requests, tokens and dollars of its last jobs.

    `total_dollars`: with what was stored before; `failures`: how many requests failed, by kind.
    """

    model: str
    requests: int = 0
    retries: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0
    total_dollars: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)


PAID = ("requests", "retries", "prompt_tokens", "completion_tokens", "dollars", "total_dollars")


def server_costs(ledgers: Iterable[Ledger]) -> list[ServerCost]:
    """Per model behind a server, sorted by model."""
    models: dict[str, ServerCost] = {}
    for ledger in ledgers:
        said = read.document(ledger.file)
        if "requests" not in said:
            continue
        cost = models.setdefault(said["model"], ServerCost(said["model"]))
        for name in PAID:
            setattr(cost, name, getattr(cost, name) + said[name])
        for kind, number in said["failures"].items():
            cost.failures[kind] = cost.failures.get(kind, 0) + number
    return [models[model] for model in sorted(models)]


def engines(ledgers: Iterable[Ledger]) -> list[tuple[str, str, int]]:
    """What sampled, where there was anything to sample: (engine, its versions, number of models), sorted."""
    models: dict[tuple[str, str], set[str]] = {}
    for ledger in ledgers:
        said = read.document(ledger.file)
        if "versions" not in said:
            continue
        models.setdefault((said["engine"], versions(said)), set()).add(said["model"])
    return [(*key, len(found)) for key, found in sorted(models.items())]


def versions(said: read.Record) -> str:
    """The versions of an engine that a ledger names, in words."""
    return ", ".join(f"{package} {version}" for package, version in sorted(said["versions"].items()))
