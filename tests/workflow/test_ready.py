"""What would stop a later step stops the run before the teacher is asked anything."""

import json
import shutil

import pytest
import yaml

from tests.support.fault_server import FaultServer
from tests.workflow.project import ROOT, Project

pytest.importorskip("snakemake")

TARGET = "results/reports/mine/report.html"
CHATML = "{% for m in messages %}{{ m.role }} : {{ m.content }} {% endfor %}assistant :"
WORDS = ["<unk>", "<eos>", "How", "many", "?", "user", "assistant", ":"]
TOKENIZER = {
    "version": "1.0",
    "added_tokens": [],
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "model": {
        "type": "WordLevel",
        "vocab": {word: at for at, word in enumerate(WORDS)},
        "unk_token": "<unk>",
    },
}
MODEL = {
    "config.json": {
        "model_type": "llama", "vocab_size": len(WORDS), "hidden_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 1, "intermediate_size": 32, "max_position_embeddings": 64,
    },
    "tokenizer.json": TOKENIZER,
    "tokenizer_config.json": {
        "tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "eos_token": "<eos>",
        "chat_template": CHATML,
    },
}  # fmt: skip
CASES = [
    ("tokenizer_config.json", {"chat_template": None}, "has no chat template; use chat: false"),
    ("tokenizer_config.json", {"chat_template": "assistant :"}, "its rendering lacks the question"),
    ("tokenizer_config.json", {"chat_template": "{% if"}, "is not valid Jinja"),
    ("tokenizer_config.json", {"eos_token": None}, "students.s: the tokenizer has no EOS token"),
    ("tokenizer.json", {"model": {}}, "no tokenizer can be read from models/s"),
    (
        "config.json",
        {"max_position_embeddings": 35},
        "up to 32 follow, and the model takes 35; lower max_tok",
    ),
    ("config.json", {"vocab_size": 2}, "students.s: the tokenizer's token 7 has no embedding, there are 2"),
    ("config.json", {"model_type": "granite"}, "no reward model of the architecture granite"),
]


@pytest.mark.slow
def test_a_student_that_cannot_be_used_costs_nothing(tmp_path, monkeypatch):
    if not (ROOT / ".venv-gpu/bin/python").exists():
        pytest.skip("needs the steps' environment")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    project = Project(tmp_path)
    (tmp_path / ".venv-gpu").symlink_to((ROOT / ".venv-gpu").resolve())
    (tmp_path / "mine.jsonl").write_text('{"question": "How many ?"}\n')
    (tmp_path / "mine.tsv").write_text("dataset\tteacher\tstudent\tvariant\tseed\nmine\tapi\ts\tours\t0\n")
    with FaultServer() as server:
        own = {
            "datasets": {
                "mine": {"queries": "mine.jsonl", "task": "numeric", "prompt": "question", "max_tokens": 32}
            },
            "teachers": {"api": {"model": "big", "engine": "openai", "server": {"base_url": server.url}}},
            "students": {"s": {"model": "models/s", "engine": "transformers", "billions": 0.01}},
            "studies": {"mine": {"table": "mine.tsv"}},
        }
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(own))
        for file, change, says in CASES:
            model(tmp_path / "models/s", file, change)
            run = project.snakemake(TARGET, "--configfile", "mine.yaml")
            errors = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
            assert run.returncode and len(errors) == 1 and says in errors[0], run.stderr
            assert server.requests == 0
        model(tmp_path / "models/s")
        assert "sample_teacher" in project.plan("--configfile", "mine.yaml", target=TARGET)


def model(folder, file="", change=None):
    """A student's folder, with something changed in one of its files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    for name, content in MODEL.items():
        (folder / name).write_text(json.dumps(content | (change or {} if name == file else {})))
