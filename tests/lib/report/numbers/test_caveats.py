"""What a table says of its own weakness, and what it does not say where there is none."""

import json
from pathlib import Path

import pytest

from scripts.lib.report.numbers.caveats import caveats, missing_seeds
from scripts.lib.report.numbers.results import scoreboards
from scripts.lib.report.study import read_study
from tests.support.report_fixture import make_study


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    accuracy = {"sft": 0.7, "ours": 0.9}
    return make_study(tmp_path_factory.mktemp("study"), seeds=(0, 1, 2), train=5, test=400, accuracy=accuracy)


def said(manifest: Path, folder: Path, change=lambda study: None) -> list[str]:
    study = json.loads(manifest.read_text(encoding="utf-8"))
    change(study)
    path = folder / "manifest.json"
    path.write_text(json.dumps(study), encoding="utf-8")
    found = read_study(path)
    return caveats(found, scoreboards(found))


def test_a_sound_table_says_nothing(manifest, tmp_path):
    assert said(manifest, tmp_path) == []


def test_a_missing_seed_is_named_once_with_its_variant(manifest, tmp_path):
    def lose(study):
        study["evaluations"] = [
            run for run in study["evaluations"] if run["variant"] == "sft" or run["seed"] == 1
        ]

    assert said(manifest, tmp_path, lose) == ["Missing seeds: Ours lacks 0, 2."]


def test_a_group_that_has_fewer_seeds_than_another_is_named(tmp_path):
    """All of its variants lack the seed: within the group nothing is missing."""
    settings = (("world", "large", "small"), ("world", "tiny", "small"))
    accuracy = {"sft": 0.7, "ours": 0.9}
    made = make_study(tmp_path, (0, 1), train=5, test=400, settings=settings, accuracy=accuracy)

    def lose(study):
        study["evaluations"] = [
            run for run in study["evaluations"] if (run["teacher"], run["seed"]) != ("tiny", 1)
        ]

    assert said(made, tmp_path, lose) == ["Missing seeds: world: tiny → small lacks 1."]


def test_a_seed_that_is_missing_on_one_benchmark_is_named_with_it(manifest, tmp_path):
    def other(study):
        more = [run | {"benchmark": "other"} for run in study["evaluations"] if run["seed"] < 2]
        study["evaluations"] += more

    assert said(manifest, tmp_path, other) == ["Missing seeds: world: tiny → tiny, other lacks 2."]


def test_seeds_of_its_like_are_missed_in_a_table():
    found = [("a", "x", 0), ("a", "y", 0), ("a", "y", 1), ("b", "x", 0)]
    assert missing_seeds(found) == ["Missing seeds: x lacks 1; b lacks 1."]
    assert missing_seeds(found, [2]) == ["Missing seeds: a lacks 2; x lacks 1; b lacks 1, 2."]
    assert missing_seeds([]) == []


def test_answers_of_another_version_are_named(manifest, tmp_path):
    def mix(study):
        first = study["evaluations"][0]
        told = json.loads(Path(first["ledger"]).read_text(encoding="utf-8"))
        other = tmp_path / "ledger.json"
        other.write_text(
            json.dumps(told | {"versions": {"transformers": "4.0", "torch": "2.13.0"}}), encoding="utf-8"
        )
        first["ledger"] = str(other)

    (sentence,) = said(manifest, tmp_path, mix)
    assert sentence == (
        "Mixed versions answered the questions: transformers (torch 2.13.0, transformers 4.0): SFT; "
        "transformers (torch 2.13.0, transformers 5.19.0): Ours, SFT."
    )


@pytest.mark.parametrize(("questions", "few"), [(399, True), (80, True), (400, False)])
def test_few_questions_say_how_far_they_tell(tmp_path, questions, few):
    study = read_study(
        make_study(tmp_path, seeds=(0,), train=5, test=questions, accuracy={"sft": 0.7, "ours": 0.9})
    )
    found = caveats(study, scoreboards(study))
    points = {399: 5, 80: 11}
    wanted = (
        f"Few questions: {questions} tell an accuracy near 50 % to within {points.get(questions)} points."
    )
    assert found == ([wanted] if few else [])
