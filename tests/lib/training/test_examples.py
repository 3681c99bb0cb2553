"""Examples as ids: what is kept, what is counted, and which tokens end a completion."""

from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.errors import UserError
from scripts.lib.models.thoughts import ThoughtForm
from scripts.lib.training.examples import (
    answers_to_learn,
    closed,
    completion_ids,
    demonstrations,
    fitting,
    load_answers,
    load_pairs,
    prompt_ids,
    ragged,
    splits,
)


class Words:
    """A tokenizer of four words."""

    eos_token_id = 9
    chat_template = None

    def __call__(self, text, **_):
        one = isinstance(text, str)
        ids = [["abcd".index(word) for word in row.split()] for row in ([text] if one else text)]
        return {"input_ids": ids[0] if one else ids}


def samples(rows):
    table = pl.DataFrame(rows, schema=["query_id", "sample_id", "completion", "finish_reason"], orient="row")
    return table.with_columns(
        pl.col("sample_id").cast(pl.Int32), num_tokens=pl.lit(1), temperature=pl.lit(1.0), round=pl.lit(1)
    )


TEACHER = samples(
    [("q1", 0, "a b", "stop"), ("q1", 1, "c", "stop"), ("q1", 2, "d", "length"), ("q2", 0, "b", "stop")]
    + [("q2", 1, " \n", "stop")]
)
GRADES = pl.DataFrame({"query_id": ["q1", "q1", "q1"], "sample_id": [0, 1, 2], "score": [1.0, 0.0, 1.0]})


def test_ragged_keeps_rows():
    rows = [[1, 2], [], [3]]
    packed = ragged(rows)
    assert [packed[i] for i in range(3)] == rows
    assert packed.lengths.tolist() == [2, 0, 1]
    assert len(ragged([])) == 0


def test_the_end_token_follows_what_ended():
    assert (closed([4, 5], True, 9), closed([4, 5], False, 9)) == ([4, 5, 9], [4, 5])
    ids = completion_ids(Words(), TEACHER["completion"], TEACHER["finish_reason"])
    assert [ids[i] for i in range(4)] == [[0, 1, 9], [2, 9], [3], [1, 9]]


def test_all_answers_leave_out_what_was_cut_off_and_empty():
    kept, counts = answers_to_learn(TEACHER, None, 0)
    assert kept["completion"].to_list() == ["a b", "c", "b"]
    assert counts == {"samples": 5, "cut_off": 1, "empty": 1, "repeated": 0, "over_answers_per_query": 0}


def test_good_answers_are_those_of_the_best_score():
    kept, counts = answers_to_learn(TEACHER, GRADES, 10)
    assert kept["completion"].to_list() == ["a b"]
    assert counts["not_best"] == 2
    judged = GRADES.with_columns(score=pl.Series([3.0, 5.0, 0.0]))
    assert answers_to_learn(TEACHER, judged, 10)[0]["completion"].to_list() == ["c"]


GRID = [(0.0, ["a"]), (0.1, ["a", " a", "b", "c", "d"]), (0.2, ["b ", "d a"]), (0.3, ["a", "b d", "c d"])]
"""A query's completions by temperature: seven distinct texts, four of them new at 0.1 or below."""


def grid(query: str = "q1") -> pl.DataFrame:
    rows = [(heat, text) for heat, texts in GRID for text in texts]
    table = samples([(query, at, text, "stop") for at, (_, text) in enumerate(rows)])
    return table.with_columns(temperature=pl.Series([heat for heat, _ in rows]))


def test_equal_texts_are_one_answer():
    """Eq. 2 is a set; the text is learnt as its first sample has it."""
    kept, counts = answers_to_learn(grid().reverse(), None, 0)
    assert kept["sample_id"].to_list() == [0, 3, 4, 5, 7, 9, 10]
    assert kept["completion"].to_list() == ["a", "b", "c", "d", "d a", "b d", "c d"]
    assert counts == {"samples": 11, "cut_off": 0, "empty": 0, "repeated": 4, "over_answers_per_query": 0}
    two, counts = answers_to_learn(pl.concat([grid(), grid("q2")]), None, 0)
    assert two.height == 14 and counts["repeated"] == 8


