"""One run of the study with the real model and the real server."""

import os
import subprocess
import sys
from pathlib import Path

from tests.real import data, models
from tests.real.server import llama_cpp

ROOT = Path(__file__).resolve().parents[2]
REPORT = "results/reports/real/report.html"
SIZES = {"full": (400, 100), "medium": (48, 32), "small": (12, 6)}
"""Questions to distil on, and held out. What else makes a size smaller than full is a file of its name."""
OFFLINE = os.environ | {"HF_HUB_OFFLINE": "1"}


def prepare(folder: Path, size: str) -> None:
    """Model and text below a project's data/real."""
    data.write(folder / "data/real", *SIZES[size])
    models.smollm2(folder / "data/real/smollm2")


def configs(size: str) -> list[str]:
    """The study's files; the last one, which `run` writes, has the server's address."""
    smaller = [] if size == "full" else ["tests/real/stored.yaml", f"tests/real/{size}.yaml"]
    return ["tests/real/config.yaml", *smaller, "data/real/server.yaml"]


def command(folder: Path, size: str, address: str, *arguments: str) -> list[str | Path]:
    """Snakemake's, for a project in `folder` whose served teacher is at the address."""
    text = f"teachers: {{served: {{server: {{base_url: '{address}'}}}}}}\n"
    (folder / "data/real/server.yaml").write_text(text, encoding="utf-8")
    words = [folder / ".venv/bin/python", "-m", "scripts.commands.run", "--profile", "profiles/local"]
    return [*words, *(arguments or [REPORT]), "--configfile", *configs(size)]


def run(folder: Path, size: str, *arguments: str, limit: float | None = None) -> subprocess.CompletedProcess:
    """Snakemake in `folder`, with llama.cpp's server beside it; ended after `limit` seconds."""
    with llama_cpp(models.gguf(), folder / "data/real/server.log") as address:
        words = command(folder, size, address, *arguments)
        return subprocess.run(words, cwd=folder, env=OFFLINE, check=False, timeout=limit)


def main() -> None:
    """`make real`, in the checkout itself; SIZE=small takes minutes."""
    size = sys.argv[1] if sys.argv[1:] else "full"
    prepare(ROOT, size)
    sys.exit(run(ROOT, size).returncode)
