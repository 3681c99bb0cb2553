"""Whole columns: the bulk path and the careful one agree."""

import time

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.errors import UserError
from scripts.lib.tasks import TASKS, choice, numeric, task_of
from scripts.lib.tasks.bulk import read_answers
from scripts.lib.tasks.reading.text import statements

NUMBERS = st.one_of(
    st.integers(-9999, 10**9).map(str),
    st.integers(1000, 10**9).map("{:,}".format),
    st.sampled_from(
        [
            "007",
            "-0",
            "0.50",
            "-0.0",
            "00.10",
            "1,23",
            "1,234.50",
            ".5",
            "5.",
            "1.2.3",
            "٣",
            "12345678901234567",
            "0.(3)",
            "3M",
            "5!",
            "2^3",
            "($5)",
            "$1,234",
            "-$5",
            "5%",
        ]
    ),
)
ENDINGS = st.sampled_from(
    [
        "The answer is {}.",
        "The answer is {} .",
        "The answer is {}",
        "#### {}",
        "The answer is ({}).",
        "if The answer is {}.",
        "Therefore, the final answer is: {}",
        "Answer: {}",
        "\nA: {}",
        "She has #### {}",
        "She has \\boxed{{{}}}",
        "She has $\\boxed{{{}}}$.",
        '",\n"answer": "{}"\n}}',
        '", "answer": {}}}\n```',
        '\n"answer": "{}',
    ]
)
TEXTS = st.builds(
    lambda head, ending, number, tail: head + ending.format(number) + tail,
    st.sampled_from(
        [
            "",
            "5 + 4 = 9 . ",
            "Say. ",
            "say ",
            "x\n",
            "What if\n",
            "Q: a\nQ: b\n",
            "A Question. ",
            "é" * 90 + ". ",
            "(C) ",
            "Ans\n",
            "seconds\n",
            "if the answer to (a) ",
            "if the answer to (a). ",
            "total_x = 3\nprint(total_x). ",
            "print(x)\nx = 3. ",
            "That is\n",
            "the answer of 3 ",
            "if\u200b\n",
            "Ans\u200b\n",
            "\uff21ns\uff0e\n",
            "it is so\uff0e ",
            "\u3002\n",
            "\nＱ： a\n",
            "<think>It is 3.</think>",
        ]
    ),
    ENDINGS,
    st.one_of(NUMBERS, st.sampled_from(["A", "B", "J", "K", "A? No. B", "A is wrong, so B"])),
    st.sampled_from(
        [
            *("", "\n", " \n\n", "\n\nQ: What?", "<|im_end|>", " So 3 + 4 = 7."),
            *(
                " eggs",
                " eggs in all.",
                " million",
                " or six",
                " eggs is wrong",
                " and a half",
                " x",
                " in 2 days",
            ),
            *(" but we cannot know.", " is the answer", "}", " eggs}", "} eggs."),
        ]
    ),
)
ROWS = st.lists(
    st.tuples(TEXTS, st.sampled_from(["stop", "length", "content_filter", None]), st.integers(0, 10)),
    max_size=8,
)


@settings(max_examples=150)
@given(ROWS, st.sampled_from(list(TASKS)))
def test_both_paths_agree(rows, task):
    texts = pl.Series([text for text, _, _ in rows], dtype=pl.String)
    reasons = pl.Series([reason for _, reason, _ in rows], dtype=pl.String)
    options = pl.Series([["x"] * count for _, _, count in rows], dtype=pl.List(pl.String))
    expected = [task_of(task).read(text, ["x"] * count, reason or "stop")[:2] for text, reason, count in rows]
    assert read_answers(task, texts, reasons, options).rows() == expected


def test_columns_order_and_missing_rows():
    table = read_answers("numeric", pl.Series(["The answer is 5 .", None, "Hm. The answer is 6."]))
    assert table.to_dict(as_series=False) == {"answer": ["5", None, "6"], "status": ["ok", "none", "ok"]}
    assert read_answers("choice", pl.Series([], dtype=pl.String)).schema == {
        "answer": pl.String,
        "status": pl.String,
    }
    with pytest.raises(UserError, match="unknown task 'numbers'; did you mean 'numeric'"):
        read_answers("numbers", pl.Series(["a"]))


