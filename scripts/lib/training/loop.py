"""Run a Trainer that may be killed at any time: resume, watch, choose by validation, export.

Built for TRL's SFTTrainer, RewardTrainer and DPOTrainer; alone or under `scripts.launch.launch` / `torchrun`.
"""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, TrainerCallback, TrainerState
from transformers.trainer_utils import EvalLoopOutput
from transformers.utils import logging

from scripts.lib.data.files import whole_folder, write_json_lines, write_text
from scripts.lib.evaluation.choice import choice
from scripts.lib.models.identity import identity, write_identity
from scripts.lib.models.loading import load_tokenizer
from scripts.lib.process.checkpoint_dir import training_state
from scripts.lib.process.memory import affordable, frugal
from scripts.lib.process.metrics_log import MetricsLog, check_reporters
from scripts.lib.process.progress import Progress
from scripts.lib.process.seal import is_whole, newest, seal
from scripts.lib.process.stop import StopSignal
from scripts.lib.training import flags
from scripts.lib.training.export import card, publish_candidates
from scripts.lib.training.settings.base import Supervised
from scripts.lib.training.setup import DISTRIBUTED, micro_batch, saved_dtype, settled, trainer_arguments
from scripts.lib.training.validation import kept

_CLOCK = ("runtime", "per_second", "total_flos", "num_tokens")


@dataclass(frozen=True)
class Session:
    """A training under way: `folder` holds its checkpoints, `settings` and `inputs` name it.

    `at_a_time` examples are a process's step and `accumulation` steps per update.
    """

    run: flags.TrainingRun
    training: Supervised
    settings: dict
    inputs: list[Path]
    folder: Path
    stop: StopSignal
    at_a_time: int
    accumulation: int

    def arguments(self, metric: str) -> dict:
        """Keyword arguments of TRL's configs."""
        return trainer_arguments(
            self.folder, metric, self.training, self.run.seed, self.at_a_time, self.accumulation
        )


@contextmanager
def session(
    step: str, run: flags.TrainingRun, training: Supervised, settings: dict, inputs: list[Path]
) -> Iterator[Session | None]:
    """The state of a training, for all its processes, which the first one keys; None where it was made
    before and its outputs lie there.

    `settings` are what the data say, beside those of `training`. The state may come from another number of
    processes.
    """
    check_reporters(run.report_to)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    process = PartialState(cpu=not torch.cuda.is_available())
    model = identity(run.model, run.revision) if process.is_main_process else ""
    training = settled(training, run.model, run.revision)
    settings = training.shape(process.num_processes) | settings | run.told() | {"seed": run.seed}
    inputs = [run.queries, *inputs, run.prompt]
    state: AbstractContextManager = nullcontext()
    if process.is_main_process:
        parameters = settings | {"model": model}
        state = training_state(run.state, step, parameters, inputs, run.outputs, run.code)
    with StopSignal() as stop, state as folder:
        at_most = affordable(folder, training.per_device_train_batch_size) if folder else 0
        folder, at_most = broadcast_object_list([folder, at_most])
        if folder:
            yield Session(run, training, settings, inputs, folder, stop, *micro_batch(training, at_most))
        else:
            yield None
        process.wait_for_everyone()


def timeless(row: dict) -> dict:
    """A logged row without what depends on the clock or starts again on a resume (TRL's count of tokens),
    so that equal training gives equal files."""
    return {"step": row["step"]} | {
        name: value
        for name, value in sorted(row.items())
        if name != "step" and not any(word in name for word in _CLOCK)
    }


