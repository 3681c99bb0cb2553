"""What is made already costs a step no import that takes seconds: with these libraries out of reach, a
finished step that is asked again ends as before."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data.tables import QUERIES, SAMPLES, read, write
from scripts.lib.engines.base import Completion, Run, Settings
from scripts.lib.labels import judging
from scripts.lib.samples.draws import draws
from scripts.lib.samples.fill import render, rows
from scripts.lib.samples.flags import Place
from scripts.lib.samples.requests import Requests
from scripts.lib.samples.step import Step

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "tokenizers", "accelerate", "vllm", "trl", "datasets", "pyarrow", "scipy")
CHAT = "{{ bos_token }}{% for each in messages %}<{{ each.role }}>{{ each.content }}{% endfor %}<assistant>"
QUESTION = {"query_id": "q1", "question": "one", "options": [], "group": "", "shots": None}


@pytest.fixture
def light(tmp_path):
    """Python in which HEAVY cannot be imported; returns what it wrote to stderr."""
    for name in HEAVY:
        (tmp_path / "heavy" / name).mkdir(parents=True)
        (tmp_path / "heavy" / name / "__init__.py").write_text("raise SystemExit(f'{__name__} is imported')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "heavy")}

    def python(*arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return python


def model(folder: Path) -> Path:
    """A model's files, of which none is a model."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    told = {"bos_token": "<s>", "chat_template": CHAT}
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
    return folder


def store(here: Path, folder: Path, prompt: str, max_tokens: int, temperature: float, table) -> None:
    """Keep two completions of each of the questions (QUERIES)."""
    run = Run(engine="vllm")
    settings = Settings(run.template(ROOT / prompt), max_tokens, run=run)
    step = Step(Place(here / "x.json", here / "x", store=here / "store"), str(folder), None, settings, 0)
    prompts, _ = render(step.engine, table)
    requests = Requests(prompts, draws([temperature], 2, 1, 0), 0)
    step.partition.add(rows([(each, Completion("Score: 4", "stop", 4, 9)) for each in requests], "vllm 1"))


@pytest.mark.parametrize("step", ["sample", "sample_candidates", "judge"])
def test_a_finished_step_imports_nothing_heavy(tmp_path, light, step):
    folder = model(tmp_path / "models" / "candidate=0")
    questions = pl.DataFrame([QUESTION], schema=QUERIES)
    write(questions, tmp_path / "queries.parquet", QUERIES)
    flags = ["--queries", tmp_path / "queries.parquet", "--output", tmp_path / "out.parquet"]
    flags += ["--ledger", tmp_path / "ledger.json", "--store", tmp_path / "store", "--engine", "vllm"]
    if step == "judge":
        prompt = "config/prompts/judge.jinja"
        said = {"query_id": "q1", "sample_id": 0, "completion": "a", "finish_reason": "stop", "num_tokens": 1}
        said |= {"temperature": 0.7, "round": 1, "reasoning": None, "reasoning_tokens": None}
        samples = pl.DataFrame([said], schema=SAMPLES)
        write(samples, tmp_path / "samples.parquet", SAMPLES)
        asked, _ = judging.requests(samples, questions)
        store(tmp_path, folder, prompt, 64, 0.7, asked)
        flags += ["--samples", tmp_path / "samples.parquet", "--temperature", 0.7, "--n", 2]
    else:
        prompt, asked = "config/prompts/world.jinja", questions
        store(tmp_path, folder, prompt, 64, 0.7 if step == "sample" else 0.0, questions)
    if step == "sample":
        flags += ["--temperatures", 0.7, "--n", 2]
    flags += ["--candidates", folder.parent] if step == "sample_candidates" else ["--model", folder]
    module = f"scripts.{'judge' if step == 'judge' else 'sample'}.{step}"
    told = light("-m", module, "--prompt", ROOT / prompt, "--max-tokens", 64, *flags)
    completions = read(tmp_path / "out.parquet", SAMPLES)["completion"]
    assert " completions to sample" in told and completions.unique().to_list() == ["Score: 4"]
    assert json.loads((tmp_path / "ledger.json").read_text())["sampled"] == 0


def test_no_step_imports_anything_heavy_before_it_has_work(light):
    """Before a step knows what there is to do, all that it imports is quick."""
    rooms = {"lib", "launch", "commands"}
    files = [path for path in (ROOT / "scripts").glob("*/[a-z]*.py") if path.parent.name not in rooms]
    steps = [f"scripts.{path.parent.name}.{path.stem}" for path in files]
    assert len(steps) > 30
    light("-c", f"import {', '.join(steps)}")
