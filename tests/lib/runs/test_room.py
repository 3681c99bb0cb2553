"""A folder that takes no files ends whatever is started in it, in one line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.errors import UserError
from scripts.lib.runs.room import require_room

pytest.importorskip("snakemake")

ROOT = Path(__file__).parents[3]


def test_a_folder_that_takes_files_is_left_as_it_was(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    require_room()
    assert list((tmp_path / ".snakemake").iterdir()) == []


def test_what_cannot_be_written_is_named(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".snakemake").touch()
    with pytest.raises(UserError, match=rf"nothing can be written to {tmp_path}/\.snakemake \(File exists\)"):
        require_room()


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A run's folder on a disk without room."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path]
    if subprocess.run(mount, check=False).returncode:
        pytest.skip("mounting a small file system needs root with the right to mount")
    for name in ("Snakefile", "config", "profiles", "rules", "scripts"):
        (tmp_path / name).symlink_to(ROOT / name)
    yield tmp_path
    subprocess.run(["umount", tmp_path], check=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
@pytest.mark.parametrize("command", ["snakemake", "scripts.commands.plan", "scripts.commands.run"])
def test_a_full_disk_is_one_line_before_anything_starts(full: Path, command: str) -> None:
    words = [sys.executable, "-m", command, "--profile", "profiles/local"]
    run = subprocess.run(words, cwd=full, capture_output=True, text=True, check=False)
    (line,) = [line for line in run.stderr.splitlines() if not line.startswith("Using ")]
    assert run.returncode == 2 and run.stdout == ""
    assert line.startswith(f"error: nothing can be written to {full}/.snakemake (No space left on device); ")
