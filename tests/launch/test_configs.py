"""Snakemake reads configs as data, however it is called."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("snakemake")

PROGRAM = '__use_yte__: true\n__definitions__:\n- open("PWNED", "w")\nmax_hours: ?open("PWNED", "w")\n'


@pytest.mark.parametrize("flags", [["--profile", "profiles/local"], []])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PROGRAM, "__use_yte__ makes a config a program"),
        ("max_hours: 1\nmax_hours: 2\n", "'max_hours' stands twice"),
        (None, "No such file or directory; name a config file that exists"),
    ],
)
def test_a_config_runs_nothing_by_snakemake_alone(
    tmp_path: Path, content: str | None, message: str, flags: list[str]
) -> None:
    file = tmp_path / "c.yaml"
    if content is not None:
        file.write_text(content.replace("PWNED", str(tmp_path / "PWNED")))
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", "--dry-run", *flags, "--configfile", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 2 and not (tmp_path / "PWNED").exists()
    (line,) = [line for line in run.stderr.splitlines() if not line.startswith("Using ")]
    assert line.startswith(f"error: {file}: ") and message in line
