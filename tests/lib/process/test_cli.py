"""What a user can mend is one line; what nobody can keeps its traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.process.cli import USED

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("raised", "words"),
    [
        ("UserError('the vote is empty;\\n lower m')", "error: the vote is empty; lower m"),
        (
            "OSError(28, 'No space left on device')",
            "error: the disk that it writes to is full (No space left on device); completions",
        ),
        (
            "RuntimeError('I/O error: No space left on device (os error 28)')",
            "error: the disk that it writes to is full",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line(raised, words):
    code = (
        "from scripts.lib.errors import UserError\nfrom scripts.lib.process.cli import cli\n"
        f"def main() -> None:\n    raise {raised}\ncli(main)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(words) and len(done.stderr.splitlines()) == 1


def test_a_folder_that_is_moved_is_one_line(tmp_path):
    """Whatever goes wrong then: Python itself no longer finds its modules."""
    (tmp_path / "run").mkdir()
    code = (
        "import os\nfrom scripts.lib.process.cli import cli\ndef main() -> None:\n"
        "    os.rename('../run', '../moved')\n    raise KeyError('a')\ncli(main)"
    )
    told = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path / "run", env=told, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"error: {tmp_path}/run was moved while this step was at work in it; run again where it is now\n"
    )


def test_what_nobody_can_mend_keeps_its_traceback():
    code = "from scripts.lib.process.cli import cli\ndef main() -> None:\n    raise KeyError('a')\ncli(main)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_a_step_ends_on_what_it_used():
    code = (
        "from scripts.lib.process.cli import cli\ndef main() -> None:\n    sum(range(10**7)), "
        "b'x' * 80_000_000\ncli(main)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    ((seconds, memory),) = USED.findall(done.stderr)
    assert float(seconds) > 0 and int(memory) > 80