def test_a_program_whose_first_line_alone_gives_it_away_states_nothing():
    table = read_answers("numeric", pl.Series(["print(x)\nx = 3. The answer is 5.", "Hm\nx = 3. #### 5"]))
    assert table["status"].to_list() == ["none", "ok"]


def test_common_forms_are_read_in_bulk():
    rows = 100_000
    for task, text in (
        ("numeric", "tom has 5 apples . he buys 4 more . 5 + 4 = 9 . The answer is 9 ."),
        ("numeric", "Janet sells 9 * 2 = $<<9*2=18>>18\n#### 1,800"),
        ("numeric", "She sells 9 * 2 = 18 eggs. The answer is 18 eggs.\n\nQ:"),
        ("numeric", "9 * 2 = 18\n\nTherefore, she makes #### $18 per day."),
        ("numeric", "9 * 2 = 18\n\nSo, she makes \\boxed{18} dollars."),
        ("numeric", "9 * 2 = <<9*2=18>>18 dollars\nA: 18"),
        ("numeric", '{"reasoning": "9 * 2 = 18",\n "answer": "18 dollars"\n}\n```'),
        ("choice", "We refer to Wikipedia. The answer is (C).\n\n"),
        ("choice", "We refer to Wikipedia. The answer is (C).\n\nQuestion:\nWhich?\nOptions:\nA. a"),
    ):
        column = pl.Series([text]).new_from_index(0, rows)
        started = time.process_time()
        assert read_answers(task, column)["status"].unique().to_list() == ["ok"]
        took = time.process_time() - started
        started = time.process_time()
        for _ in range(rows // 100):
            assert TASKS[task].read(text).status == "ok"
        assert took < 100 * (time.process_time() - started) / 5, "hardly quicker than one by one"


PIECES = st.sampled_from(
    ["the answer is 5. ", "Answer: B", "\nA: 7\n", "A. ", "#### 8 ", "\\boxed{C}", '"answer": "D"', " a = 1 "]
    + ["is the answer", "answer of 3 ", "the answer to this ", "Ans\n", "the best option (a) is "]
    + ["answer (" + "x" * 39 + ") is 4 ", "answer for " + "x" * 59 + " is 4 ", "word " * 60, "w" * 185]
    + ["\u017f", "\u0130", ".", "\n"]
)


@settings(max_examples=150)
@given(st.lists(PIECES, max_size=12).map("".join), st.integers(0, 40))
def test_statements_are_found_where_they_stand(text, beyond):
    """As a search of the whole text finds them, though it is made around telling words alone."""
    end = max(0, len(text) - beyond)
    for family in (numeric, choice):
        found = statements(family._MARKER, family._GIVEN_AWAY, text, end)
        expected = [match.span() for match in family._MARKER.finditer(text, 0, end)]
        assert [match.span() for match in found] == expected[::-1]


@pytest.mark.parametrize(("count", "status"), [(3, "ambiguous"), (4, "ok"), (0, "ok")])
def test_in_bulk_too_a_letter_is_one_of_the_options(count, status):
    texts = pl.Series(["It must be so. The answer is (D)."])
    options = pl.Series([[f"option {i}" for i in range(count)]], dtype=pl.List(pl.String))
    assert read_answers("choice", texts, None, options)["status"].to_list() == [status]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2 + 3 = 5. The answer is 5.\n\nQuestion: How many now? 9. The answer is 6.", "5"),
        ("It is nothing. The answer is -0.", "0"),
        ("It is nothing. The answer is -0.00.", "0"),
        ("It is half. The answer is -.50.", "-0.5"),
        ("It is much. The answer is 1,234.50.", "1234.5"),
        ("It is much.\n\n#### $1,234 per day, in all.", "1234"),
        ("total_x = 3\nprint(total_x). The answer is 5.", None),
        ("What if the answer to (a) The answer is 5.", None),
    ],
)
def test_in_bulk_too_a_number_has_one_form_and_ends_before_the_next_question(text, value):
    assert read_answers("numeric", pl.Series([text]))["answer"].to_list() == [value]
    assert task_of("numeric").read(text).value == value
