"""What a run began with is what its jobs work from; what cannot be so ends a step in one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.lib.config.check import parse, rows
from scripts.lib.config.layers import read
from scripts.lib.config.whole import Config
from scripts.lib.errors import UserError
from scripts.lib.process.cli import SNAPSHOT
from scripts.lib.workflow import snapshot
from scripts.lib.workflow.choosers import decided
from scripts.lib.workflow.matched import matched
from scripts.lib.workflow.sizes import sized
from scripts.lib.workflow.snapshot import Snapshot, hold, join

ROOT = Path(__file__).resolve().parents[3]
STEP = "scripts.label.label"


@pytest.fixture
def began(tmp_path, monkeypatch):
    """A run's snapshot, in a folder with a prompt, a verifier and a fetched file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    for name in ("config/prompts/mine.jinja", "verifiers/mine.py", "data/fetched.csv", "large.csv"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("x = 1\n", encoding="utf-8")
    monkeypatch.setattr(snapshot, "LARGEST", 100)
    Path("large.csv").write_text("x" * 101, encoding="utf-8")
    config = {
        "downloads": {"fetched.csv": {}},
        "datasets": {"mine": {"task": "verifiers/mine.py", "queries": ["data/fetched.csv", "large.csv"]}},
        "note": "x" * 5000,
    }
    found = Snapshot.take(config, {"mine": [{"seed": 0}]})
    found.fingerprint(STEP)
    found.write()
    return found


@pytest.mark.parametrize("file", ["config/world.yaml", "config/paper.yaml"])
def test_a_job_gets_the_config_that_the_run_resolved(file, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    config = decided(sized(parse(read(Path(file)))))
    studies = {study: rows(config, study) for study in config.studies}
    config = matched(config, [row for table in studies.values() for row in table])
    Snapshot.take(config.model_dump(mode="json"), studies).write(tmp_path / "snapshot.json")
    found = join(tmp_path / "snapshot.json")
    assert Config.model_validate(found.config) == config and found.studies == studies


def test_files_that_no_job_makes_are_held(began):
    assert set(began.files) == {"config/prompts/mine.jinja", "verifiers/mine.py"}


@pytest.mark.parametrize(
    ("file", "text", "words", "holds"),
    [
        ("config/prompts/mine.jinja", "x = 2\n", ["--prompt", "config/prompts/mine.jinja"], False),
        ("config/prompts/mine.jinja", "x = 2\n", ["--prompt", "config/prompts/other.jinja"], True),
        ("config/prompts/mine.jinja", None, ["--prompt", "config/prompts/mine.jinja"], False),
        ("verifiers/mine.py", "x = 2\n", ["--config", '{"task": "verifiers/mine.py"}'], False),
        ("verifiers/mine.py", "x = 1  # one\n", ["--task", "verifiers/mine.py"], True),
        ("verifiers/mine.py", "x = (\n", ["--task", "verifiers/mine.py"], False),
        ("data/fetched.csv", "x = 2\n", ["--queries", "data/fetched.csv"], True),
    ],
)
def test_a_step_of_which_a_file_has_changed_ends_in_one_line(began, file, text, words, holds):
    hold(snapshot.FILE, words, STEP)
    Path(file).write_text(text, encoding="utf-8") if text else Path(file).unlink()
    if holds:
        hold(snapshot.FILE, words, STEP)
    else:
        with pytest.raises(UserError, match=f"^{file} has changed since this run began; undo that, or run"):
            hold(snapshot.FILE, words)


def test_a_step_whose_code_has_changed_ends_in_one_line(began):
    began.code[STEP] = "other"
    began.write()
    hold(snapshot.FILE, [], "scripts.label.grade")  # which this run asks nothing of
    hold(snapshot.FILE, [])
    with pytest.raises(UserError, match="^scripts.label.label has changed since this run began"):
        hold(snapshot.FILE, [], STEP)


def test_a_job_whose_rules_have_changed_ends_in_one_line(began):
    began.rules["rules/train.smk"] = "other"
    began.write()
    with pytest.raises(UserError, match="^rules/train.smk has changed since this run began"):
        join()


def test_without_what_snakemake_remembers_nothing_is_held(began):
    snapshot.FILE.unlink()
    assert join() is None
    hold(snapshot.FILE, ["config/prompts/mine.jinja"], STEP)


@pytest.mark.parametrize(
    ("edit", "said"), [("", "used "), ("Path('prompt.jinja').write_text('b')", "error: prompt.jinja has ch")]
)
def test_a_file_that_changes_under_a_step_ends_it(began, edit, said):
    """It may have been read before or after."""
    Path("prompt.jinja").write_text("a", encoding="utf-8")
    Snapshot.take({"prompt": "prompt.jinja"}, {}).write()
    code = (
        "from pathlib import Path\nfrom scripts.lib.process.cli import cli\n"
        f"def main(prompt: Path) -> None:\n    {edit or 'pass'}\ncli(main)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--prompt", "prompt.jinja"],
        env=os.environ | {"PYTHONPATH": str(ROOT), SNAPSHOT: os.environ[SNAPSHOT]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith(said) and len(done.stderr.splitlines()) == 1
    assert done.returncode == (2 if edit else 0)


def test_the_commit_is_that_of_this_repository_with_what_differs(tmp_path, monkeypatch):
    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *words], check=True, capture_output=True)

    monkeypatch.setattr(snapshot, "ROOT", tmp_path)
    assert snapshot._commit() == ("", []), "no repository"
    git("init", "-q")
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n", encoding="utf-8")
    git("add", ".")
    git("commit", "-qm", "one")
    commit, changed = snapshot._commit()
    assert len(commit) == 40 and changed == []
    (tmp_path / "b.py").write_text("x = 2\n", encoding="utf-8")
    (tmp_path / "results").mkdir()
    assert snapshot._commit() == (commit, ["b.py"])
    monkeypatch.setattr(snapshot, "ROOT", tmp_path / "results")
    assert snapshot._commit() == ("", []), "another project's repository around this one"