class Watch(TrainerCallback):
    """Write every logged row while it happens, show progress, make the last step an evaluated one,
    and stop when told to.

    The rows come from the trainer's own history, which checkpoints carry: a resumed run repeats no line.
    """

    def __init__(self, session: Session, trainer: Trainer):
        self.session, self.trainer, self.accelerator = session, trainer, trainer.accelerator
        self.progress: Progress | None = None
        self.log: MetricsLog | None = None
        self.leaving = False

    def on_train_begin(self, args, state, control, **kwargs):
        first = state.is_world_process_zero
        self.progress = Progress("update", state.max_steps, state.global_step, silent=not first)
        self.progress.__enter__()
        if first:
            run, path = self.session.run, self.session.folder / "metrics.jsonl"
            self.log = MetricsLog(path, history(state), "step", run.report_to, run.logging_dir)
            begun = f"from update {state.global_step}" if state.global_step else "from the start"
            precision = "bfloat16" if self.session.training.bf16 else "float32"
            print(
                f"training {begun}; {self.session.at_a_time} examples per process and step, "
                f"{self.session.accumulation} steps per update, {precision}; metrics grow in {path}",
                flush=True,
            )

    def on_log(self, args, state, control, **kwargs):
        if self.log and "train_runtime" not in (row := state.log_history[-1]):
            row = timeless(row)
            self.log.write(row)
            if validated := {name: value for name, value in row.items() if name.startswith("eval_")}:
                shown = " ".join(f"{name}={value:.4g}" for name, value in validated.items())
                print(f"update {row['step']}: {shown}", flush=True)

    def on_evaluate(self, args, state, control, **kwargs):
        number, total = (math.ceil(step / args.eval_steps) for step in (state.global_step, state.max_steps))
        if self.session.run.identity is None and kept(number, total):
            candidate = self.session.folder / f"candidate={state.global_step}"
            save(self.trainer, self.session, candidate)
            if state.is_world_process_zero:
                write_identity(candidate)

    def on_step_end(self, args, state, control, **kwargs):
        if self.progress:
            self.progress.done = state.global_step
        self.leaving = self.session.stop.agreed(self.accelerator)
        control.should_save |= self.leaving
        if state.global_step >= state.max_steps:
            control.should_evaluate = control.should_save = True
        return control

    def on_save(self, args, state, control, **kwargs):
        self.accelerator.wait_for_everyone()  # each process has files of its own in a checkpoint
        if state.is_world_process_zero:
            seal(self.session.folder / f"checkpoint-{state.global_step}")
        if self.leaving:
            self.accelerator.wait_for_everyone()
            self.close()
            self.session.stop.leave()

    def close(self) -> None:
        """End the progress lines and the trackers."""
        if self.progress:
            self.progress.__exit__()
        if self.log:
            self.log.close()
        self.progress = self.log = None


