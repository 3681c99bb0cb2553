"""App. F's stages of one student: what each cost against its plan, and the paper's hours."""

from dataclasses import dataclass
from pathlib import Path

from scripts.lib.report.numbers.published import published
from scripts.lib.report.study import Chain, Study
from scripts.lib.runs import ledger

STAGES = {
    "sample_student": "Student's samples for the reward model",
    "train_reward": "Reward model",
    "train_ppo": "PPO",
}
"""By the rules that do them; a rule's shards are its own."""
OURS = {"reward": "ours", "variant": "ours"}


@dataclass(frozen=True)
class Stage:
    """A stage of a chain's Ours: figures of `ledger`, the mean over seeds (None: not known), and the paper's
    hours and GPUs (None: it says none)."""

    chain: str
    rule: str
    seeds: int
    figures: dict[str, float] | None
    paper: tuple[float, float] | None


def stages(study: Study) -> list[Stage]:
    """Every stage of every chain that has a reward model for Ours, in the order of the chains."""
    chains = {each.name: each for each in study.chains if any(r.reward == "ours" for r in each.rewards)}
    found = []
    for name, chain in chains.items():
        said = [
            published(study, key, dataset=chain.dataset, student=chain.student) for key in ("hours", "gpus")
        ]
        for rule in STAGES:
            seeds, figures = _figures(study, chain, rule)
            paper = (float(said[0][rule]), float(said[1][rule])) if rule in said[0] else None
            if figures or paper:
                found.append(Stage(name, rule, seeds, figures, paper))
    return found


def _figures(study: Study, chain: Chain, rule: str) -> tuple[int, dict[str, float] | None]:
    """How many seeds a stage was worked on for, and what one cost on average."""
    warmup = next(each.warmup for each in chain.rewards if each.reward == "ours")
    wanted = OURS | {
        "warmup": warmup,
        **{key: getattr(chain, key) for key in ("dataset", "teacher", "student")},
    }
    seeds, spent = set(), []
    for job in study.jobs:
        names = _names(job.benchmark)
        own = all(wanted[key] == value for key, value in names.items() if key in wanted)
        if job.rule.removesuffix("_shard") == rule and own and job.spending:
            seeds.add(names.get("seed"))
            spent.append((rule, job.spending))
    if not spent:
        return 0, None
    line = ledger.by_rule(spent)[0]
    return len(seeds), {key: line[key] / len(seeds) for key in line if key not in ("rule", "jobs")}


def _names(benchmark: Path) -> dict[str, str]:
    """The names in a job's path."""
    return dict(part.split("=", 1) for part in benchmark.with_suffix("").parts if "=" in part)