def test_thoughts_are_learnt_on_demand_before_their_replies():
    table = samples([("q1", 0, "a", "stop"), ("q1", 1, "a", "stop"), ("q1", 2, "a", "stop")])
    table = table.with_columns(reasoning=pl.Series(["b", "b", "c d"]))
    assert answers_to_learn(table, None, 0)[0].height == 1
    kept, counts = answers_to_learn(table, None, 0, thoughts=True)
    assert (kept["reasoning"].to_list(), counts["repeated"]) == (["b", "c d"], 1)
    form = ThoughtForm("d ", " d ")
    ids = completion_ids(Words(), kept["completion"], kept["finish_reason"], form, kept["reasoning"])
    assert [ids[i] for i in range(2)] == [[3, 1, 3, 0, 9], [3, 2, 3, 3, 0, 9]]
    plain = completion_ids(Words(), kept["completion"], kept["finish_reason"], form)
    assert plain[0] == [0, 9]
    closed_first = completion_ids(
        Words(), kept["completion"], kept["finish_reason"], form._replace(opened=True)
    )
    assert closed_first[0] == [3, 0, 9]
    with pytest.raises(UserError, match="learn_reasoning"):
        answers_to_learn(table.with_columns(reasoning=pl.lit(None, pl.String)), None, 0, thoughts=True)


def test_fewer_answers_are_spread_over_the_temperatures_and_nested():
    found = {most: answers_to_learn(grid(), None, most)[0] for most in range(1, 9)}
    heats = {most: table["temperature"].to_list() for most, table in found.items()}
    assert heats[1] == [0.0] and heats[4] == [0.0, 0.1, 0.2, 0.3] and heats[5] == [0.0, 0.1, 0.1, 0.2, 0.3]
    assert heats[6] == [0.0, 0.1, 0.1, 0.2, 0.3, 0.3] and len(heats[7]) == len(heats[8]) == 7
    for most in range(1, 8):
        assert found[most].join(found[most + 1], on="sample_id", how="anti").is_empty()
    assert answers_to_learn(grid(), None, 5)[1]["over_answers_per_query"] == 2


def test_within_a_temperature_a_hash_decides():
    """Not the first: over many queries each of a temperature's four answers comes about as often."""
    names = [f"q{number}" for number in range(400)]
    many = samples([(name, at, text, "stop") for name in names for at, text in enumerate("abcd")])
    chosen = answers_to_learn(many, None, 1)[0]
    counts = chosen.group_by("sample_id").len()["len"].to_list()
    assert len(counts) == 4 and min(counts) > 70
    alone = answers_to_learn(many.filter(pl.col("query_id") == "q7"), None, 1)[0]
    assert alone["sample_id"][0] == chosen.filter(pl.col("query_id") == "q7")["sample_id"][0]


def test_nothing_right_is_one_line():
    with pytest.raises(UserError, match="graded right"):
        answers_to_learn(TEACHER, GRADES.with_columns(score=0.0), 10)


def test_a_prompt_shows_a_question_its_options_and_its_shots(tmp_path):
    from scripts.lib.models.prompts import PromptTemplate

    (tmp_path / "p.jinja").write_text("{{ shots[0].answer }} {{ options[0] }} {{ question }}")
    shots = [[{"answer": "a"}], [{"answer": "d"}]]
    table = pl.DataFrame({"question": ["c", "a"], "options": [["b"], ["b"]], "shots": shots})
    found = prompt_ids(Words(), PromptTemplate(tmp_path / "p.jinja", chat=False), table)
    assert found == [[0, 1, 2], [3, 1, 0]]


QUERIES = pl.DataFrame(
    {"query_id": ["q0", "q1", "q2"], "question": ["b", "c d", "a"], "options": [[], [], []], "shots": None}
)


@pytest.fixture
def template(tmp_path):
    from scripts.lib.models.prompts import PromptTemplate

    (tmp_path / "p.jinja").write_text("{{ question }}")
    return PromptTemplate(tmp_path / "p.jinja", chat=False)


