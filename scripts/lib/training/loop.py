"""Run a Trainer that may be killed at any time: resume, choose by validation, export.

Built for TRL's SFTTrainer, RewardTrainer and DPOTrainer; alone or under `accelerate launch` / `torchrun`.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback
from transformers.trainer_utils import EvalLoopOutput
from transformers.utils import logging

from scripts.lib.state import training_state
from scripts.lib.training.export import card, whole_folder, write_lines
from scripts.lib.training.setup import saved_dtype

_CLOCK = ("runtime", "per_second", "total_flos", "num_tokens")


@contextmanager
def shared_state(
    root: Path, step: str, settings: dict, inputs: list[Path], model: str, revision: str | None
) -> Iterator[Path]:
    """`training_state` of a run that starts from `model`, for all its processes: the first one keys and removes it."""
    local = Path(model).is_dir()
    parameters = settings | {"hub": None if local else [model, revision]}
    inputs = [*inputs, *([Path(model)] if local else [])]
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    process = PartialState()
    main = process.is_main_process
    with training_state(root, step, parameters, inputs) if main else nullcontext() as folder:
        yield broadcast_object_list([folder])[0]
        process.wait_for_everyone()


def timeless(row: dict) -> dict:
    """A logged row without what depends on the clock or starts again on a resume (TRL's count of tokens), so that equal
    training gives equal files."""
    return {"step": row["step"]} | {
        name: value
        for name, value in sorted(row.items())
        if name != "step" and not any(word in name for word in _CLOCK)
    }


class Record(TrainerCallback):
    """Write every logged row to a JSON-lines file while it happens, and make the last step an evaluated one.

    The rows come from the trainer's own history, which checkpoints carry: a resumed run repeats no line.
    """

    def __init__(self, path: Path):
        self.path = path

    def _write(self, args, state, control, **kwargs) -> None:
        if state.is_world_process_zero:
            write_lines(history(state), self.path)

    on_log = on_train_begin = _write

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = True
        return control


def history(state) -> list[dict]:
    """The logged rows, without the closing summary."""
    return [timeless(row) for row in state.log_history if "train_runtime" not in row]


def last_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint of `folder`; what a kill left half written is deleted.

    The trainer writes `trainer_state.json` last, so a checkpoint with a readable one is complete.
    """
    complete = []
    for path in Path(folder).glob("checkpoint-*"):
        try:
            json.loads((path / "trainer_state.json").read_text())
            complete.append(path)
        except (OSError, ValueError):
            shutil.rmtree(path)
    return max(complete, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


class Generated:
    """Mixin: evaluate by generating. `measure(model)` returns metrics, `accuracy` among them.

    It stands in for the evaluation loop, so that the log, early stopping and the choice of the best checkpoint see its
    metrics. The evaluation data set is only there because the trainer asks for one.
    """

    measure: Callable[[torch.nn.Module], dict[str, float]]

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs) -> EvalLoopOutput:
        model = self.accelerator.unwrap_model(self.model)
        self.model.eval()
        with self.compute_loss_context_manager():
            found = self.measure(model)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        return EvalLoopOutput(predictions=None, label_ids=None, metrics=metrics, num_samples=1)


def run(trainer: Trainer, folder: Path, metrics: Path, patience: int) -> list[dict]:
    """Train from the last checkpoint in `folder`, or from the start. The trainer then holds the best weights.

    `patience`: evaluations without a new best before stopping; 0 never stops. Returns the logged rows.
    """
    trainer.add_callback(Record(metrics))
    if patience:
        trainer.add_callback(EarlyStoppingCallback(patience))
    resume = last_checkpoint(folder) if trainer.accelerator.is_main_process else None
    resume = broadcast_object_list([resume])[0]
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    return history(trainer.state)


def export(
    trainer: Trainer,
    rows: list[dict],
    output: Path,
    title: str,
    about: str,
    model: str,
    revision: str | None,
    inputs: list[Path],
    settings: dict,
) -> None:
    """Write the trainer's weights in the dtype of the model it started from, with tokenizer and card. Collective."""
    accelerator = trainer.accelerator
    key = f"eval_{trainer.args.metric_for_best_model}"
    judged = [{"step": row["step"], key: row[key]} for row in rows if key in row]
    best = max(judged, key=lambda row: row[key])
    about += (
        f" The weights are those of step {best['step']}, the first with the best {key} on validation; being the best of"
        f" {len(judged)}, that number is optimistic."
    )
    with whole_folder(output) if accelerator.is_main_process else nullcontext() as draft:
        draft = broadcast_object_list([draft])[0]
        trainer.save_model(str(draft))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            (draft / "training_args.bin").unlink(missing_ok=True)
            dtype = saved_dtype(model, revision)
            if dtype != torch.float32:
                kind = type(accelerator.unwrap_model(trainer.model))
                kind.from_pretrained(draft, dtype=dtype).save_pretrained(draft)
            (draft / "README.md").write_text(card(title, about, model, inputs, settings, judged))
    accelerator.wait_for_everyone()
