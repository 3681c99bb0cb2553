"""Table 9: which pairs count where, and rewards that do not depend on the batch."""

import json

import numpy as np
import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.train.evaluate_reward import main, table9, teacher_over_wrong
from tests.support.training_data import write_training_data


def pairs(rows):
    return pl.DataFrame(rows, schema=tables.PAIRS, orient="row")


EIGHT = pairs(
    [
        ("q1", "student_student", "student", 0, 1.0, "student", 1, 0.0, "validation"),
        ("q1", "student_student", "student", 0, 1.0, "student", 2, 0.0, "validation"),
        ("q1", "teacher_student", "teacher", 0, 1.0, "student", 0, 1.0, "validation"),
        ("q1", "teacher_student", "teacher", 1, 1.0, "student", 0, 1.0, "validation"),
        ("q2", "student_student", "student", 0, 1.0, "student", 1, 0.0, "validation"),
        ("q2", "teacher_student", "teacher", 0, 1.0, "student", 0, 1.0, "validation"),
        ("q2", "teacher_student", "teacher", 1, 1.0, "student", 0, 1.0, "validation"),
        ("q3", "student_student", "student", 0, 0.5, "student", 1, 0.0, "validation"),
    ]
)
REWARDS = {
    "q1": {"student": [0.5, 0.2, 0.9], "teacher": [0.7, -0.1]},
    "q2": {"student": [-0.4, -0.6], "teacher": [-0.5, 1.0]},
    "q3": {"student": [0.3, 0.3]},
}


def scored(table):
    return (
        np.array([REWARDS[q][source][at] for q, source, at in table.select("query_id", *side).iter_rows()])
        for side in (("chosen_source", "chosen_sample_id"), ("rejected_source", "rejected_sample_id"))
    )


def test_the_teachers_right_meets_the_students_wrong():
    found = teacher_over_wrong(EIGHT, 1.0)
    assert found.select("query_id", "chosen_source", "chosen_sample_id", "rejected_sample_id").rows() == [
        ("q1", "teacher", 0, 1),
        ("q1", "teacher", 0, 2),
        ("q1", "teacher", 1, 1),
        ("q1", "teacher", 1, 2),
        ("q2", "teacher", 0, 1),
        ("q2", "teacher", 1, 1),
    ]
    assert dict(found.schema) == tables.PAIRS


def test_table_9_by_hand():
    table = pl.concat([EIGHT, teacher_over_wrong(EIGHT, 1.0)])
    found = table9(table, *scored(table), 1.0)
    assert {name: (row["value"], row["n"], row["queries"]) for name, row in found.items()} == {
        "teacher_over_wrong": (3 / 6, 6, 2),
        "student_over_wrong": (pytest.approx(2 / 3), 3, 2),
        "teacher_over_student": (2 / 4, 4, 2),
        "preference": (4 / 8, 8, 3),
        "cls": (pytest.approx(4 / 11), 11, 3),
    }
    assert found["cls"]["majority"] == pytest.approx(6 / 11), "right answers are more"
    fewer = table.filter(pl.col("query_id") != "q2")
    assert table9(fewer, *scored(fewer), 1.0)["cls"]["majority"] == pytest.approx(4 / 7), "wrong ones are"
    assert all(row["low"] <= row["value"] <= row["high"] for row in found.values())


def test_judged_scores_below_the_best_are_not_positive():
    judged = EIGHT.with_columns(chosen_score=pl.lit(4.0), rejected_score=pl.lit(3.0))
    zeros = np.zeros(8)
    found = table9(judged, zeros, zeros, 5.0)
    measures = ("teacher_over_wrong", "student_over_wrong", "teacher_over_student")
    assert {found[name]["n"] for name in measures} == {0}
    assert found["student_over_wrong"]["value"] is None and "NaN" not in json.dumps(found)


def test_rewards_do_not_depend_on_the_batch(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("trl")
    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.reward import load_reward
    from tests.support.tiny import tiny_model

    model = tiny_model(tmp_path / "tiny")
    network, tokenizer = load_reward(str(model), None, 0, seed=1), load_tokenizer(model)
    network.save_pretrained(tmp_path / "rm")
    tokenizer.save_pretrained(tmp_path / "rm")
    data = tmp_path / "data"
    given = write_training_data(data) | {
        "model": str(tmp_path / "rm"),
        "teacher_samples": [data / "teacher.parquet"],
        "student_samples": [data / "student.parquet"],
        "pairs": data / "held_out.parquet",
    }
    main(**given, output=tmp_path / "a.json")
    main(**given, output=tmp_path / "b.json", tokens_per_batch=1)
    found = json.loads((tmp_path / "a.json").read_text())
    assert found == json.loads((tmp_path / "b.json").read_text())
    assert [found[name]["n"] for name in ("teacher_over_wrong", "student_over_wrong")] == [2, 2]
    assert found["teacher_over_student"]["n"] == 2
    with torch.inference_mode():
        row = read_one(given, tokenizer)
        alone = network(input_ids=torch.tensor([row])).logits[0, 0]
        padded = network(
            input_ids=torch.tensor([row + [0] * 5]), attention_mask=torch.tensor([[1] * len(row) + [0] * 5])
        ).logits[0, 0]
    assert alone.item() == pytest.approx(padded.item(), rel=1e-4)


def read_one(given, tokenizer):
    from scripts.lib.models.prompts import PromptTemplate, render_ids

    question = tables.read(given["queries"], tables.QUERIES)["question"][0]
    prompt = render_ids(tokenizer, PromptTemplate(given["prompt"], True), question)
    return prompt + tokenizer("The answer is 1 .", add_special_tokens=False)["input_ids"] + [2]
