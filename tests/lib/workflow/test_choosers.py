"""Golds or votes: who chooses checkpoints, by the config and the columns of the questions."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import read
from scripts.lib.errors import UserError
from scripts.lib.workflow.choosers import decided
from scripts.lib.workflow.layout import Layout

ROW = {"dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-1b", "variant": "ours", "seed": 0}


@pytest.fixture
def paper() -> dict:
    return read(Path("config/paper.yaml"))


def chosen_by(raw: dict, dataset: str = "gsm8k") -> str | None:
    return decided(parse(raw)).datasets[dataset].chosen_by


@pytest.mark.parametrize(
    ("row", "keys", "expected"),
    [
        ('{"question": "1?", "answer": "1"}', {}, "golds"),
        ('{"question": "1?", "gold": "1"}', {}, "golds"),
        ('{"question": "1?", "answers": "1"}', {}, "votes"),
        ('{"question": "1?", "key": "1"}', {"answer_column": "key"}, "golds"),
        ('{"question": "1?", "answer": "1"}', {"answer_column": "key"}, "votes"),
        ('{"question": "1?", "answer": "1"}', {"chosen_by": "votes"}, "votes"),
        ('{"question": "1?"}', {"chosen_by": "golds"}, "golds"),
    ],
)
def test_the_columns_say_unless_the_config_does(paper, tmp_path, row, keys, expected) -> None:
    (tmp_path / "mine.jsonl").write_text(row + "\n")
    paper["datasets"]["gsm8k"] |= {"queries": str(tmp_path / "mine.jsonl")} | keys
    assert chosen_by(paper) == expected


def test_a_file_from_the_hub_has_golds_whether_it_is_there_or_not(paper, tmp_path) -> None:
    """It comes while the run goes on, and each job of the run asks anew."""
    name = Path(paper["datasets"]["gsm8k"]["queries"]).name
    assert chosen_by(paper) == "golds"
    (tmp_path / name).write_text('{"question": "1?"}\n')
    paper["datasets"]["gsm8k"]["queries"] = str(tmp_path / name)
    assert chosen_by(paper) == "golds"


def test_where_a_judge_scores_nobody_votes(paper) -> None:
    assert chosen_by(paper, "ultrafeedback") is None
    paper["datasets"]["ultrafeedback"]["chosen_by"] = "votes"
    with pytest.raises(UserError, match="chosen_by is for answers that can be compared; drop it"):
        parse(paper)


def test_validation_samples_have_the_rounds_of_the_training_ones(paper) -> None:
    paper["datasets"]["gsm8k"]["chosen_by"] = "votes"
    layout = Layout(decided(parse(paper)))
    chain = "dataset=gsm8k/teacher=llama3-70b/seed=0"
    assert layout.voted_on("gsm8k") and not layout.voted_on("ultrafeedback")
    assert layout.validation_samples(ROW) == [
        f"results/validation_samples/{chain}/round={number}/samples.parquet" for number in (1, 2)
    ]
    assert layout.validation_answers(ROW) == [
        f"results/validation_answers/{chain}/round={number}/answers.parquet" for number in (1, 2)
    ]
    assert layout.validation_labels(ROW) == f"results/validation_labels/{chain}/labels.parquet"
