"""Three updates of TRL's trainers as we use them, against a scalar re-computation in float64.

The re-computation takes a network's hidden states (of one text at a time: no batch, no padding) and the
gradient of a float64 scalar as given, and does everything else anew: which texts and tokens, losses, their
means over an update's rows or tokens, the clipped gradient, AdamW, the learning rate. An update holds all
examples, cut unevenly (2, 2 and 1), so that neither their order nor the cut may matter.
"""

import json
import math
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from scripts.lib.data import tables
from scripts.lib.models.loading import load_tokenizer
from tests.support.tiny import tiny_model
from tests.support.training_data import outputs

UPDATES = 3
RATE = 3e-4
QUESTIONS = {
    "q0": "Ana has 2",
    "q1": "Ana has 7 cups",
    "q2": "Ana has 9 pens . How",
    "q3": "Ana has 4",
    "q4": "Ana has 8",
}
TEACHER = {
    ("q0", 0): ("Step 1 : 2 + 3 = 5 . The answer is 5 .", "stop"),
    ("q1", 0): ("Step 1 : The answer is 7 .", "stop"),
    ("q1", 1): ("7 + 0 = 7 . The answer is 7", "stop"),
    ("q1", 2): ("The answer is 7 . Step 2 : 7 = 7", "length"),
    ("q2", 0): ("Bo has 9 .", "stop"),
    ("q3", 0): ("Step 1 : 4 . The answer is 4 .", "stop"),
    ("q4", 0): ("Ana loses 1 . The answer is 8 .", "stop"),
    ("q3", 1): ("4 = 4 = 4 = 4 = 4 = 4 = 4 = 4 = 4 .", "stop"),
}
STUDENT = {
    ("q0", 0): ("The answer is 5 .", "stop"),
    ("q0", 1): ("5 + 5 + 5 + 5 +", "length"),
    ("q1", 0): ("The answer is 6 .", "stop"),
    ("q1", 1): ("How many", "stop"),
    ("q1", 2): ("The answer is 7 . Step", "length"),
    ("q2", 0): ("Bo has 9 . The answer is 9 .", "stop"),
    ("q2", 1): ("The answer is 2 .", "stop"),
    ("q2", 2): ("2 = 2 = 2 = 2 = 2 = 2 = 2 .", "stop"),
    ("q3", 0): ("The answer is 4 .", "stop"),
    ("q3", 1): ("The answer is 3 .", "stop"),
    ("q4", 0): ("Ana has 8 pens now .", "stop"),
    ("q4", 1): ("8 cups ?", "length"),
}
LEARNT = [
    ("q0", "student_student", "student", 0, 5.0, "student", 1, 2.0, "train"),
    ("q0", "teacher_student", "teacher", 0, 5.0, "student", 0, 5.0, "train"),
    ("q1", "student_student", "student", 0, 4.0, "student", 1, 3.0, "train"),
    ("q1", "teacher_student", "teacher", 0, 5.0, "student", 2, 5.0, "train"),
    ("q2", "student_student", "student", 0, 5.0, "student", 1, 1.0, "train"),
]
TOO_LONG = [("q2", "student_student", "student", 0, 5.0, "student", 2, 0.0, "train")]
HELD_OUT = [
    ("q3", "student_student", "student", 0, 5.0, "student", 1, 0.0, "validation"),
    ("q3", "teacher_student", "teacher", 0, 5.0, "student", 0, 5.0, "validation"),
    ("q4", "student_student", "student", 0, 3.0, "student", 1, 1.0, "validation"),
]


def write_flags(folder: Path) -> dict:
    """Write a student, queries and the teacher's samples; returns the flags that every step here takes.

    The student's weights are moderate, so that float32's rounding stays small. It pads with the end token, as
    many do.
    """
    model = tiny_model(folder / "student", initializer_range=0.1, hidden_size=16, pad_token_id=2)
    tokenizer = load_tokenizer(model)
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.save_pretrained(model)
    asked = pl.DataFrame(list(QUESTIONS.items()), schema=["query_id", "question"], orient="row")
    asked = asked.with_columns(
        options=pl.lit([], dtype=pl.List(pl.String)), group=pl.lit(""), shots=pl.lit(None)
    )
    tables.write(asked, folder / "queries.parquet", tables.QUERIES)
    (folder / "prompt.jinja").write_text("{{ question }} ?")
    _write_samples(TEACHER, folder / "teacher.parquet")
    return {
        "model": str(model),
        "queries": folder / "queries.parquet",
        "prompt": folder / "prompt.jinja",
        "teacher_samples": [folder / "teacher.parquet"],
        "max_steps": UPDATES,
        "eval_steps": 1,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 3,
        "gradient_checkpointing": False,
        "learning_rate": RATE,
        "patience": 0,
        "seed": 3,
    } | outputs(folder / "out", folder / "state")