def test_answers_point_at_their_prompts(template):
    kept = answers_to_learn(TEACHER, None, 0)[0].reverse()
    found = load_answers(Words(), template, QUERIES, kept)
    assert [found[row] for row in range(3)] == [([0], [1, 9]), ([2, 3], [2, 9]), ([2, 3], [0, 1, 9])]
    assert (len(found.prompts), found.lengths().tolist()) == (2, [3, 4, 5])
    some = found.rows(found.lengths() <= 4)
    assert [some[row] for row in range(len(some))] == [([0], [1, 9]), ([2, 3], [2, 9])]
    assert some.table["query_id"].to_list() == ["q2", "q1"] and some.lengths().tolist() == [3, 4]


def test_long_answers_are_left_out_and_counted(template, monkeypatch):
    monkeypatch.setattr(tables, "read_many", lambda *_: TEACHER)
    monkeypatch.setattr(tables, "read", lambda *_: QUERIES)

    def learnt(max_length):
        given = {"answers_per_query": 0, "max_length": max_length}
        return demonstrations(Path("q"), [], None, Words(), template, **given)

    assert [learnt(size)[1]["over_max_length"] for size in (None, 5, 4, 3)] == [0, 0, 1, 2]
    answers, counts = learnt(3)
    assert answers[0] == ([0], [1, 9]) and counts["learnt"] == len(answers) == 1 and counts["cut_off"] == 1
    with pytest.raises(UserError, match="longer than max_length 2"):
        learnt(2)


@pytest.fixture
def pairs(template):
    student = samples([("q1", 0, "d", "stop"), ("q1", 1, "a a a", "length")])
    table = pl.DataFrame(
        {
            "query_id": ["q1", "q1"],
            "kind": ["student_student", "teacher_student"],
            "chosen_source": ["student", "teacher"],
            "chosen_sample_id": pl.Series([0, 0], dtype=pl.Int32),
            "chosen_score": [1.0, 1.0],
            "rejected_source": ["student", "student"],
            "rejected_sample_id": pl.Series([1, 0], dtype=pl.Int32),
            "rejected_score": [0.0, 1.0],
            "split": ["train", "validation"],
        }
    )

    def load(table=table, best_score=1.0):
        return load_pairs(Words(), template, QUERIES, TEACHER, student, table, best_score)

    load.table = table
    return load


def test_pairs_point_at_their_texts(pairs):
    found = pairs()
    assert [found.prompts[i] for i in found.query] == [[2, 3], [2, 3]]
    assert [found.completions[i] for i in found.chosen] == [[3, 9], [0, 1, 9]]
    assert [found.completions[i] for i in found.rejected] == [[0, 0, 0], [3, 9]]
    assert found.chosen_hit.tolist() == [True, True]
    assert found.rejected_hit.tolist() == [False, True]
    assert len(found.completions) == 3
    assert found.longest().tolist() == [5, 5]
    train, validation = splits(found)
    assert (train.chosen.tolist(), validation.chosen.tolist()) == (
        found.chosen[:1].tolist(),
        found.chosen[1:].tolist(),
    )
    assert (train.table["split"].to_list(), validation.table["split"].to_list()) == (
        ["train"],
        ["validation"],
    )
    assert (train.rejected_hit.tolist(), validation.rejected_hit.tolist()) == ([False], [True])


def test_of_judged_answers_the_best_score_alone_is_a_hit(pairs):
    judged = pairs.table.with_columns(
        chosen_score=pl.Series([5.0, 4.0]), rejected_score=pl.Series([1.0, 3.0])
    )
    found = pairs(judged, 5.0)
    assert (found.chosen_hit.tolist(), found.rejected_hit.tolist()) == ([True, False], [False, False])


def test_long_pairs_are_counted(pairs):
    kept, counts = fitting(pairs(), 4)
    assert (len(kept), counts) == (0, {"over_max_length": 2})
    assert len(fitting(pairs(), 5)[0]) == 2
    assert len(fitting(pairs(), None)[0]) == 2


def test_a_pair_without_its_sample_is_one_line(pairs):
    with pytest.raises(UserError, match="samples that are not there"):
        pairs(pairs.table.with_columns(chosen_sample_id=pl.lit(7, dtype=pl.Int32)))


def test_splits_need_both_sides(pairs):
    with pytest.raises(UserError, match="need both"):
        splits(pairs(pairs.table.with_columns(split=pl.lit("train"))))
