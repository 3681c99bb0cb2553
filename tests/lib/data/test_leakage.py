import polars as pl
import pytest

from scripts.lib.data.leakage import leaks, normalise

STORY = (
    "Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. "
    "How many clips did Natalia sell altogether in April and May?"
)


def table(*questions):
    schema = {"query_id": pl.String, "question": pl.String}
    return pl.DataFrame(
        {"query_id": [str(i) for i in range(len(questions))], "question": questions}, schema=schema
    )


def kinds(train, held_out):
    return leaks(table(*train), table(*held_out)).select("train_id", "held_out_id", "kind").rows()


def test_normalise():
    texts = pl.Series(["  What's  2+3? ", "WHAT S 2 + 3", "2-3", "2 3", "今日は", "?!", "ｆｕｌｌ"])
    assert normalise(texts).to_list() == [
        "what s 2 + 3",
        "what s 2 + 3",
        "2 - 3",
        "2 3",
        "今 日 は",
        "?!",
        "full",
    ]


@pytest.mark.parametrize(
    ("other", "kind"),
    [
        (STORY.upper().replace(",", " ;").replace("?", ""), "exact"),
        (STORY.replace("altogether in April and May", "in all"), "near"),
        ("Here is a question. " + STORY, "near"),
        (STORY.replace("48", "52"), "template"),
        ("How many clips did Natalia sell altogether in April and May?", None),
        ("Ana sold pens to 48 of her friends.", None),
    ],
)
def test_kinds(other, kind):
    assert kinds([STORY], [other]) == ([("0", "0", kind)] if kind else [])
    assert kinds([other], [STORY]) == ([("0", "0", kind)] if kind else [])


def test_short_templates_are_only_compared_exactly():
    one = "Ana has 7 pens , buys 5 , loses 3 . How many now ?"
    assert kinds([one], [one, one.replace("Ana", "Ben"), one.replace("7", "8")]) == [("0", "0", "exact")]


def test_boilerplate_is_not_matched():
    preface = "This question refers to the following information about a long and well known text of law . "
    many = [f"{preface} Case {'abcdefghijklmnopqrstuvwxyz'[i % 26] * (1 + i // 26)} ?" for i in range(60)]
    assert kinds(many, many) == sorted((str(i), str(i), "exact") for i in range(60))


def test_nothing_to_compare():
    assert kinds([], [STORY]) == []
    assert kinds(["short"], ["brief"]) == []