def write_preferences(folder: Path) -> dict:
    """Write the pairs and the student's samples; returns the flags that name them."""
    _write_samples(STUDENT, folder / "student.parquet")
    pairs = pl.DataFrame(LEARNT + TOO_LONG + HELD_OUT, schema=tables.PAIRS, orient="row")
    tables.write(pairs, folder / "pairs.parquet", tables.PAIRS)
    files = {"student_samples": [folder / "student.parquet"], "pairs": folder / "pairs.parquet"}
    return files | {"best_score": 5.0, "max_length": 24}


def write_validation(folder: Path) -> dict:
    """Write answers; returns the flags of a validation, which the tests script."""
    golds = pl.DataFrame({"query_id": list(QUESTIONS), "answer": ["5", "7", "9", "4", "8"]})
    tables.write(golds, folder / "golds.parquet", tables.GOLDS)
    files = {"validation": folder / "queries.parquet", "validation_golds": folder / "golds.parquet"}
    return files | {"task": "numeric"}


def _write_samples(texts: dict[tuple[str, int], tuple[str, str]], path: Path) -> None:
    rows = [(*key, *text) for key, text in texts.items()]
    table = pl.DataFrame(rows, schema=["query_id", "sample_id", "completion", "finish_reason"], orient="row")
    table = table.with_columns(num_tokens=pl.lit(6), temperature=pl.lit(1.0), round=pl.lit(1))
    table = table.with_columns(reasoning=None, reasoning_tokens=None)
    tables.write(table, path, tables.SAMPLES)


class Texts:
    """Ids of the prompts and completions above, by the words' places in the vocabulary."""

    def __init__(self, model: str):
        self.words = load_tokenizer(model).get_vocab()

    def prompt(self, query: str, chat: bool = True) -> list[int]:
        """As the chat template says, or plain."""
        asked = f"{QUESTIONS[query]} ?"
        text = f"<bos> user : {asked} assistant :" if chat else f"<bos> {asked}"
        return [self.words[word] for word in text.split()]

    def completion(self, whose: str, query: str, sample: int) -> list[int]:
        """With an end token where it ended by itself."""
        text, reason = {"teacher": TEACHER, "student": STUDENT}[whose][query, sample]
        ids = [self.words[word] for word in text.split()]
        return [*ids, self.words["<eos>"]] if reason == "stop" else ids


def updates(network, loss, rates: list[float]) -> list[dict]:
    """Minimise `loss()` by AdamW (betas .9 and .999, eps 1e-8, no decay) on gradients clipped to norm 1.

    Returns, for each update, the loss and the norm before it, the rate, and the weights after it.
    """
    weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    first = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    second = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    made = []
    for step, rate in enumerate(rates, 1):
        network.zero_grad()
        value = loss()
        value.backward()
        norm = math.sqrt(sum(weight.grad.square().sum().item() for weight in weights.values()))
        with torch.no_grad():
            for name, weight in weights.items():
                gradient = weight.grad * min(1.0, 1.0 / norm)
                first[name] = 0.9 * first[name] + 0.1 * gradient
                second[name] = 0.999 * second[name] + 0.001 * gradient**2
                root = (second[name] / (1 - 0.999**step)).sqrt() + 1e-8
                weight -= rate * first[name] / (1 - 0.9**step) / root
        made.append(
            {
                "step": step,
                "loss": value.item(),
                "grad_norm": norm,
                "learning_rate": rate,
                "weights": {name: weight.detach().clone() for name, weight in weights.items()},
            }
        )
    return made


def agree(given: dict, expected: list[dict], best: int) -> list[dict]:
    """The trainer logged these updates, and its result has the weights after the update `best`; returns its
    log."""
    log = [json.loads(line) for line in given["metrics"].read_text().splitlines()]
    trained = [row for row in log if "loss" in row]
    assert [row["step"] for row in trained] == [row["step"] for row in expected]
    for row, wanted in zip(trained, expected, strict=True):
        for name in ("loss", "grad_norm", "learning_rate"):
            assert row[name] == pytest.approx(wanted[name], rel=1e-5, abs=1e-12), (name, row["step"])
    found = load_file(given["output"] / "model.safetensors")
    weights = expected[best - 1]["weights"]
    assert set(found) == set(weights)
    for name, weight in weights.items():
        assert (found[name] - weight).abs().max() < 1e-5, name
    return log


def log_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Of a scalar, written out."""
    return -torch.log(1 + torch.exp(-x))
