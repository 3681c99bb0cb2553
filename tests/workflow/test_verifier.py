"""A user's own verifier, from outside the repository: it labels, and an edit of its meaning labels anew."""

import json
from pathlib import Path

import polars as pl
import pytest
import yaml

from tests.workflow.project import Project

pytest.importorskip("snakemake")
pytestmark = pytest.mark.slow

LABELS = "results/labels/dataset=colours/teacher=three/seed=0/labels.parquet"
VERIFIER = '''
"""Colours, in English and French."""

FRENCH = {"rouge": "red"}


def read(text):
    words = text.lower().strip(" .").split()
    return words[-1] if words and words[-1] in ("red", "rouge", "blue") else None


def same(a, b):
    return FRENCH.get(a, a) == FRENCH.get(b, b)
'''


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Two questions, three imported completions to each, and a config that names a verifier elsewhere,
    with a blank in it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "my verifiers").mkdir()
    project = Project(tmp_path / "project")
    (tmp_path / "my verifiers" / "colours.py").write_text(VERIFIER)
    rows = [{"query_id": "rose", "question": "A rose?"}, {"query_id": "sky", "question": "The sky?"}]
    said = {"rose": ["It is red.", "Rouge", "red"], "sky": ["Blue", "no idea", "It is green."]}
    (project.folder / "colours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    samples = [{"query_id": name, "completion": text} for name, texts in said.items() for text in texts]
    (project.folder / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in samples))
    task = str(tmp_path / "my verifiers" / "colours.py")
    source = {"path": "said.jsonl", "model": "three", "temperature": 0.5}
    own = {
        "datasets": {
            "colours": {
                "queries": "colours.jsonl",
                "id_column": "query_id",
                "task": task,
                "prompt": "question",
                "max_tokens": 8,
                "validation_fraction": 0.0,
            }
        },
        "teachers": {"three": {"samples": [source], "vote": {"m": 3, "threshold": 0.5}}},
    }
    (project.folder / "own.yaml").write_text(yaml.safe_dump(own))
    return project


def label(project: Project, *more: str):
    return project.snakemake(LABELS, "--configfile", "config/world.yaml", "own.yaml", *more)


def test_it_labels_and_an_edit_of_its_meaning_labels_anew(project: Project) -> None:
    run = label(project)
    assert run.returncode == 0, run.stdout + run.stderr
    labels = pl.read_parquet(project.folder / LABELS).sort("query_id")
    assert labels.select("query_id", "label", "votes").rows() == [("rose", "red", 3), ("sky", None, 1)]

    verifier = project.folder.parent / "my verifiers" / "colours.py"
    verifier.write_text(VERIFIER + "\n# A remark.\n")
    plan = project.plan("--configfile", "config/world.yaml", "own.yaml", target=LABELS)
    assert plan == {}
    verifier.write_text(VERIFIER.replace('"blue")', '"blue", "green", "idea")'))
    plan = project.plan("--configfile", "config/world.yaml", "own.yaml", target=LABELS)
    assert plan == {"read_teacher_answers": 1, "label": 1}


def test_a_verifier_that_fails_is_one_line(project: Project) -> None:
    verifier = project.folder.parent / "my verifiers" / "colours.py"
    verifier.write_text("def reads(text):\n    return text\n")
    run = label(project)
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error:")]
    assert "datasets.colours.task" in line and "colours.py defines no `read`" in line
    verifier.write_text("def read(text):\n    return len(text)\n")
    run = label(project)
    log = project.folder / "logs/read_teacher_answers/dataset=colours/teacher=three/seed=0/round=1.log"
    assert run.returncode != 0 and log.read_text().splitlines()[-1].startswith("error: ")
    assert "read returned 10 for 'It is red.'; return a text, None or an Answer" in log.read_text()
