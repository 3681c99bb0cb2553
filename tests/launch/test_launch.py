"""Several processes: every one hears of a signal, memory that one lacks starts all again, errors stay
plain."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from safetensors.torch import load_file

from scripts.train import train_reward, train_sft
from tests.support.ppo_toy import flags as words
from tests.support.steps import call
from tests.support.training_data import outputs
from tests.train import test_train_reward, test_train_sft

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.campaign
LONG = {"max_steps": 120, "eval_steps": 20, "learning_rate": 1e-4}


def launch(given: dict, *module: str, processes: int = 2) -> subprocess.Popen:
    """Start a step as the rules do, on CPUs."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    given = given | {
        name: " ".join(map(str, value)) for name, value in given.items() if isinstance(value, list)
    }
    command = [sys.executable, "-m", "scripts.launch.launch", "--num_processes", str(processes)]
    command += ["-m", *module, *words(given)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)


def sft(tmp_path: Path, tiny: Path, name: str, **more) -> dict:
    return test_train_sft.flags(tmp_path, tiny, **more) | outputs(tmp_path / name, tmp_path / "state")


def weights(folder: Path) -> dict:
    return load_file(folder / "model" / "model.safetensors")


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def close(one: dict, two: dict) -> bool:
    return all((one[name] - two[name]).abs().max() < 1e-3 for name in one)


def test_the_launcher_is_told_and_every_process_saves(tmp_path, tiny):
    """And the rest of the training runs on one process, to the weights and the log of a run on one process
    alone."""
    process = launch(
        sft(tmp_path, tiny, "two", **LONG, per_device_train_batch_size=2), "scripts.train.train_sft"
    )
    after_a_checkpoint(process, tmp_path)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert said.count("s after the signal; the same command goes on from here") == 2
    (state,) = tmp_path.glob("state/sft/*")
    reached = max(int(path.name.partition("-")[2]) for path in state.glob("checkpoint-*"))
    assert max(json.loads(line)["step"] for line in (state / "metrics.jsonl").open()) == reached < 120

    call(train_sft.main, **sft(tmp_path, tiny, "two", **LONG, per_device_train_batch_size=4))
    assert not list(tmp_path.glob("state/sft/*"))
    call(train_sft.main, **sft(tmp_path, tiny, "one", **LONG, per_device_train_batch_size=4))
    assert len(losses(tmp_path / "two")) == len(losses(tmp_path / "one")) == 120
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3, abs=1e-4)
    assert close(weights(tmp_path / "two"), weights(tmp_path / "one"))


def after_a_checkpoint(process: subprocess.Popen, folder: Path) -> None:
    while process.poll() is None and not list(folder.glob("state/*/*/checkpoint-*/trainer_state.json")):
        time.sleep(0.02)
    assert process.poll() is None, "it was over before"


def test_a_reward_model_goes_on_after_one_of_two_processes_was_killed(tmp_path, tiny):

    def given(name: str, **more) -> dict:
        flags = test_train_reward.flags(tmp_path, tiny, **LONG, **more)
        return flags | outputs(tmp_path / name, tmp_path / "state")

    process = launch(given("many", per_device_train_batch_size=2), "scripts.train.train_reward")
    after_a_checkpoint(process, tmp_path)
    ranks = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    os.kill(int(ranks[-1]), signal.SIGKILL)
    process.communicate()
    assert process.returncode not in (0, 2)
    call(train_reward.main, **given("many", per_device_train_batch_size=4))
    call(train_reward.main, **given("one", per_device_train_batch_size=4))
    assert losses(tmp_path / "many") == pytest.approx(losses(tmp_path / "one"), rel=1e-3, abs=1e-4)
    assert close(weights(tmp_path / "many"), weights(tmp_path / "one"))


def test_memory_that_one_process_lacks_starts_all_again(tmp_path, tiny):
    given = sft(tmp_path, tiny, "poor", per_device_train_batch_size=4, learning_rate=1e-4)
    process = launch(given, "tests.support.scarce", "60", "1", "scripts.train.train_sft")
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert "out of memory with 4 examples per process and step" in said
    assert said.count("launch: all processes start again") == 1
    small = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "learning_rate": 1e-4}
    assert launch(sft(tmp_path, tiny, "small", **small), "scripts.train.train_sft").wait() == 0
    poor, small = weights(tmp_path / "poor"), weights(tmp_path / "small")
    assert all((poor[name] == small[name]).all() for name in poor)


def test_an_error_is_one_line_and_is_not_tried_again(tmp_path, tiny):
    given = sft(tmp_path, tiny, "wrong", max_length=2)
    process = launch(given, "scripts.train.train_sft")
    _, said = process.communicate()
    assert process.returncode == 2
    assert "error: every example is longer than max_length 2" in said
    assert "start again" not in said
