"""What a page was made from: the run's snapshot, not the day's, and every file and model by its content."""

import hashlib
import json
from dataclasses import replace

import pytest

from scripts.lib.process.cli import SNAPSHOT
from scripts.lib.report.results_file import results_file
from scripts.lib.report.sections.headline import headline
from scripts.lib.report.sections.provenance import section
from scripts.lib.report.study import Study, read_study
from scripts.lib.workflow.snapshot import Snapshot
from tests.support.report_fixture import make_study


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    folder = tmp_path_factory.mktemp("study")
    return read_study(make_study(folder, (0, 3), 10, 10, accuracy={"sft": 0.6, "ours": 0.9, "teacher": 0.7}))


def code(study: Study) -> dict[str, str]:
    table, *_ = section(study).content
    return {row[0].text: row[1].text for row in table.groups[0].rows}


def test_the_commit_is_that_of_the_run_and_what_had_changed_is_named(study, tmp_path, monkeypatch):
    monkeypatch.setenv(SNAPSHOT, "")  # which `write` sets
    Snapshot({}, {}, commit="c0ffee", changed=["scripts/a.py", "config/world.yaml"]).write(
        tmp_path / "run.json"
    )
    run = replace(study)
    found = code(run)
    assert (found["Commit"], found["Changed since"]) == ("c0ffee", "scripts/a.py, config/world.yaml")
    assert found["Seeds"] == "0, 3" and found["python"].startswith("3.")
    said = results_file(run, headline(run), [], []).provenance
    assert (said.commit, said.changed) == ("c0ffee", ["scripts/a.py", "config/world.yaml"])


def test_without_a_run_the_commit_is_not_known(study, monkeypatch):
    monkeypatch.delenv(SNAPSHOT, raising=False)
    found = code(replace(study))
    assert found["Commit"] == found["Changed since"] == "not known"


def test_questions_and_models_stand_there_by_their_content(study):
    _, files, models, config = section(replace(study)).content
    chain = study.chains[0]
    digest = hashlib.sha256(chain.queries.read_bytes()).hexdigest()
    assert any(line.split()[0] == digest for line in files.text.splitlines())
    assert len(files.text.splitlines()) == 8, "queries and golds of training and test, two seeds"
    lines = models.text.splitlines()
    assert "world: tiny → tiny, reward model ours, seed 3: sha256:ours" in lines
    assert "world: tiny → tiny, Ours, seed 0: tiny" in lines and len(lines) == 2 * (2 + 3)
    assert json.loads(config.text) == study.config and all(each.fold for each in (files, models, config))
