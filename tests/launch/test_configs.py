"""Snakemake reads configs as data, however it is called."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("snakemake")

PROGRAM = '__use_yte__: true\n__definitions__:\n- open("PWNED", "w")\nmax_hours: ?open("PWNED", "w")\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        (PROGRAM, [], "__use_yte__ makes a config a program"),
        (PROGRAM, ["--profile", "profiles/local"], "__use_yte__ makes a config a program"),
        (None, [], "No such file or directory; name a config file that exists"),
    ],
)
def test_a_config_runs_nothing_by_snakemake_alone(
    tmp_path: Path, content: str | None, flags: list[str], message: str
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
