"""Fine-tuning: what the loss sees, that a kill changes nothing, and that the best checkpoint is the
result."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch
from safetensors.torch import load_file

from scripts.lib.data import tables
from scripts.lib.errors import UserError
from scripts.lib.training import validation
from scripts.lib.training.examples import Answers, ragged
from scripts.train.train_sft import dataset, main
from tests.support import golden
from tests.support.steps import call
from tests.support.training_data import outputs, write_training_data


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def flags(folder: Path, model: Path, **more):
    paths = write_training_data(folder / "data")
    data = folder / "data"
    return {
        **paths,
        "model": str(model),
        "samples": [data / "teacher.parquet"],
        "grades": data / "teacher_grades.parquet",
        "validation": data / "queries.parquet",
        "validation_golds": data / "golds.parquet",
        "task": "numeric",
        "max_tokens": 12,
        "max_steps": 6,
        "eval_steps": 2,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
        "learning_rate": 1e-2,
        "seed": 3,
    } | more


def test_a_process_holds_each_gradient_once(tiny, tmp_path, monkeypatch):
    """DDP's buckets are the gradients, not their copies."""
    from transformers import Trainer

    seen = []
    monkeypatch.setattr(Trainer, "train", lambda self, **_: seen.append(self.accelerator.ddp_handler))
    with pytest.raises(ValueError):  # nothing is trained, so there is nothing to export
        call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "run", tmp_path / "state"))
    assert seen[0].to_kwargs()["gradient_as_bucket_view"] is True


def scripted(monkeypatch, accuracies, kill_at=None):
    """Replace validation by a list of accuracies; optionally die at one of its calls."""
    calls = []

    def measure(model):
        calls.append(None)
        if len(calls) == kill_at:
            raise Killed
        return {"accuracy": accuracies[len(calls) - 1], "n": 8, "unparsed_rate": 0.0}

    monkeypatch.setattr(validation, "measure_answers", lambda *args, **kwargs: measure)


def test_the_loss_sees_completion_tokens_only():
    prompts, completions = ragged([[1, 5, 6], [1, 7]]), ragged([[8, 9, 2], [10, 2]])
    data = dataset(Answers(prompts, completions, np.array([0, 1]), np.array([0, 1]), pl.DataFrame()))
    assert data[0] == {"input_ids": [1, 5, 6, 8, 9, 2], "labels": [-100, -100, -100, 8, 9, 2]}
    assert data[1] == {"input_ids": [1, 7, 10, 2], "labels": [-100, -100, 10, 2]}


