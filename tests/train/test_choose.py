"""A judge's choice among candidates: every candidate is held against the same questions."""

import json
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.errors import UserError
from scripts.train.choose import main, scores
from tests.support.steps import call

SCORES = {
    # question: the scores of candidates 0, 2 and 4
    "a": (1.0, 4.0, 4.0),
    "b": (2.0, 5.0, 4.0),
    "c": (3.0, 3.0, 4.0),
    "d": (5.0, None, 5.0),
}


def grades(scores: dict) -> pl.DataFrame:
    rows = [
        (name, at, "valid", "ok", score)
        for name, row in scores.items()
        for at, score in zip((0, 2, 4), row, strict=True)
    ]
    return pl.DataFrame(rows, schema=tables.GRADES, orient="row")


def test_a_question_without_every_score_does_not_count() -> None:
    table = scores(grades(SCORES))
    assert table["candidate"].to_list() == [0, 2, 4]
    assert table["score"].to_list() == [2.0, 4.0, 4.0] and set(table["n"]) == {3}
    half = 1.959964 / 3**0.5  # a and c differ by 2: a deviation of 1
    assert table["low"].to_list() == pytest.approx([2 - half, 4 - half, 4.0])
    assert table["high"].to_list() == pytest.approx([2 + half, 4 + half, 4.0])


def test_without_a_common_question_nothing_is_chosen() -> None:
    with pytest.raises(UserError, match="no validation question has a judge's score of every candidate"):
        scores(grades({"d": SCORES["d"]}))


def write(folder: Path, prefix: str, step: str) -> dict[str, Path]:
    tables.write(grades(SCORES), folder / "grades.parquet", tables.GRADES)
    for number in (0, 2, 4):
        place = folder / f"candidates/candidate={number}"
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
        (place / "model.safetensors").write_text(str(number))
    (folder / "candidates/README.md").write_text("# Student\n")
    rows = [{step: number, f"{prefix}valid": 1.0, f"{prefix}n": 4} for number in (0, 2, 4)]
    rows.insert(1, {step: 1, "loss": 0.5})
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {
        "candidates": folder / "candidates",
        "grades": folder / "grades.parquet",
        "log": folder / "log.jsonl",
        "output": folder / "checkpoint",
        "identity": folder / "identity.json",
        "metrics": folder / "metrics.jsonl",
    }


@pytest.mark.parametrize(("prefix", "step"), [("validation_", "iteration"), ("eval_", "step")])
def test_the_first_of_the_best_is_published_with_its_scores(tmp_path, capsys, prefix, step) -> None:
    call(main, **write(tmp_path, prefix, step))
    assert (tmp_path / "checkpoint/model.safetensors").read_text() == "2"
    assert json.loads((tmp_path / "identity.json").read_text())["identity"].startswith("sha256:")
    card = (tmp_path / "checkpoint/README.md").read_text()
    told = "the judge's mean score 4.00 of 5 on 3 questions (95 % interval 2.87 to 5.13), "
    told += "2 of 3 candidates within it"
    assert card.startswith("# Student\n") and f"The weights are those of {step} 2, chosen by {told}." in card
    assert "| 0 | 2.0000 |\n| 2 | 4.0000 |\n| 4 | 4.0000 |" in card
    said = capsys.readouterr().out
    assert f"chosen: {step} 2, by {told}" in said and "warning: 3 validation questions" in said
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row.get(f"{prefix}score") for row in rows] == [2.0, None, 4.0, 4.0]
    assert rows[1] == {step: 1, "loss": 0.5} and rows[0][f"{prefix}n"] == 3
