"""The shape of a study: what is written is read, and nothing else is."""

import json
from pathlib import Path

import pytest

from scripts.lib.errors import UserError
from scripts.lib.report.study import read_study
from tests.support.report_fixture import make_study


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return make_study(tmp_path_factory.mktemp("study"), seeds=(0,), train=10, test=10)


def test_what_is_written_is_read(manifest, tmp_path):
    study = read_study(manifest)
    study.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == manifest.read_bytes()


def test_its_files_are_all_it_names_but_what_jobs_left(manifest):
    study = read_study(manifest)
    files = set(study.files())
    chain, run = study.chains[0], study.evaluations[0]
    for path in (run.scores, run.samples, chain.golds, chain.rewards[0].funnel, chain.trainings[0].log):
        assert str(path) in files
    assert {str(each.file) for each in study.ledgers} < files
    assert not {str(each.benchmark) for each in study.jobs} & files
    assert str(study.published) in files
    assert all(Path(path).is_file() for path in files)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda study: study["chains"][0].pop("task"), "chains.0.task: Field required"),
        (lambda study: study["evaluations"][0].update(seed="one"), "evaluations.0.seed: "),
        (lambda study: study.update(steps=[]), "steps: Unexpected"),
    ],
)
def test_another_shape_is_refused_by_name(manifest, tmp_path, change, said):
    study = json.loads(manifest.read_text())
    change(study)
    (tmp_path / "manifest.json").write_text(json.dumps(study))
    with pytest.raises(UserError, match=said):
        read_study(tmp_path / "manifest.json")
