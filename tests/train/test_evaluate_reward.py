"""Table 9: which pairs count where, and rewards that do not depend on the batch."""

import json

import numpy as np
import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.evaluation.clusters import clustered
from scripts.lib.evaluation.intervals import wilson
from scripts.train.evaluate_reward import held_out_rewards, main, table9, teacher_over_wrong
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


def test_intervals_of_table_9_are_over_queries():
    """Twenty copies of the eight pairs: of 40 queries half win both of their pairs, half lose their only
    one."""
    names = [pl.format("{} {}", "query_id", pl.lit(copy)) for copy in range(20)]
    many = pl.concat(EIGHT.with_columns(query_id=name) for name in names)
    chosen = np.tile((EIGHT["query_id"] == "q1").to_numpy().astype(float), 20)
    found = table9(many, chosen, np.full(160, 0.5), 1.0)["student_over_wrong"]
    won = [("a", True), ("a", True), ("b", False)]
    rows = [(f"{query}{copy}", hit) for copy in range(20) for query, hit in won]
    own = clustered(pl.DataFrame(rows, schema=["query_id", "won"], orient="row"), "won")
    assert (found["low"], found["high"], found["n"]) == (own.low, own.high, 60)
    assert found["low"] < wilson(40, 60).low


def test_each_held_out_answer_has_its_reward_once():
    found = held_out_rewards(EIGHT, *scored(EIGHT))
    assert len(found) == 11 and found["query_id"].n_unique() == 3
    assert {(q, s, i): r for q, s, i, _, r in found.iter_rows()}["q1", "teacher", 1] == -0.1
    assert set(found.filter(query_id="q1", source="student", sample_id=0)["score"]) == {1.0}


def test_judged_scores_below_the_best_are_not_positive():
    judged = EIGHT.with_columns(chosen_score=pl.lit(4.0), rejected_score=pl.lit(3.0))
    zeros = np.zeros(8)
    found = table9(judged, zeros, zeros, 5.0)
    measures = ("teacher_over_wrong", "student_over_wrong", "teacher_over_student")
    assert {found[name]["n"] for name in measures} == {0}
    assert found["student_over_wrong"]["value"] is None and "NaN" not in json.dumps(found)


def test_held_out_pairs_are_scored_one_answer_at_a_time_whatever_the_batch(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("trl")
    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.training.reward import load_reward
    from tests.support.tiny import tiny_model

    model = tiny_model(tmp_path / "tiny")
    network, tokenizer = load_reward(str(model), None, seed=1), load_tokenizer(model)
    network.save_pretrained(tmp_path / "rm")
    tokenizer.save_pretrained(tmp_path / "rm")
    data = tmp_path / "data"
    given = write_training_data(data) | {
        "model": str(tmp_path / "rm"),
        "teacher_samples": [data / "teacher.parquet"],
        "student_samples": [data / "student.parquet"],
        "pairs": data / "held_out.parquet",
    }
    for name, tokens in (("a", 16_384), ("b", 1)):
        written = {"output": tmp_path / f"{name}.json", "output_rewards": tmp_path / f"{name}.parquet"}
        main(**given, **written, tokens_per_batch=tokens)
    found = json.loads((tmp_path / "a.json").read_text())
    assert found == json.loads((tmp_path / "b.json").read_text())
    assert [found[name]["n"] for name in ("teacher_over_wrong", "student_over_wrong")] == [2, 2]
    assert found["teacher_over_student"]["n"] == 2

    scores = scored_alone(network, tokenizer, given)
    held_out = tables.read(given["pairs"], tables.PAIRS).filter(pl.col("split") == "test")
    sides = [
        held_out.select("query_id", f"{side}_source", f"{side}_sample_id").rows()
        for side in ("chosen", "rejected")
    ]
    won = [scores[chosen] > scores[rejected] for chosen, rejected in zip(*sides, strict=True)]
    assert found["preference"]["value"] == sum(won) / 4 != 0.5
    answers = {*sides[0], *sides[1]}
    expected = pytest.approx({each: scores[each] for each in answers}, abs=1e-4)
    for name in ("a", "b"):
        rewards = tables.read(tmp_path / f"{name}.parquet", tables.HELD_OUT_REWARDS)
        assert {row[:3]: row[4] for row in rewards.iter_rows()} == expected
    right = [(scores[answer] > 0) == (answer[2] < 2) for answer in answers]
    assert found["cls"]["value"] == sum(right) / len(answers)


def scored_alone(network, tokenizer, given):
    """The reward of each sample, read at the end token of its text alone."""
    import torch

    from scripts.lib.models.prompts import PromptTemplate, render_ids

    asked = dict(tables.read(given["queries"], tables.QUERIES).select("query_id", "question").iter_rows())
    template, scores = PromptTemplate(given["prompt"], True), {}
    for source in ("teacher", "student"):
        samples = tables.read(given[f"{source}_samples"][0], tables.SAMPLES)
        for query, number, text in samples.select("query_id", "sample_id", "completion").iter_rows():
            ids = render_ids(tokenizer, template, asked[query])
            ids += [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
            with torch.no_grad():
                hidden = network.model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1]
            scores[query, source, number] = (hidden @ network.score.weight[0]).item()
    return scores
