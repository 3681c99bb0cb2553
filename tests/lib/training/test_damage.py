"""A checkpoint with a wrong bit: the training goes on from the one before, to the same end."""

import signal

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from scripts.train.train_sft import main
from tests.support.ppo_toy import arguments, make_toy, run_apart
from tests.support.steps import call, flip
from tests.support.training_data import outputs
from tests.train.test_train_ppo import content, history
from tests.train.test_train_sft import Killed, flags, scripted


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt"])
def test_of_a_supervised_training(tmp_path, tiny, monkeypatch, file):
    scripted(monkeypatch, [0.1, 0.9, 0.3])
    call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "whole", tmp_path / "state"))
    scripted(monkeypatch, [0.1, 0.9], kill_at=3)
    with pytest.raises(Killed):
        call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "killed", tmp_path / "state"))
    (damaged,) = (tmp_path / "state" / "sft").glob(f"*/checkpoint-4/{file}")
    flip(damaged)
    scripted(monkeypatch, [0.9, 0.3])
    call(main, **flags(tmp_path, tiny), **outputs(tmp_path / "killed", tmp_path / "state"))
    for name in ("identity.json", "metrics.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes()


@pytest.mark.slow
def test_of_ppo(tmp_path):
    """Of the two that it keeps one is damaged, then the best policy, on which both count: it starts over."""
    toy = make_toy(tmp_path / "toy")
    assert run_apart(arguments(toy, tmp_path / "straight")) == 0
    given = arguments(toy, tmp_path / "damaged", save_every=1)
    assert run_apart(given, ("scripts.lib.training.ppo.loop", "score", 5)) == -signal.SIGKILL
    (state,) = (tmp_path / "damaged" / "state" / "ppo").iterdir()
    assert {path.name for path in state.glob("iteration=*")} == {"iteration=3", "iteration=4"}
    flip(state / "iteration=4" / "policy.safetensors")
    assert run_apart(given, ("scripts.lib.training.ppo.loop", "score", 1)) == -signal.SIGKILL
    assert {path.name for path in state.glob("iteration=*")} == {"iteration=3"}
    for policy in state.glob("best=*/model.safetensors"):
        flip(policy)
    assert run_apart(given) == 0
    assert content(tmp_path / "damaged") == content(tmp_path / "straight")
    assert history(tmp_path / "damaged") == history(tmp_path / "straight")
