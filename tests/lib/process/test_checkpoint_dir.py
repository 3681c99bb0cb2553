"""A training's state: keyed by what shapes it, and what was made outlives its job."""

import shutil
from pathlib import Path

import pytest

from scripts.lib.process.checkpoint_dir import sweep, training_state


@pytest.fixture
def outputs(tmp_path):
    return [tmp_path / "results/checkpoint", tmp_path / "results/metrics.jsonl"]


def train(root: Path, outputs: list[Path], code: str | None = "a", **parameters) -> bool:
    """Whether it was made anew."""
    with training_state(root / "state", "sft", parameters, [], outputs, code) as folder:
        if folder is None:
            return False
        (folder / "checkpoint-1").mkdir()
        (folder / "checkpoint-1/weights").write_text("half")
        (folder / "metrics.jsonl").write_text("{}\n")
        outputs[0].mkdir(parents=True)
        (outputs[0] / "weights").write_text("whole")
        outputs[1].write_text("{}\n")
    return True


def lose(outputs: list[Path]) -> None:
    shutil.rmtree(outputs[0])
    outputs[1].unlink()


def test_what_was_made_and_lost_is_there_again(tmp_path, outputs):
    assert train(tmp_path, outputs)
    assert sorted(path.name for path in tmp_path.glob("state/sft/*/*")) == ["made"], "no checkpoints"
    lose(outputs)
    assert not train(tmp_path, outputs)
    assert (outputs[0] / "weights").read_text() == "whole" and outputs[1].read_text() == "{}\n"


def test_it_takes_no_room(tmp_path, outputs):
    train(tmp_path, outputs)
    assert (outputs[0] / "weights").stat().st_nlink == 2


@pytest.mark.parametrize("change", [{"code": "b"}, {"seed": 1}], ids=["code", "parameters"])
def test_what_is_made_otherwise_is_made_anew(tmp_path, outputs, change):
    train(tmp_path, outputs)
    lose(outputs)
    assert train(tmp_path, outputs, **change)


def test_what_is_damaged_is_made_anew(tmp_path, outputs, capsys):
    train(tmp_path, outputs)
    (outputs[0] / "weights").write_text("wrong")
    lose(outputs)
    assert train(tmp_path, outputs)
    assert "checkpoint is damaged: this training starts over" in capsys.readouterr().err


def test_nothing_is_kept_without_a_word_about_the_code(tmp_path, outputs):
    assert train(tmp_path, outputs, code=None)
    assert not list(tmp_path.glob("state/sft/*"))


def test_a_run_that_ended_well_sweeps_what_is_where_it_was_put(tmp_path, outputs):
    train(tmp_path, outputs)
    lost = [tmp_path / "lost/checkpoint", tmp_path / "lost/metrics.jsonl"]
    train(tmp_path, lost, seed=1)
    lose(lost)
    (tmp_path / "state/ppo/unfinished/iteration=1").mkdir(parents=True)
    assert sweep(tmp_path / "state") == 1
    assert not train(tmp_path, lost, seed=1)
    assert (tmp_path / "state/ppo/unfinished/iteration=1").exists()
