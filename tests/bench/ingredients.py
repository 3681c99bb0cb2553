"""What each ingredient of the method is worth on the embedded world: Ours without it, over five fresh seeds.

What is a setting is a variant of the study `ingredients`, which has to be there:
  make run CONFIG="config/world.yaml config/seeds.yaml" STUDY=ingredients
What no setting turns off is a fault: a copy of the project with its results gets it, and Snakemake trains
Ours there again, and that alone.
"""

import shutil
import sys
import tempfile
from functools import reduce
from pathlib import Path

import polars as pl

from scripts.lib.config.check import parse, rows
from scripts.lib.config.layers import over
from scripts.lib.config.plain import load
from scripts.lib.data.tables import SCORES, read
from scripts.lib.evaluation.intervals import Comparison, compare, gains
from scripts.lib.workflow.layout import Layout
from tests.workflow.project import ROOT, Project

STUDY, FILES = "ingredients", ("config/world.yaml", "config/seeds.yaml")
Edit = tuple[str, str, str]
PPO = "scripts/lib/training/ppo"
FAULTS: dict[str, list[Edit]] = {
    "no -5: an answerless response is scored as any other, and is wrong": [
        (f"{PPO}/responses.py", " if answer is not None]", "]"),
        (f"{PPO}/reward.py", "    if answer is None:\n        return NO_ANSWER_REWARD\n", ""),
    ],
    "labels dealt to other questions": [
        (
            "scripts/train/train_ppo.py",
            'chosen["label"].to_list(), tokenizer',
            'chosen["label"].shuffle(seed=0).to_list(), tokenizer',
        )
    ],
    "a constant reward model": [(f"{PPO}/responses.py", "scores[row] = value", "scores[row] = 1.0")],
    "the reward model's sign flipped": [
        (f"{PPO}/responses.py", "scores[row] = value", "scores[row] = -value")
    ],
}


def scores(folder: Path, layout: Layout, variant: str, table: list[dict]) -> pl.DataFrame:
    """seed, run, query_id, correct of a variant's evaluations in a project's folder."""
    found = []
    for row in table:
        if row["variant"] == variant:
            path = folder / "results/scores" / layout.evaluated(row, "world") / "scores.parquet"
            found.append(read(path, SCORES).with_columns(seed=pl.lit(row["seed"]), run=pl.lit(str(path))))
    return pl.concat(found).select("seed", "run", "query_id", "correct")


def faulty(edits: list[Edit], targets: list[str]) -> Path:
    """A copy of this project and its results, with the edits, in which the targets are up to date."""
    project = Project(Path(tempfile.mkdtemp(prefix="ingredients_")))
    for name in ("results", "store", ".snakemake"):
        shutil.copytree(ROOT / name, project.folder / name, symlinks=True, dirs_exist_ok=True)
    for name in (".venv", ".venv-gpu"):
        (project.folder / name).symlink_to(ROOT / name)
    for edit in edits:
        project.edit(*edit)
    run = project.run(*targets, "--configfile", *FILES)
    if run.returncode:
        raise SystemExit((run.stdout + run.stderr)[-4000:])
    return project.folder


def line(name: str, accuracies: pl.DataFrame, lost: Comparison) -> str:
    """A row of the table: accuracy a seed, their mean, and the points lost."""
    seeds = accuracies.group_by("seed").agg(pl.col("correct").mean()).sort("seed")["correct"]
    cells = [name, *(f"{100 * value:.1f}" for value in seeds), f"{100 * seeds.mean():.1f}"]
    cells.append(f"{100 * lost.difference:+.1f} ({100 * lost.low:+.1f} to {100 * lost.high:+.1f})")
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the table."""
    config = parse(reduce(over, (load(ROOT / file) for file in ("config/config.yaml", *FILES))))
    layout, table = Layout(config), rows(config, STUDY)
    ours = scores(ROOT, layout, "ours", table)
    wanted = [row for row in table if row["variant"] == "ours"]
    targets = [f"results/scores/{layout.evaluated(row, 'world')}/scores.parquet" for row in wanted]
    for variant in dict.fromkeys(row["variant"] for row in table):
        found = scores(ROOT, layout, variant, table)
        print(line(variant, found, compare(gains(found, ours))), flush=True)
    for name, edits in FAULTS.items():
        if not sys.argv[1:] or any(word in name for word in sys.argv[1:]):
            folder = faulty(edits, targets)
            found = scores(folder, layout, "ours", table).with_columns(run=pl.col("run") + name)
            print(line(name, found, compare(gains(found, ours))), flush=True)
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
