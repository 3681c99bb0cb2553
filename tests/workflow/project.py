"""A copy of the project in a folder of its own, and what Snakemake would do there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "scripts", "config", "profiles", "envs", "pyproject.toml")
MEANINGS = ".snakemake/code"
"""What the checkout's fingerprints have learnt of its files, under their hashes."""
TARGET = "results/reports/demo/report.html"


class Project:
    """The project's files in `folder`, without results.

    What Python and the fingerprints made of them comes along: compiling and parsing takes two seconds.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
            else:
                shutil.copy(source, folder / name)
        (folder / MEANINGS).mkdir(parents=True, exist_ok=True)
        for kept in (ROOT / MEANINGS).glob("[0-9a-f]" * 64):
            shutil.copy(kept, folder / MEANINGS)

    def copy(self, folder: Path) -> "Project":
        """All of it, results included, in another folder, every time stamp kept."""
        shutil.copytree(self.folder, folder, symlinks=True)
        copy = Project.__new__(Project)
        copy.folder = folder
        return copy

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run Snakemake with the local profile; output captured as text."""
        return self._call("snakemake", *arguments)

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        """The same by `scripts.commands.run`, as `make run` does."""
        return self._call("scripts.commands.run", *arguments)

    def _call(self, module: str, *arguments: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", module, "--profile", "profiles/local", "--cores", "2", *arguments]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=3600
        )

    def plan(self, *arguments: str, target: str | list[str] = TARGET) -> dict[str, int]:
        """Jobs a rule of a dry run; empty when there is nothing to do."""
        targets = [target] if isinstance(target, str) else target
        run = self.snakemake(*targets, "--dry-run", "--quiet=rules", *arguments)
        assert run.returncode == 0, run.stdout + run.stderr
        counts = dict(re.findall(r"^(\w+) +(\d+)$", run.stdout + run.stderr, flags=re.MULTILINE))
        counts.pop("total", None)
        return {rule: int(count) for rule, count in counts.items()}

    def pretend_done(self, *arguments: str, target: str = TARGET) -> None:
        """Give every job's outputs some content and let Snakemake record them as made by the present code and
        settings."""
        listing = self.snakemake(target, "--dry-run", "--forceall", *arguments)
        assert listing.returncode == 0, listing.stdout + listing.stderr
        for line in re.findall(r"^    output: (.*)$", listing.stdout + listing.stderr, flags=re.MULTILINE):
            for name in line.split(", "):
                path = self.folder / name.strip()
                if path.suffix:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(name)
                else:
                    path.mkdir(parents=True, exist_ok=True)
        touched = self.snakemake(target, "--touch", "--forceall", *arguments)
        assert touched.returncode == 0, touched.stdout + touched.stderr

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text in a file; the text must be there."""
        path = self.folder / file
        text = path.read_text()
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new, 1))
