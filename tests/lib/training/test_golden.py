"""Three updates of each of TRL's trainers as we use them, against a scalar re-computation in float64.

The re-computation takes a network's hidden states (of one text at a time: no batch, no padding) and the
gradient of a float64 scalar as given, and does everything else anew: which texts and tokens, losses, their
means over an update's rows or tokens, the clipped gradient, AdamW, the learning rate. An update holds all
examples, cut unevenly (2, 2 and 1), so that neither their order nor the cut may matter.
"""

import json
import math

import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file

from scripts.lib.data import tables
from scripts.lib.models.loading import load_causal, load_tokenizer
from tests.support.steps import call
from tests.support.tiny import tiny_model
from tests.support.training_data import outputs
from tests.train.test_train_sft import scripted

UPDATES = 3
RATE = 3e-4
TEACHER = {
    ("q0", 0): ("Step 1 : 2 + 3 = 5 . The answer is 5 .", "stop"),
    ("q1", 0): ("Step 1 : The answer is 7 .", "stop"),
    ("q1", 1): ("7 + 0 = 7 . The answer is 7", "stop"),
    ("q1", 2): ("The answer is 7 . Step 2 : 7 = 7", "length"),
    ("q2", 0): ("Bo has 9 .", "stop"),
    ("q3", 0): ("Step 1 : 4 . The answer is 4 .", "stop"),
    ("q4", 0): ("Ana loses 1 . The answer is 8 .", "stop"),
}
STUDENT = {
    ("q0", 0): ("The answer is 5 .", "stop"),
    ("q0", 1): ("5 + 5 + 5 + 5 +", "length"),
    ("q1", 0): ("The answer is 6 .", "stop"),
    ("q1", 1): ("How many", "stop"),
    ("q1", 2): ("The answer is 7 . Step", "length"),
    ("q2", 0): ("Bo has 9 . The answer is 9 .", "stop"),
    ("q2", 1): ("The answer is 2 .", "stop"),
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
HELD_OUT = [
    ("q3", "student_student", "student", 0, 5.0, "student", 1, 0.0, "validation"),
    ("q3", "teacher_student", "teacher", 0, 5.0, "student", 0, 5.0, "validation"),
    ("q4", "student_student", "student", 0, 3.0, "student", 1, 1.0, "validation"),
]


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> str:
    """A tiny model of moderate weights: float32's rounding stays small."""
    return str(tiny_model(tmp_path_factory.mktemp("golden"), initializer_range=0.1, hidden_size=16))


@pytest.fixture
def given(tmp_path, student) -> dict:
    """Flags that every step here takes."""
    asked = pl.DataFrame({"query_id": [f"q{n}" for n in range(5)]}).with_columns(
        question=pl.lit("Ana has ") + pl.Series(["2", "7 cups", "9 pens . How", "4", "8"]),
        options=pl.lit([], dtype=pl.List(pl.String)),
        group=pl.lit(""),
    )
    tables.write(asked, tmp_path / "queries.parquet", tables.QUERIES)
    (tmp_path / "prompt.jinja").write_text("{{ question }} ?")
    for name, texts in (("teacher", TEACHER), ("student", STUDENT)):
        rows = [(*key, *text) for key, text in texts.items()]
        table = pl.DataFrame(
            rows, schema=["query_id", "sample_id", "completion", "finish_reason"], orient="row"
        )
        table = table.with_columns(num_tokens=pl.lit(6), temperature=pl.lit(1.0), round=pl.lit(1))
        tables.write(table, tmp_path / f"{name}.parquet", tables.SAMPLES)
    pairs = pl.DataFrame(LEARNT + HELD_OUT, schema=tables.PAIRS, orient="row")
    tables.write(pairs, tmp_path / "pairs.parquet", tables.PAIRS)
    return {
        "model": student,
        "queries": tmp_path / "queries.parquet",
        "prompt": tmp_path / "prompt.jinja",
        "teacher_samples": [tmp_path / "teacher.parquet"],
        "max_steps": UPDATES,
        "eval_steps": 1,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 3,
        "gradient_checkpointing": False,
        "learning_rate": RATE,
        "patience": 0,
        "seed": 3,
    } | outputs(tmp_path / "out", tmp_path / "state")


def preferences(given: dict) -> dict:
    folder = given["queries"].parent
    files = {"student_samples": [folder / "student.parquet"], "pairs": folder / "pairs.parquet"}
    return given | files | {"best_score": 5.0}


def validated(given: dict) -> dict:
    """Flags of a validation that `scripted` stands in for."""
    golds = given["queries"].parent / "golds.parquet"
    tables.write(pl.DataFrame(schema=tables.GOLDS), golds, tables.GOLDS)
    return given | {"validation": given["queries"], "validation_golds": golds, "task": "numeric"}


class Texts:
    """Ids of the prompts and completions above, by the words' places in the vocabulary."""

    def __init__(self, folder: str, questions: dict[str, str]):
        self.words, self.questions = load_tokenizer(folder).get_vocab(), questions

    def prompt(self, query: str) -> list[int]:
        """<bos>user : QUESTION ? assistant :, as the chat template says."""
        return [self.words[word] for word in f"<bos> user : {self.questions[query]} ? assistant :".split()]

    def completion(self, whose: str, query: str, sample: int) -> list[int]:
        """With an end token where it ended by itself."""
        text, reason = {"teacher": TEACHER, "student": STUDENT}[whose][query, sample]
        ids = [self.words[word] for word in text.split()]
        return [*ids, self.words["<eos>"]] if reason == "stop" else ids


@pytest.fixture
def texts(given) -> Texts:
    asked = tables.read(given["queries"], tables.QUERIES)
    return Texts(given["model"], dict(asked.select("query_id", "question").iter_rows()))


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
    return -torch.log(1 + torch.exp(-x))


@pytest.mark.parametrize("loss", ["both", "classification"])
def test_reward_model(given, texts, loss):
    """Eq. 7 to 9: both losses and their criteria, at each text's last token."""
    from scripts.lib.training.reward import load_reward
    from scripts.train.train_reward import main

    call(main, **preferences(given), loss=loss, lam=0.3)
    network = load_reward(given["model"], None, 0, seed=3).double()

    def reward(query: str, whose: str, sample: int) -> torch.Tensor:
        ids = texts.prompt(query) + texts.completion(whose, query, sample)
        hidden = network.model(input_ids=torch.tensor([ids])).last_hidden_state
        return (network.score.weight[0] * hidden[0, len(ids) - 1]).sum()

    def losses(rows: list[tuple]) -> dict[str, torch.Tensor]:
        preference, classification, right, ranked, margin = 0.0, 0.0, 0, 0, 0.0
        for query, _, whose, sample, score, other, other_sample, other_score, _ in rows:
            better, worse = reward(query, whose, sample), reward(query, other, other_sample)
            preference -= log_sigmoid(better - worse) / len(rows)
            for r, scored in ((better, score), (worse, other_score)):
                hit = scored == 5
                classification -= log_sigmoid(r if hit else -r) / (2 * len(rows))
                right += (r.item() > 0) == hit
            ranked += better.item() > worse.item()
            margin += (better - worse).item() / len(rows)
        return {
            "preference_loss": preference,
            "cls_loss": classification,
            "loss": preference + 0.3 * classification if loss == "both" else classification,
            "accuracy": ranked / len(rows),
            "cls_accuracy": right / (2 * len(rows)),
            "margin": margin,
        }

    criteria = []

    def criterion() -> dict[str, float]:
        with torch.no_grad():
            return {name: float(value) for name, value in losses(HELD_OUT).items()}

    def update() -> torch.Tensor:
        criteria.append(criterion())
        return losses(LEARNT)["loss"]

    expected = updates(network, update, [RATE, RATE * 2 / 3, RATE / 3])
    criteria.append(criterion())
    best = max(range(1, UPDATES + 1), key=lambda step: criteria[step]["accuracy"])
    log = agree(given, expected, best)
    evaluated = [row for row in log if "eval_loss" in row]
    assert [row["step"] for row in evaluated] == [1, 2, 3]
    for row, wanted in zip(evaluated, criteria[1:], strict=True):
        assert {name: row[f"eval_{name}"] for name in wanted} == pytest.approx(wanted, rel=1e-5, abs=1e-6)


def test_fine_tuning(given, texts, monkeypatch):
    """Eq. 3: the mean over all completion tokens of an update, end tokens included, after a warm-up of one
    update; what was cut off or graded lower is not learnt."""
    from scripts.train.train_sft import main

    learnt = [("q0", 0), ("q1", 0), ("q2", 0), ("q3", 0), ("q4", 0)]
    grades = given["queries"].parent / "grades.parquet"
    table = pl.DataFrame(list(TEACHER), schema=["query_id", "sample_id"], orient="row").with_columns(
        answer=pl.lit(None, dtype=pl.String),
        status=pl.lit("ok"),
        score=pl.Series([5.0, 5.0, 4.0, 5.0, 5.0, 5.0, 5.0]),
    )
    tables.write(table, grades, tables.GRADES)
    scripted(monkeypatch, [0.1, 0.2, 0.3])
    call(main, **validated(given), grades=grades, warmup_steps=1)
    network = load_causal(given["model"]).double()

    def loss() -> torch.Tensor:
        total, tokens = 0.0, 0
        for query, sample in learnt:
            prompt, completion = texts.prompt(query), texts.completion("teacher", query, sample)
            logs = network(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
            for at, token in enumerate(completion, len(prompt)):
                total -= logs[at - 1, token]
                tokens += 1
        return total / tokens

    agree(given, updates(network, loss, [0.0, RATE, RATE / 2]), best=3)


def test_dpo(given, texts, monkeypatch):
    """-log sigmoid(beta (log-ratio of the chosen minus of the rejected)) to the starting student, a mean over
    pairs."""
    from scripts.train.train_dpo import main

    scripted(monkeypatch, [0.1, 0.3, 0.3])
    call(main, **validated(preferences(given)), beta=0.3)
    network, start = load_causal(given["model"]).double(), load_causal(given["model"]).double()

    def log_probability(model, query: str, whose: str, sample: int) -> torch.Tensor:
        prompt, completion = texts.prompt(query), texts.completion(whose, query, sample)
        logs = model(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
        return sum(logs[at - 1, token] for at, token in enumerate(completion, len(prompt)))

    def ratio(*text) -> torch.Tensor:
        return log_probability(network, *text) - log_probability(start, *text).item()

    def loss() -> torch.Tensor:
        total = 0.0
        for query, _, whose, sample, _, other, other_sample, _, _ in LEARNT:
            margin = ratio(query, whose, sample) - ratio(query, other, other_sample)
            total -= log_sigmoid(0.3 * margin) / len(LEARNT)
        return total

    expected = updates(network, loss, [RATE, RATE * 2 / 3, RATE / 3])
    assert expected[0]["loss"] == pytest.approx(math.log(2))
    agree(given, expected, best=2)
