"""A toy for PPO: a tiny student that copies a number from the question rightly four times in ten,
and a judge of that."""

import importlib
import multiprocessing
import os
import signal
from pathlib import Path

import polars as pl

from scripts.lib.data import tables
from tests.support.samples import samples
from tests.support.steps import call
from tests.support.tiny import tiny_model

RIGHT, WRONG, SILENT = "The answer is {n} .", "The answer is {m} .", "Step : {n} + {n}"


def make_toy(folder: Path) -> Path:
    """Write student/, reward/, flipped/ (the reward model, negated), blank/ (one that knows nothing) and the
    tables and prompt that train_ppo reads. The teacher is always right."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    torch.set_num_threads(1)
    tiny_model(folder / "student", chat=False, initializer_range=0.08, num_hidden_layers=1)
    tokenizer = AutoTokenizer.from_pretrained(folder / "student")
    model = AutoModelForCausalLM.from_pretrained(folder / "student")
    questions = [
        (f"{name} has {n} {thing} . How many now ?", n)
        for name in ("Ana", "Bo")
        for thing in ("pens", "cups")
        for n in range(10)
    ]

    def batch(kind: str):
        texts = [(q, kind.format(n=n, m=(n + 1) % 10)) for q, n in questions]
        rows = [
            (
                tokenizer(q)["input_ids"],
                [*tokenizer(c, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id],
            )
            for q, c in texts
        ]
        ids = torch.tensor([prompt + completion for prompt, completion in rows])
        return ids, len(rows[0][0])

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(120):
        loss = 0.0
        for kind, share in ((RIGHT, 0.42), (WRONG, 0.5), (SILENT, 0.08)):
            ids, start = batch(kind)
            logits = model(input_ids=ids).logits[:, start - 1 : -1]
            loss = loss + share * cross_entropy(logits.flatten(0, 1), ids[:, start:].flatten())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder / "student")

    judge = AutoModelForSequenceClassification.from_pretrained(folder / "student", num_labels=1)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3)
    for _ in range(120):
        loss = 0.0
        for kind, good in ((RIGHT, 1.0), (WRONG, 0.0)):
            logits = judge(input_ids=batch(kind)[0]).logits.squeeze(-1)
            loss = loss + binary_cross_entropy_with_logits(logits, torch.full_like(logits, good))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    for name in ("reward", "flipped"):
        judge.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
        judge.score.weight.data.neg_()

    judge = AutoModelForSequenceClassification.from_pretrained(folder / "student", num_labels=1)
    judge.score.weight.data.zero_()
    judge.save_pretrained(folder / "blank")
    tokenizer.save_pretrained(folder / "blank")

    ids = [f"q{i:02d}" for i in range(len(questions))]
    table = pl.DataFrame({"query_id": ids, "question": [q for q, _ in questions]})
    table = table.with_columns(
        options=pl.lit([], dtype=pl.List(pl.String())), group=pl.lit(""), shots=pl.lit(None)
    )
    answers = pl.DataFrame({"query_id": ids, "answer": [str(n) for _, n in questions]})
    tables.write(table, folder / "queries.parquet", tables.QUERIES)
    tables.write(answers, folder / "golds.parquet", tables.GOLDS)
    labels = answers.rename({"answer": "label"}).with_columns(share=1.0, votes=10, m=10, reason=pl.lit("ok"))
    tables.write(labels, folder / "labels.parquet", tables.LABELS)
    right = [RIGHT.format(n=n) for _, n in questions]
    samples(folder / "teacher.parquet", list(zip(ids, right, strict=True)))
    pairs = table.select("query_id").with_columns(
        kind=pl.lit("student_student"),
        chosen_source=pl.lit("student"),
        chosen_sample_id=0,
        chosen_score=1.0,
        rejected_source=pl.lit("student"),
        rejected_sample_id=1,
        rejected_score=0.0,
        split=pl.when(pl.int_range(pl.len()) % 10 == 0).then(pl.lit("validation")).otherwise(pl.lit("train")),
    )
    held_out = pl.int_range(pl.len()) % 10 == 5
    tables.write(pairs.filter(~held_out), folder / "pairs.parquet", tables.PAIRS)
    tables.write(
        pairs.filter(held_out).with_columns(split=pl.lit("test")),
        folder / "held_out.parquet",
        tables.PAIRS,
    )
    (folder / "prompt.jinja").write_text("{{ question }}\n")
    return folder


def arguments(toy: Path, run: Path, **changes) -> dict:
    """`scripts.train.train_ppo.main`'s arguments for a short run that writes into `run`."""
    given = {
        "model": str(toy / "student"),
        "reward_model": str(toy / "reward"),
        "queries": toy / "queries.parquet",
        "labels": toy / "labels.parquet",
        "pairs": [toy / "pairs.parquet", toy / "held_out.parquet"],
        "prompt": toy / "prompt.jinja",
        "task": "numeric",
        "chat": False,
        "validation": toy / "queries.parquet",
        "validation_golds": toy / "golds.parquet",
        "output": run / "checkpoint",
        "identity": run / "identity.json",
        "metrics": run / "metrics.jsonl",
        "state": run / "state",
        "total_episodes": 5 * 32,
        "batch_size": 32,
        "num_ppo_epochs": 2,
        "num_mini_batches": 2,
        "learning_rate": 1e-3,
        "value_learning_rate": 2e-3,
        "kl_coef": 0.02,
        "temperature": 1.0,
        "max_tokens": 8,
        "value_warmup_iterations": 1,
        "eval_every": 2,
        "patience": 0,
        "save_every": 2,
        "max_tokens_per_micro_batch": 200,
    }
    return given | changes


def flags(given: dict) -> list[str]:
    """The same as the command's flags."""
    words = []
    for name, value in given.items():
        name = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{name if value else f'no-{name}'}")
        else:
            words += [f"--{name}", *map(str, value if isinstance(value, list) else [value])]
    return words


def run_apart(given: dict, kill: tuple | None = None, told: list[float] | None = None) -> int:
    """Run main in a process of its own, so that it may be killed; returns the exit code, negative for a
    signal.

    `kill`: module, function, call and signal: the function's call of that number begins by signalling its
    process. `told`: what validations shall find. Processes are forked from a server that has imported the
    packages already.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "transformers.models.llama.modeling_llama",
            "scripts.lib.training.ppo.setup",
            "scripts.lib.training.ppo.loop",
        ]
    )
    process = context.Process(target=_main, args=(given, kill, told))
    process.start()
    process.join()
    return process.exitcode


def _main(given: dict, kill: tuple | None, told: list[float] | None) -> None:
    import torch

    from scripts.lib.training.ppo import loop
    from scripts.train import train_ppo

    torch.set_num_threads(1)
    if kill is not None:
        _kill_at(*kill)
    if told is not None:
        values = iter(told)
        names = ("validation", "validation_accuracy")
        loop.evaluate = lambda *_: dict.fromkeys(names, next(values)) | {"validation_n": 40}
    call(train_ppo.main, **given)


def _kill_at(module: str, name: str, call: int, sent: int = signal.SIGKILL) -> None:
    owner = importlib.import_module(module)
    original, calls = getattr(owner, name), []

    def replaced(*args, **keywords):
        calls.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), sent)
        return original(*args, **keywords)

    setattr(owner, name, replaced)