def test_three_updates_in_float64(tmp_path, monkeypatch):
    """Eq. 3: the mean over all completion tokens of an update, end tokens included, after a warm-up of one
    update; what was cut off, graded lower or too long is not learnt."""
    from scripts.lib.models.loading import load_causal

    given = golden.write_flags(tmp_path)
    learnt = [("q0", 0), ("q1", 0), ("q2", 0), ("q3", 0), ("q4", 0)]
    table = pl.DataFrame(list(golden.TEACHER), schema=["query_id", "sample_id"], orient="row").with_columns(
        answer=pl.lit(None, dtype=pl.String),
        status=pl.lit("ok"),
        score=pl.Series([5.0, 5.0, 4.0, 5.0, 5.0, 5.0, 5.0, 5.0]),
    )
    tables.write(table, tmp_path / "grades.parquet", tables.GRADES)
    scripted(monkeypatch, [0.1, 0.2, 0.3])
    given["samples"] = given.pop("teacher_samples")
    more = golden.write_validation(tmp_path) | {"grades": tmp_path / "grades.parquet"}
    call(main, **given, **more, warmup_steps=1, chat=False, max_length=20)
    texts = golden.Texts(given["model"])
    network = load_causal(given["model"]).double()

    def loss() -> torch.Tensor:
        total, tokens = 0.0, 0
        for query, sample in learnt:
            prompt, completion = texts.prompt(query, False), texts.completion("teacher", query, sample)
            logs = network(input_ids=torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
            for at, token in enumerate(completion, len(prompt)):
                total -= logs[at - 1, token]
                tokens += 1
        return total / tokens

    expected = golden.updates(network, loss, [0.0, golden.RATE, golden.RATE / 2])
    golden.agree(given, expected, best=3)


def test_a_kill_changes_nothing_and_the_best_checkpoint_is_the_result(tmp_path, tiny, monkeypatch):
    scripted(monkeypatch, [0.1, 0.9, 0.3])
    call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "whole", tmp_path / "state"))
    assert not list((tmp_path / "state" / "sft").iterdir())

    scripted(monkeypatch, [0.1, 0.9], kill_at=3)
    with pytest.raises(Killed):
        call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "killed", tmp_path / "state"))
    assert not (tmp_path / "killed" / "model").exists()
    (left,) = (tmp_path / "state" / "sft").iterdir()
    assert {path.name for path in left.glob("checkpoint-*")} == {"checkpoint-2", "checkpoint-4"}
    best = load_file(left / "checkpoint-4" / "model.safetensors")

    scripted(monkeypatch, [0.3])
    call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "killed", tmp_path / "state"))
    files = {path.name for path in (tmp_path / "whole" / "model").iterdir()}
    assert files == {path.name for path in (tmp_path / "killed" / "model").iterdir()}
    assert {"model.safetensors", "tokenizer.json", "README.md"} <= files
    assert not any(name.endswith((".bin", ".pt", ".pth")) for name in files)
    for name in sorted(files) + ["../metrics.jsonl"]:
        assert (tmp_path / "whole/model" / name).read_bytes() == (
            tmp_path / "killed/model" / name
        ).read_bytes()
    found = load_file(tmp_path / "killed" / "model" / "model.safetensors")
    assert all(torch.equal(found[name], best[name]) for name in best)
    assert "step 4, the first with the best eval_accuracy" in (tmp_path / "whole/model/README.md").read_text()
    rows = [json.loads(line) for line in (tmp_path / "whole/metrics.jsonl").read_text().splitlines()]
    assert [row["eval_accuracy"] for row in rows if "eval_accuracy" in row] == [0.1, 0.9, 0.3]
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("more", [{}, {"max_steps": 20, "patience": 1}], ids=["last update", "patience"])
def test_killed_when_all_is_learnt_it_learns_nothing_more(tmp_path, tiny, monkeypatch, more):
    from scripts.lib.training import loop

    def killed(*args):
        raise Killed

    scripted(monkeypatch, [0.2, 0.9, 0.3])
    call(main, **flags(tmp_path, tiny, **more), **outputs(tmp_path / "whole", tmp_path / "state"))
    scripted(monkeypatch, [0.2, 0.9, 0.3])
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(loop, "whole_folder", killed)
        call(main, **flags(tmp_path, tiny, **more), **outputs(tmp_path / "killed", tmp_path / "state"))
    scripted(monkeypatch, [])
    call(main, **flags(tmp_path, tiny, **more), **outputs(tmp_path / "killed", tmp_path / "state"))
    for path in (path for path in (tmp_path / "whole").rglob("*") if path.is_file()):
        assert path.read_bytes() == (tmp_path / "killed" / path.relative_to(tmp_path / "whole")).read_bytes()


def test_patience_stops_and_the_last_step_is_evaluated(tmp_path, tiny, monkeypatch):
    scripted(monkeypatch, [0.5, 0.4, 0.3])
    call(
        main, **flags(tmp_path, tiny, max_steps=20, patience=1), **outputs(tmp_path / "a", tmp_path / "state")
    )
    rows = [json.loads(line) for line in (tmp_path / "a/metrics.jsonl").read_text().splitlines()]
    assert max(row["step"] for row in rows) == 4
    scripted(monkeypatch, [0.5, 0.4, 0.3])
    call(
        main, **flags(tmp_path, tiny, max_steps=20, patience=2), **outputs(tmp_path / "c", tmp_path / "state")
    )
    assert '"step": 6' in (tmp_path / "c/metrics.jsonl").read_text().splitlines()[-1]
    scripted(monkeypatch, [0.5, 0.6])
    call(main, **flags(tmp_path, tiny, max_steps=3), **outputs(tmp_path / "b", tmp_path / "state"))
    assert "step 3, the first with the best" in (tmp_path / "b/model/README.md").read_text()


