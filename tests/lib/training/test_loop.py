"""Resuming, the log and the export of a Trainer's run."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import yaml

pytest.importorskip("torch")
pytest.importorskip("trl")

from scripts.lib.process.seal import SEAL, seal
from scripts.lib.training.export import TERMS, UNEVALUATED, card
from scripts.lib.training.loop import history, last_checkpoint


def checkpoint(folder, step, best):
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    state = {"best_model_checkpoint": best and f"/elsewhere/checkpoint-{best}"}
    (path / "trainer_state.json").write_text(json.dumps(state), encoding="utf-8")
    seal(path)
    return path


def test_the_newest_checkpoint_whose_best_one_is_whole_too_is_resumed(tmp_path):
    first, _ = checkpoint(tmp_path, 3, best=None), checkpoint(tmp_path, 9, best=9)
    last = checkpoint(tmp_path, 10, best=9)
    assert last_checkpoint(tmp_path) == last
    (tmp_path / "checkpoint-9" / SEAL).unlink()
    assert last_checkpoint(tmp_path) == first
    assert sorted(tmp_path.iterdir()) == [first]
    assert last_checkpoint(tmp_path / "none") is None


def test_the_log_knows_no_clock():
    rows = [
        {"step": 5, "loss": 1.0},
        {"step": 5, "eval_accuracy": 0.5, "eval_runtime": 3.0, "eval_num_tokens": 2},
        {"step": 5, "train_runtime": 9.0},
    ]
    assert history(SimpleNamespace(log_history=rows)) == [rows[0], {"step": 5, "eval_accuracy": 0.5}]


def test_the_card_is_a_function_of_its_contents(tmp_path):
    data = tmp_path / "queries.parquet"
    data.write_text("x")
    text = card(
        "Title", "About.", "/somewhere/students/tiny", [data], {"seed": 1}, [{"step": 1, "accuracy": 0.5}]
    )
    assert "somewhere" not in text
    assert "students/tiny" in text
    assert "| 1 | 0.5 |" in text and UNEVALUATED in text
    assert f"| {hashlib.sha256(b'x').hexdigest()[:16]} |" in text, "what sha256sum says"
    assert json.dumps(text) == json.dumps(
        card(
            "Title", "About.", "/elsewhere/students/tiny", [data], {"seed": 1}, [{"step": 1, "accuracy": 0.5}]
        )
    )


def test_a_card_begins_with_the_hubs_metadata_and_passes_the_base_model_on(tmp_path):
    first = card("Student", "About.", "meta-llama/Llama-3.2-1B-Instruct", [], {}, [])
    head = yaml.safe_load(first.split("---")[1])
    assert head["base_model"] == "meta-llama/Llama-3.2-1B-Instruct"
    assert head["pipeline_tag"] == "text-generation" and head["library_name"] == "transformers"
    folder = tmp_path / "results/checkpoints/variant=wo_r/seed=0/checkpoint"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(first)
    second = card("Reward model", "About.", str(folder), [folder], {}, [], "text-classification")
    assert yaml.safe_load(second.split("---")[1])["base_model"] == head["base_model"]
    assert "Trained from: checkpoints/variant=wo_r/seed=0\n" in second and str(tmp_path) not in second
    assert (
        TERMS in first and TERMS in second and TERMS not in card("Teacher", "About.", "nothing", [], {}, [])
    )
