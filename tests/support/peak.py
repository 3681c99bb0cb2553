"""`python -m tests.support.peak METHOD FOLDER CONFIG ROWS CHECKPOINTING`: what updates of a model hold.

Prints JSON: resident bytes at the peak until the last update, parameters, tokens of a pass.
"""

import json
import sys
from pathlib import Path

import polars as pl
import torch

from scripts.lib.data import tables
from scripts.lib.training import sft, validation  # noqa: F401  imported before the first reading
from scripts.lib.training.ppo import loop, setup  # noqa: F401
from tests.support.steps import call
from tests.support.tiny import tiny_model
from tests.support.training_data import outputs, write_training_data

LONG = 180


def resident(key: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def main(method: str, folder: Path, config: dict, rows: int, checkpointing: bool) -> dict:
    """Train for two updates, in passes of so many rows of about 200 tokens."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(1)
    model = tiny_model(
        folder / "model",
        chat=False,
        **{"initializer_range": 0.02, "tie_word_embeddings": True, "max_position_embeddings": 512, **config},
    )
    reward = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
    reward.save_pretrained(folder / "reward")
    AutoTokenizer.from_pretrained(model).save_pretrained(folder / "reward")
    parameters = sum(each.numel() for each in reward.parameters())
    del reward
    given, data = write_training_data(folder / "data", 16), folder / "data"
    for who in ("teacher", "student"):
        table = pl.read_parquet(data / f"{who}.parquet")
        longer = table.with_columns(completion=pl.lit("+ " * LONG) + pl.col("completion"))
        tables.write(longer, data / f"{who}.parquet", tables.SAMPLES)
    before, peaks = resident("VmRSS"), []
    step = torch.optim.AdamW.step

    def watched(*args, **keywords):
        result = step(*args, **keywords)
        peaks.append(resident("VmHWM"))
        return result

    torch.optim.AdamW.step = watched
    validation.measure_accuracy = lambda *_: lambda model: {"accuracy": 0.5, "unparsed_rate": 0.0}
    given |= outputs(folder / "run", folder / "state") | {"model": str(model), "seed": 1, "chat": False}
    given |= {"gradient_checkpointing": checkpointing}
    judged = {
        "validation": data / "queries.parquet", "validation_golds": data / "golds.parquet", "task": "numeric",
    }  # fmt: skip
    TRAIN[method](given, data, judged, rows)
    return {"peak": peaks[-1] - before, "parameters": parameters, "tokens": rows * (LONG + 18)}


def short(examples: int) -> dict:
    """Two updates of one step."""
    sizes = {"per_device_train_batch_size": examples, "gradient_accumulation_steps": 1}
    return sizes | {"max_steps": 2, "eval_steps": 2}


def train_sft(given: dict, data: Path, judged: dict, rows: int) -> None:
    """The warm-up."""
    from scripts.train.train_sft import main

    samples = {"samples": [data / "teacher.parquet"], "grades": data / "teacher_grades.parquet"}
    call(main, **given, **short(rows), **samples, **judged, max_tokens=12)


def train_reward(given: dict, data: Path, judged: dict, rows: int) -> None:
    """The reward model."""
    from scripts.train.train_reward import main

    call(main, **given, **short(rows // 2), **preferences(data))


def train_dpo(given: dict, data: Path, judged: dict, rows: int) -> None:
    """DPO."""
    from scripts.train.train_dpo import main

    call(main, **given, **short(rows // 2), **preferences(data), **judged, max_tokens=12)


def train_ppo(given: dict, data: Path, judged: dict, rows: int) -> None:
    """PPO: one iteration, a pass of all its episodes."""
    from scripts.train.train_ppo import main

    loop.evaluate = lambda *_: {"validation": 0.5}
    labels = pl.read_parquet(data / "golds.parquet").rename({"answer": "label"})
    labels = labels.with_columns(share=1.0, votes=10, m=10, reason=pl.lit("ok"))
    tables.write(labels, data / "labels.parquet", tables.LABELS)
    files = {"labels": data / "labels.parquet", "pairs": [data / "pairs.parquet"]}
    sizes = {"total_episodes": rows, "batch_size": rows, "num_ppo_epochs": 2, "max_tokens": LONG}
    sizes |= {"max_tokens_per_micro_batch": rows * (LONG + 18)}
    call(main, **given, **files, **judged, **sizes, reward_model=str(data.parent / "reward"))


def preferences(data: Path) -> dict:
    """The files of pairs."""
    samples = {f"{who}_samples": [data / f"{who}.parquet"] for who in ("teacher", "student")}
    return samples | {"pairs": data / "pairs.parquet"}


TRAIN = {"sft": train_sft, "reward": train_reward, "dpo": train_dpo, "ppo": train_ppo}

if __name__ == "__main__":
    print(
        json.dumps(
            main(
                sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "1"
            )
        )
    )
