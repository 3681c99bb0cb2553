"""The files that name a training: another one of them trains anew."""

from pathlib import Path

from scripts.lib.training.flags import Distillation, Preferences, Validation

ASKED = {"validation": Path("asked"), "task": "numeric"}


def test_a_validation_is_its_questions_and_what_they_are_held_against() -> None:
    for held in ({}, {"validation_golds": Path("golds")}, {"validation_labels": Path("votes")}):
        assert Validation(**ASKED, **held).validation_files == [Path("asked"), *held.values()]


def test_preferences_are_every_samples_file_and_the_pairs() -> None:
    teacher, student = [Path("1"), Path("2")], [Path("3")]
    assert Preferences(teacher, student, Path("pairs")).files == [*teacher, *student, Path("pairs")]


def test_a_distillation_is_its_labels_pairs_and_validation() -> None:
    data = Distillation(
        **ASKED,
        validation_golds=Path("golds"),
        labels=Path("labels"),
        pairs=[Path("pairs"), Path("held out")],
    )
    named = ("labels", "pairs", "held out", "asked", "golds")
    assert data.files == [Path(name) for name in named]
