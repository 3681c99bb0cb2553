"""One run of the study with the real model and the real server."""

import os
import subprocess
import sys
from pathlib import Path

from tests.real import data, models
from tests.real.server import served

ROOT = Path(__file__).resolve().parents[2]
REPORT = "results/reports/real/report.html"
SIZES = {"full": (400, 100), "hour": (48, 32), "small": (12, 6)}
"""Questions to distil on, and held out. What else makes a size smaller than full is a file of its name."""


def prepare(folder: Path, size: str) -> None:
    """Model and text below a project's data/real."""
    data.write(folder / "data/real", *SIZES[size])
    models.smollm2(folder / "data/real/smollm2")


def configs(size: str) -> list[str]:
    """The study's files; the last one, which `run` writes, has the server's address."""
    smaller = [] if size == "full" else [f"tests/real/{size}.yaml"]
    return ["tests/real/config.yaml", *smaller, "data/real/server.yaml"]


def run(folder: Path, size: str, *arguments: str, limit: float | None = None) -> subprocess.CompletedProcess:
    """Snakemake in `folder`, with llama.cpp's server beside it; ended after `limit` seconds."""
    with served(models.gguf(), folder / "data/real/server.log") as address:
        text = f"teachers: {{served: {{server: {{base_url: '{address}'}}}}}}\n"
        (folder / "data/real/server.yaml").write_text(text)
        command = [folder / ".venv/bin/python", "-m", "scripts.commands.run", "--profile", "profiles/local"]
        command += [*(arguments or [REPORT]), "--configfile", *configs(size)]
        environment = os.environ | {"HF_HUB_OFFLINE": "1"}
        return subprocess.run(command, cwd=folder, env=environment, check=False, timeout=limit)


def main() -> None:
    """`make real`, in the checkout itself; SIZE=small takes minutes."""
    size = sys.argv[1] if sys.argv[1:] else "full"
    prepare(ROOT, size)
    sys.exit(run(ROOT, size).returncode)