def test_all_answers_with_real_validation(tmp_path, tiny):
    """Generation, reading and scoring run inside the trainer, and the folder loads again."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    call(
        main,
        **flags(tmp_path, tiny, answers="all", grades=None, max_steps=20, eval_steps=10),
        **outputs(tmp_path / "out", tmp_path / "state"),
    )
    rows = [json.loads(line) for line in (tmp_path / "out/metrics.jsonl").read_text().splitlines()]
    judged = [row for row in rows if "eval_accuracy" in row]
    assert [row["step"] for row in judged] == [10, 20]
    assert all(row["eval_n"] == 8 and row["eval_unparsed_rate"] <= 1 for row in judged)
    assert all(row["eval_accuracy"] * 72 == pytest.approx(round(row["eval_accuracy"] * 72)) for row in judged)
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[-1] < losses[0]
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out/model")
    assert model.dtype == torch.float32
    assert AutoTokenizer.from_pretrained(tmp_path / "out/model").chat_template


@pytest.mark.parametrize(
    ("more", "learnt"),
    [
        ({}, 16),
        ({"answers_per_query": 1}, 8),
        ({"answers": "all", "grades": None}, 24),
        ({"answers": "student_good"}, 16),
    ],
)
def test_the_answers_that_are_learnt_are_those_asked_for(tmp_path, tiny, monkeypatch, capsys, more, learnt):
    scripted(monkeypatch, [0.5])
    call(main, **flags(tmp_path, tiny, max_steps=1, **more), **outputs(tmp_path / "a", tmp_path / "state"))
    counts = next(json.loads(line) for line in capsys.readouterr().out.splitlines() if "samples" in line)
    assert (counts["samples"], counts["learnt"], counts["repeated"]) == (24, learnt, 0)


def test_without_a_thought_there_is_none_to_learn(tmp_path, tiny):
    with pytest.raises(UserError, match="no answer shows a thought; set learn_reasoning to false"):
        call(
            main, **flags(tmp_path, tiny, learn_reasoning=True), **outputs(tmp_path / "a", tmp_path / "state")
        )


def test_good_needs_grades(tmp_path, tiny):
    with pytest.raises(UserError, match="needs --grades"):
        call(main, **flags(tmp_path, tiny, grades=None), **outputs(tmp_path, tmp_path / "state"))


def test_for_a_judge_every_evaluated_checkpoint_is_kept(tmp_path, tiny, monkeypatch):
    """Nothing stops early, and nothing is chosen; killed, a resumed training keeps the same ones."""

    def judged(values, kill_at=None):
        scripted(monkeypatch, values, kill_at)
        monkeypatch.setattr(validation, "metric_of", lambda _: "valid")
        measure = validation.measure_answers()
        valid = lambda model: {"valid": measure(model)["accuracy"], "n": 8}  # noqa: E731
        monkeypatch.setattr(validation, "measure_answers", lambda *args: valid)

    given = flags(tmp_path, tiny, patience=1, validation_golds=None)
    whole, killed = (
        {
            name: path
            for name, path in outputs(tmp_path / name, tmp_path / "state").items()
            if name != "identity"
        }
        for name in ("whole", "killed")
    )
    judged([0.9, 0.5, 0.4])
    call(main, **given, **whole)
    judged([0.9, 0.5], kill_at=3)
    with pytest.raises(Killed):
        call(main, **given, **killed)
    judged([0.4])
    call(main, **given, **killed)
    names = sorted(path.name for path in (tmp_path / "whole/model").iterdir())
    assert names == ["README.md", "candidate=2", "candidate=4", "candidate=6"]
    files = [
        path.relative_to(tmp_path / "whole") for path in (tmp_path / "whole").rglob("*") if path.is_file()
    ]
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    first, last = (load_file(tmp_path / f"whole/model/candidate={step}/model.safetensors") for step in (2, 6))
    assert any(not torch.equal(first[name], last[name]) for name in first)
    with pytest.raises(UserError, match="--identity goes with"):
        call(main, **given, **whole, identity=tmp_path / "identity.json")
