"""What would stop a later step, looked for in the models' own files before the first token is paid.

Tokenizers are the steps' business, so they are tried in the steps' environment, by
`scripts.sample.check_models`, and once: a file of `.snakemake/ready` says what was found right.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

from scripts.lib.config.methods import POLICIES
from scripts.lib.config.models import Model
from scripts.lib.config.training import Trained
from scripts.lib.config.whole import Config
from scripts.lib.data.files import write_text
from scripts.lib.errors import UserError
from scripts.lib.models.chat import saved_template
from scripts.lib.workflow.first_prompts import Step, files_of, longest, steps
from scripts.lib.workflow.layout import Layout

PYTHON, READY = Path(".venv-gpu/bin/python"), Path(".snakemake/ready")


def check_ready(config: Config, tables: dict[str, list[dict]]) -> None:
    """Raise UserError for a model of these rows that some step could not use, as far as its files are here.

    `tables`: the rows of each study. Models that are made here or served are right, or a server's.
    """
    found = [trial for step in steps(config, tables) for trial in _trials(config, tables, step)]
    if not found or not PYTHON.exists():
        return
    work = json.dumps(found)
    text = work + json.dumps([_state(Path(trial["folder"])) for trial in found])
    done = READY / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if done.exists():
        return
    command = [str(PYTHON), "-m", "scripts.sample.check_models"]
    run = subprocess.run(command, input=work, capture_output=True, text=True, check=False)
    if run.returncode:
        said = run.stderr.strip().splitlines() or ["no word"]
        raise UserError(said[-1].removeprefix("error: "))
    write_text(text, done)


def _trials(config: Config, tables: dict[str, list[dict]], step: Step) -> list[dict[str, Any]]:
    """What is tried of a step's model: a dict of `scripts.sample.check_models.Trial`, or nothing."""
    model: Model = getattr(config, step.kind)[step.name]
    folder = None if model.remote or model.pretrained or model.model is None else files_of(config, model, 0)
    if folder is None or not (folder / "tokenizer_config.json").is_file():
        return []
    if model.chat and (chat := saved_template(folder, model.model or "", model.chat_template_kwargs)):
        _ = chat.takes
    kind, name = step.block.split(".", 1)
    asked = getattr(config, kind)[name]
    prompt, tokens = asked.prompt, asked.max_tokens
    if step.judge:
        prompt, tokens = step.judge.prompt, step.judge.max_tokens + asked.max_tokens
    return [
        {
            "where": f"{step.kind}.{step.name}",
            "folder": str(folder),
            "prompting": model.told(),
            "prompt": f"config/prompts/{prompt}.jinja",
            "asked": step.block,
            "max_tokens": tokens,
            "max_model_len": model.max_model_len,
            "questions": longest(config, step),
            "rewards": step.kind == "students" and _rewards(config, tables, step.name),
        }
    ]


def _rewards(config: Config, tables: dict[str, list[dict]], student: str) -> bool:
    """Whether a reward model is made of a student."""
    layout = Layout(config)
    variants = {row["variant"] for table in tables.values() for row in table if row["student"] == student}
    return any(
        getattr(block := config.variants[name], "reward", None) is not None
        and not (isinstance(block, Trained) and block.method not in POLICIES)
        and not layout.without_reward_model(name)
        for name in variants
    )


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """What tells that a model's files are what they were."""
    files = sorted(file for file in folder.iterdir() if file.suffix in {".json", ".jinja", ".model", ".txt"})
    return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
