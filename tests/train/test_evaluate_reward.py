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


FOUR = pairs(
    [
        ("q1", "student_student", "student", 0, 1.0, "student", 1, 0.0, "validation"),
        ("q1", "student_student", "student", 0, 1.0, "student", 2, 0.0, "validation"),
        ("q1", "teacher_student", "teacher", 0, 1.0, "student", 0, 1.0, "validation"),
        ("q2", "teacher_student", "teacher", 0, 1.0, "student", 0, 1.0, "validation"),
    ]
)


def test_the_teachers_right_meets_the_students_wrong():
    found = teacher_over_wrong(FOUR, 1.0)
    assert found.select("query_id", "chosen_source", "rejected_sample_id").rows() == [
        ("q1", "teacher", 1),
        ("q1", "teacher", 2),
    ]
    assert dict(found.schema) == tables.PAIRS


def test_table_9_by_hand():
    table = pl.concat([FOUR, teacher_over_wrong(FOUR, 1.0)])
    reward = {("student", 0): 0.5, ("student", 1): 0.2, ("student", 2): 0.9, ("teacher", 0): 0.7}
    chosen = np.array([reward[key] for key in table.select("chosen_source", "chosen_sample_id").rows()])
    rejected = np.array([reward[key] for key in table.select("rejected_source", "rejected_sample_id").rows()])
    found = table9(table, chosen, rejected, 1.0)
    assert {name: (row["value"], row["n"], row["queries"]) for name, row in found.items()} == {
        "pos_neg_teacher": (0.5, 2, 1),
        "pos_neg_student": (0.5, 2, 1),
        "pos_neg": (0.5, 4, 1),
        "pos_pos": (1.0, 2, 2),
        "preference": (0.75, 4, 2),
        "cls": (pytest.approx(4 / 6), 6, 2),
    }
    assert all(row["low"] <= row["value"] <= row["high"] for row in found.values())


def test_judged_scores_below_the_best_are_not_positive():
    judged = FOUR.with_columns(chosen_score=pl.lit(4.0), rejected_score=pl.lit(3.0))
    zeros = np.zeros(4)
    found = table9(judged, zeros, zeros, 5.0)
    assert {found[name]["n"] for name in ("pos_neg", "pos_pos")} == {0}
    assert found["pos_neg"]["value"] is None and "NaN" not in json.dumps(found)


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
        "pairs": data / "pairs.parquet",
    }
    main(**given, output=tmp_path / "a.json")
    main(**given, output=tmp_path / "b.json", tokens_per_batch=1)
    found = json.loads((tmp_path / "a.json").read_text())
    assert found == json.loads((tmp_path / "b.json").read_text())
    assert (found["pos_pos"]["n"], found["pos_neg_student"]["n"], found["pos_neg_teacher"]["n"]) == (2, 2, 2)
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
