"""Ending early and going on: signals, memory that runs out, and who starts a step again."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch

from scripts.lib.errors import UserError
from scripts.lib.process import stop as module
from scripts.lib.process.memory import Restart, affordable, frugal, out_of_memory
from scripts.lib.process.stop import StopSignal

ROOT = Path(__file__).parents[3]
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has ...")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_remembered_and_the_log_says_how_long_saving_took(capfd, monkeypatch, sent):
    before, clock = signal.getsignal(sent), iter([100.0, 102.5])
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.__next__))
    with pytest.raises(SystemExit) as end, StopSignal() as stop:
        assert not stop
        os.kill(os.getpid(), sent)
        assert stop
        stop.leave()
    assert signal.getsignal(sent) == before
    assert end.value.code == 128 + sent
    said = capfd.readouterr().err
    assert f"{sent.name}: saving at the end of this step" in said
    assert f"{sent.name}: saved, 2.5 s after the signal" in said


def test_memory_is_told_apart():
    assert out_of_memory(FULL)
    assert out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"))
    assert not out_of_memory(RuntimeError("shapes do not match"))
    assert not out_of_memory(UserError("out of memory."))


def test_half_as_much_until_least(tmp_path):
    sizes = []
    with pytest.raises(UserError, match="out of memory with 3 rows: CUDA .* 2.00 GiB.; buy more"):
        while True:
            sizes.append(affordable(tmp_path, 21))
            try:
                with frugal(tmp_path, sizes[-1], 3, "rows", "buy more"):
                    raise FULL
            except Restart as reason:
                assert f"out of memory with {sizes[-1]} rows" in str(reason)
    assert sizes == [21, 10, 5, 3]
    assert affordable(tmp_path, 2) == 2


def test_another_error_passes(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), frugal(tmp_path, 8, 1, "rows", ""):
        raise RuntimeError("shapes do not match")
    assert not list(tmp_path.iterdir())


def test_a_process_becomes_a_new_one_that_takes_less(tmp_path):
    """Same process id, new memory: what was allocated or open before is gone."""
    script = tmp_path / "step.py"
    script.write_text(
        textwrap.dedent("""
        import os, pathlib, torch
        from scripts.lib.process.memory import affordable, frugal
        from scripts.lib.process.stop import restartable

        kept = open(__file__)

        def main(folder: pathlib.Path) -> None:
            size = affordable(folder, 8)
            print(os.getpid(), size, flush=True)
            with frugal(folder, size, 1, "rows", "buy more"):
                if size > 2:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried.")

        restartable(main)
        """)
    )
    done = subprocess.run(
        [sys.executable, str(script), "--folder", str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [size for _, size in lines] == ["8", "4", "2"]
    assert len({number for number, _ in lines}) == 1
    assert "out of memory with 8 rows (CUDA out of memory. Tried.): going on with 4 at most" in done.stderr


def test_without_anything_to_cut_it_is_one_line(tmp_path):
    script = tmp_path / "step.py"
    script.write_text(
        "import torch\nfrom scripts.lib.process.stop import restartable\ndef main() -> None:\n"
        "    raise torch.OutOfMemoryError('CUDA out of memory. Tried.')\nrestartable(main)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: out of memory before the first batch")
    assert done.stderr.count("\n") == 1
