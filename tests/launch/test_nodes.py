"""A training over several nodes: every one is started and told, what one lacks starts all again."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.engines.vllm_nodes import joined
from scripts.lib.errors import UserError
from scripts.lib.process.nodes import outside, srun
from scripts.lib.process.stop import RESTART
from tests.support.srun import job

ROOT = Path(__file__).parents[2]
NODES = ["-m", "scripts.launch.nodes", "--nodes", "2", "--cpus", "1", "--gpus", "1"]


def launch(folder: Path, *command: str, **more) -> subprocess.Popen:
    """Start a command on two nodes of a pretended job."""
    given = {
        "cwd": ROOT,
        "env": job(folder),
        "stderr": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "text": True,
    }
    return subprocess.Popen([sys.executable, *NODES, *command], **given | more)


def training(folder: Path, given: dict, *module: str) -> subprocess.Popen:
    """Start a step on two nodes, one process each, as the rules do."""
    from tests.support.ppo_toy import flags as words

    given = {
        key: " ".join(map(str, value)) if isinstance(value, list) else value for key, value in given.items()
    }
    start = ["-m", "scripts.launch.launch", "--num_processes", "2", "--num_machines", "2", "-m", *module]
    return launch(folder, *start, *words(given))


def test_a_step_lies_where_it_is_told_to() -> None:
    words = srun(3, 16, 4, first=1)
    assert words[0] == "srun"
    assert {
        "--nodes=3",
        "--ntasks=3",
        "--ntasks-per-node=1",
        "--relative=1",
        "--cpus-per-task=16",
        "--gres=gpu:4",
    } < set(words)
    given = {"SLURM_JOB_ID": "7", "SLURM_CONF": "c", "SLURM_NTASKS": "1", "SRUN_X": "1", "PATH": "p"}
    assert outside(given) == {"SLURM_JOB_ID": "7", "SLURM_CONF": "c", "PATH": "p"}


@pytest.mark.parametrize(("codes", "starts", "ends"), [((0, 0), 1, 0), ((0, 2), 1, 2), ((RESTART, 1), 2, 0)])
def test_all_nodes_start_again_where_one_asks_for_it(tmp_path, codes, starts, ends) -> None:
    """The second time all is well."""
    text = (
        "import os, pathlib, sys; node = os.environ['SLURM_NODEID']; "
        f"mine = pathlib.Path({str(tmp_path)!r}, 'node' + node); again = mine.exists(); "
        f"mine.open('a').write('.'); sys.exit(0 if again else {codes}[int(node)])"
    )
    _, said = (process := launch(tmp_path, "-c", text)).communicate()
    assert process.returncode == ends, said
    assert [(tmp_path / f"node{node}").read_text() for node in (0, 1)] == ["." * starts] * 2
    assert said.count("all nodes start again") == starts - 1


def test_outside_of_a_job_it_is_one_line(tmp_path) -> None:
    environment = {key: value for key, value in job(tmp_path).items() if key != "SLURM_JOB_ID"}
    _, said = (process := launch(tmp_path, "-c", "", env=environment)).communicate()
    assert process.returncode == 2
    assert (
        said.startswith("error: 2 nodes are asked for, and this is no SLURM job: ") and said.count("\n") == 1
    )


def test_a_model_over_two_nodes_outside_of_a_job_is_refused(monkeypatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(UserError, match="2 nodes are asked for, and this is no SLURM job"), joined(2, {}):
        pass


def test_a_launcher_that_ends_is_not_ended_by_anothers(tmp_path) -> None:
    """Which would tell the signal as its exit code, in place of what went wrong."""
    text = (
        "import atexit, runpy, signal, sys; "
        "atexit.register(lambda: print(signal.getsignal(signal.SIGUSR2) is signal.SIG_IGN)); "
        "import accelerate.commands.launch as own; own.launch_command = lambda given: None; "
        "sys.argv[1:] = ['x.py']; runpy.run_module('scripts.launch.launch', run_name='__main__')"
    )
    pytest.importorskip("accelerate")
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@pytest.mark.campaign
def test_a_training_over_two_nodes_is_that_of_one_process(tmp_path, tiny) -> None:
    """Told to end it saves, goes on over two nodes, and comes to the same weights."""
    pytest.importorskip("trl")
    from scripts.train import train_sft
    from tests.launch.test_launch import LONG, after_a_checkpoint, close, losses, sft, weights
    from tests.support.steps import call

    two = sft(tmp_path, tiny, "two", **LONG, per_device_train_batch_size=2)
    process = training(tmp_path, two, "scripts.train.train_sft")
    after_a_checkpoint(process, tmp_path)
    srun_pid = int(
        Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()[0]
    )
    process.send_signal(signal.SIGTERM)
    subprocess.run(["kill", "-USR1", str(srun_pid)], check=True)
    _, said = process.communicate()
    assert process.returncode == 128 + signal.SIGTERM, said
    assert said.count("s after the signal; the same command goes on from here") == 2
    assert "start again" not in said

    process = training(tmp_path, two, "scripts.train.train_sft")
    out, said = process.communicate()
    assert process.returncode == 0, said
    assert "training from update" in out
    call(train_sft.main, **sft(tmp_path, tiny, "one", **LONG, per_device_train_batch_size=4))
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3, abs=1e-4)
    assert close(weights(tmp_path / "two"), weights(tmp_path / "one"))


@pytest.mark.campaign
def test_memory_that_one_node_lacks_starts_all_again(tmp_path, tiny) -> None:
    pytest.importorskip("trl")
    from tests.launch.test_launch import sft

    given = sft(tmp_path, tiny, "poor", per_device_train_batch_size=4, learning_rate=1e-4)
    process = training(tmp_path, given, "tests.support.scarce", "60", "1", "scripts.train.train_sft")
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert said.count("launch: all nodes start again") == 1


@pytest.mark.campaign
def test_an_error_on_the_nodes_is_not_tried_again(tmp_path, tiny) -> None:
    pytest.importorskip("trl")
    from tests.launch.test_launch import sft

    process = training(tmp_path, sft(tmp_path, tiny, "wrong", max_length=2), "scripts.train.train_sft")
    _, said = process.communicate()
    assert process.returncode == 2, said
    assert "error: every example is longer than max_length 2" in said
    assert "start again" not in said
