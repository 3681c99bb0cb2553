"""Fetch every model and data set that a study needs, on a machine with a network; jobs then run with
HF_HUB_OFFLINE=1.

Usage: make prefetch CONFIG=config/paper.yaml STUDY=table3
"""

import subprocess
import sys
from pathlib import Path

from scripts.lib.config.check import parse, rows
from scripts.lib.config.files import check_files, questions
from scripts.lib.config.layers import WORLD, read
from scripts.lib.config.whole import Config, used
from scripts.lib.process.cli import cli
from scripts.lib.settings.step import words
from scripts.lib.workflow.sizes import sized, unknown


def needs(config: Config) -> list[list[str]]:
    """The arguments of `scripts.queries.fetch` for each hub file and model of a study's config,
    files that exist left out."""
    check_files(config)
    wanted = [
        ["--output", str(path), *words(config.downloads[path.name])]
        for path in sorted({path for _, path in questions(config)})
        if not path.exists()
    ]
    models = {
        (block.model, block.revision)
        for block in [*config.teachers.values(), *config.students.values()]
        if not block.remote
    }
    for name, revision in sorted((name, revision or "main") for name, revision in models if name):
        if not Path(name).exists():
            wanted.append(["--repo", name, "--revision", revision])
    return wanted


def fetch(arguments: list[str]) -> int:
    """Run the step that reaches out, in the environment that can; returns its exit code."""
    gpu = Path(".venv-gpu/bin/python")
    python = str(gpu) if gpu.exists() else sys.executable
    return subprocess.run([python, "-m", "scripts.queries.fetch", *arguments], check=False).returncode


def fetch_sizes(config: Config, table: list[dict]) -> None:
    """Fetch the config.json of the hub models in the rows of a study whose size is not known here,
    as far as it can be had."""
    sizes = sized(config)
    blocks = [getattr(sizes, f"{kind}s")[row[kind]] for row in table for kind in ("teacher", "student")]
    for model, revision in sorted({(b.model, b.revision or "main") for b in blocks if unknown(b)}):
        fetch(["--repo", model, "--revision", revision, "--file", "config.json"])


def main(study: str, config: tuple[Path, ...] = (WORLD,), dry_run: bool = False) -> None:
    """Fetch what a study needs.

    Args:
        study: Name in `studies`.
        config: The config files that have it, each over those before it, all over config/config.yaml.
        dry_run: Only list it.
    """
    settings = parse(read(*config))
    fetches = needs(used(settings, study, rows(settings, study)))
    for arguments in fetches:
        print(" ".join(arguments), flush=True)
        if not dry_run and (code := fetch(arguments)):
            raise SystemExit(code)
    print(f"{len(fetches)} to fetch" if dry_run else f"{len(fetches)} fetched", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