def history(state) -> list[dict]:
    """The logged rows, without the closing summary."""
    return [timeless(row) for row in state.log_history if "train_runtime" not in row]


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint of `folder` that is whole, and that names a best one which is."""
    return newest(folder.glob("checkpoint-*"), _is_good)


def _is_good(checkpoint: Path) -> bool:
    if not is_whole(checkpoint):
        return False
    best = json.loads((checkpoint / "trainer_state.json").read_text())["best_model_checkpoint"]
    return best is None or is_whole(checkpoint.parent / Path(best).name)


def finished(checkpoint: Path) -> bool:
    """Whether nothing is left to do after a checkpoint: it is of the last update, or patience had an end.

    The trainer does not ask, and would train on.
    """
    saved = json.loads((checkpoint / "trainer_state.json").read_text())
    return saved["stateful_callbacks"]["TrainerControl"]["args"]["should_training_stop"]


class Measured(Trainer):
    """Mixin: evaluate by `measure(model)`, which returns metrics, `metric_for_best_model` among them.

    It stands in for the evaluation loop and its batches, so that the log, early stopping and the choice of
    the best checkpoint see its metrics. An evaluation data set is only there because the trainer wants one.
    """

    measure: Callable[[torch.nn.Module], dict[str, float]]

    def evaluation_loop(self, *args, metric_key_prefix: str = "eval", **kwargs) -> EvalLoopOutput:
        model = self.accelerator.unwrap_model(self.model)
        self.model.eval()
        watch = next(item for item in self.callback_handler.callbacks if isinstance(item, Watch))
        phase = watch.progress.phase("validation") if watch.progress else nullcontext()
        with self.compute_loss_context_manager(), phase:
            found = self.measure(model)
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in found.items()}
        return EvalLoopOutput(predictions=None, label_ids=None, metrics=metrics, num_samples=1)


class MeanOfRows(Trainer):
    """Mixin for losses that are a mean over a batch's pairs: an update's loss is the mean over its pairs,
    too, however they are cut into batches (the last one of an epoch may be short)."""

    def get_batch_samples(self, *args, **kwargs):
        batches, items = super().get_batch_samples(*args, **kwargs)
        self._rows = sum(len(batch["input_ids"]) for batch in batches)
        return batches, items

    def training_step(self, model, inputs, *args, **kwargs):
        self.current_gradient_accumulation_steps = self._rows / len(
            inputs["input_ids"]
        )  # what divides the loss
        return super().training_step(model, inputs, *args, **kwargs)


def fit(trainer: Trainer, session: Session) -> list[dict]:
    """Train from the last checkpoint, or from the start. The trainer then holds the best weights;
    returns the logged rows.

    Raises Restart where memory ran out and smaller steps may do; exits where a signal asked for it.
    """
    watch = Watch(session, trainer)
    vars(trainer.accelerator.ddp_handler).update(DISTRIBUTED)  # the Trainer has no flag for it
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(watch)
    if session.training.patience and session.run.identity:
        trainer.add_callback(EarlyStoppingCallback(session.training.patience))
    resume = last_checkpoint(session.folder) if trainer.accelerator.is_main_process else None
    resume = broadcast_object_list([resume])[0]
    if resume and finished(resume):
        trainer.state = TrainerState.load_from_json(str(resume / "trainer_state.json"))
        trainer._load_best_model()
        return history(trainer.state)
    mend = "set gradient_checkpointing, lower max_length, or take a GPU with more memory"
    try:
        with frugal(session.folder, session.at_a_time, 1, "examples per process and step", mend):
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    finally:
        watch.close()
    return history(trainer.state)


def save(trainer: Trainer, session: Session, folder: Path, text: str = "") -> None:
    """Write the trainer's weights in the dtype of the model it started from, with that model's tokenizer (TRL
    gives its own a padding token) and a card (`text`), whole or not at all. Collective."""
    accelerator, run = trainer.accelerator, session.run
    with whole_folder(folder) if accelerator.is_main_process else nullcontext() as draft:
        draft = broadcast_object_list([draft])[0]
        trainer.save_model(str(draft))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            (draft / "training_args.bin").unlink(missing_ok=True)
            dtype = saved_dtype(run.model, run.revision)
            if dtype != torch.float32:
                kind = type(accelerator.unwrap_model(trainer.model))
                kind.from_pretrained(draft, dtype=dtype, trust_remote_code=False).save_pretrained(draft)
            load_tokenizer(run.model, run.revision).save_pretrained(draft)
            write_text(text, draft / "README.md")
    accelerator.wait_for_everyone()


def export(
    trainer: Trainer, rows: list[dict], session: Session, title: str, about: str, counts: dict
) -> None:
    """Write the best weights with their card, or where a judge has to choose all candidates. Collective."""
    accelerator, run = trainer.accelerator, session.run
    key = f"eval_{trainer.args.metric_for_best_model}"
    judged = [{"step": row["step"], key: row[key]} for row in rows if key in row]
    settings = session.settings | counts
    if run.identity is None:
        if accelerator.is_main_process:
            text = card(title, about, run.model, session.inputs, settings, judged)
            publish_candidates(sorted(session.folder.glob("candidate=*")), run.output, text)
            write_json_lines(rows, run.metrics)
        accelerator.wait_for_everyone()
        return
    best = max(judged, key=lambda row: row[key])
    about += (
        f" The weights are those of step {best['step']}, the first with the best {key} on validation; "
        f"being the best of {len(judged)}, that number is optimistic."
    )
    if told := choice(rows, "eval_", "step"):
        about += f" Chosen by {told}."
        if accelerator.is_main_process:
            print(f"chosen: step {told.step}, by {told}", flush=True)
    use = "text-classification" if title == "Reward model" else "text-generation"
    text = card(title, about, run.model, session.inputs, settings, judged, use)
    save(trainer, session, run.output, text)
    if accelerator.is_main_process:
        write_json_lines(rows, run.metrics)
        write_identity(run.output, run.identity)
    accelerator.wait_for_everyone()
