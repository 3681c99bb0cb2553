"""Tokens that SFT and the reward model learn a CPU-second, one thread, beside TRL's own trainers, grouped by
length and not: `python -m tests.bench.training`. The model has the shape of the world's student, the rows'
lengths spread as those of GSM8K's answers do."""

import tempfile
import time
from pathlib import Path

import numpy as np

from tests.bench.rows import tell
from tests.support.tiny import tiny_model

ROWS, BATCH, UPDATES, REPEAT = 512, 16, 32, 3
WORLD = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 4}
WORLD |= {"num_key_value_heads": 4, "max_position_embeddings": 1024}


BARS = {"TRL, grouped": "level", "TRL": ""}


def lengths(random: np.random.Generator, median: float) -> np.ndarray:
    """Of completions, int64 (ROWS,): lognormal; GSM8K's own spread by 0.45."""
    return np.clip(random.lognormal(np.log(median), 0.45, ROWS), 8, 480).astype(int)


def arguments(folder: Path) -> dict:
    """What both sides are told."""
    return {
        "output_dir": str(folder), "per_device_train_batch_size": BATCH, "max_steps": UPDATES,
        "use_cpu": True, "bf16": False, "gradient_checkpointing": False, "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no", "logging_steps": 1, "remove_unused_columns": False, "max_length": None,
        "seed": 1, "data_seed": 1, "length_column_name": "length",
    }  # fmt: skip


def timed(trainer, tokens: np.ndarray) -> float:
    """Tokens (n,) of the rows a CPU-second of their training, one pass over them."""
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    begun = time.process_time()
    trainer.train()
    return tokens.sum() / (time.process_time() - begun)


def sft(model: Path, folder: Path, random: np.random.Generator) -> dict[str, float]:
    """Tokens a CPU-second of each side."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

    from scripts.lib.models.loading import PADDING, load_causal, load_tokenizer
    from scripts.lib.training.sft import AccuracySFTTrainer

    size = lengths(random, 120) + 60
    ids = [random.integers(4, 40, each).tolist() for each in size]
    data = Dataset.from_dict(
        {"input_ids": ids, "labels": [[-100] * 60 + row[60:] for row in ids], "length": size.tolist()}
    )
    found = {}
    for name, kind, more in (
        ("ours", AccuracySFTTrainer, {}),
        ("TRL, grouped", SFTTrainer, {"train_sampling_strategy": "group_by_length"}),
        ("TRL", SFTTrainer, {}),
    ):
        trainer = kind(
            model=load_causal(str(model), None),
            args=SFTConfig(**arguments(folder), **more),
            data_collator=DataCollatorForLanguageModeling(pad_token_id=PADDING),
            train_dataset=data,
            processing_class=load_tokenizer(str(model), None),
        )
        trainer.lengths = size
        found[name] = timed(trainer, size)
    return found


def reward(model: Path, folder: Path, random: np.random.Generator) -> dict[str, float]:
    """The same of pairs; TRL's loss is Eq. 8 alone, ours Eq. 9."""
    from datasets import Dataset
    from trl.trainer.reward_config import RewardConfig
    from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer

    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.examples import Pairs, ragged
    from scripts.lib.training.reward import DistilledRewardTrainer, PairCollator, load_reward

    sides = [lengths(random, 120), lengths(random, 120)]
    completions = [random.integers(4, 40, each).tolist() for each in np.concatenate(sides)]
    prompts = [random.integers(4, 40, 60).tolist() for _ in range(ROWS)]
    rows = np.arange(ROWS)
    pairs = Pairs(
        ragged(prompts), ragged(completions), rows, rows, rows + ROWS, rows >= 0, rows < 0, table=None
    )
    whole = {
        "chosen_ids": [prompts[row] + completions[row] for row in rows],
        "rejected_ids": [prompts[row] + completions[row + ROWS] for row in rows],
        "length": pairs.longest().tolist(),
    }
    found = {}
    for name, kind, more in (
        ("ours", DistilledRewardTrainer, {}),
        ("TRL, grouped", RewardTrainer, {"train_sampling_strategy": "group_by_length"}),
        ("TRL", RewardTrainer, {}),
    ):
        own = name == "ours"
        trainer = kind(
            model=load_reward(str(model), None, 1),
            args=RewardConfig(**arguments(folder), **more),
            data_collator=PairCollator(pairs) if own else DataCollatorForPreference(pad_token_id=0),
            train_dataset=Dataset.from_dict({"pair": rows} if own else whole),
            processing_class=load_tokenizer(str(model), None),
        )
        trainer.lengths = pairs.longest()
        found[name] = timed(trainer, np.add(*sides) + 120)
    return found


def main() -> None:
    """Run both, `REPEAT` times in turn; medians."""
    import torch

    from scripts.lib.training.setup import quiet

    quiet()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = tiny_model(folder / "model", **WORLD)
        for kind in (sft, reward):
            rounds = [kind(model, folder / "run", np.random.default_rng(seed)) for seed in range(REPEAT)]
            medians = {side: float(np.median([each[side] for each in rounds])) for side in rounds[0]}
            for side, bar in BARS.items():
                rates = medians["ours"], "tokens/CPU s", side, medians[side]
                tell("Training", kind.__name__, *rates, bar=bar)


if __name__ == "__main__":
    main()
