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


def words(count, start):
    """So many words that no other start gives."""
    return [f"{start}{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(count)]


def found(train, held_out):
    """Kind and overlap of every pair of two lists of word lists."""
    sides = (table(*(" ".join(question) for question in side)) for side in (train, held_out))
    return leaks(*sides).select("kind", "overlap").rows()


@pytest.mark.parametrize(
    ("common", "short", "long", "expected"),
    [
        (16, 0, 100, [("near", 1.0)]),
        (15, 0, 0, [("exact", 1.0)]),
        (15, 0, 1, []),
        (16, 4, 100, [("near", 0.5)]),
        (16, 5, 100, []),
        (17, 5, 100, [("near", 0.5)]),
    ],
)
def test_near_is_four_common_runs_of_thirteen_and_half_of_the_fewer(common, short, long, expected):
    shared = words(common, "c")
    one, other = shared + words(short, "s"), words(long, "l") + shared
    assert found([one], [other]) == found([other], [one]) == expected


@pytest.mark.parametrize(("many", "expected"), [(50, ["near"] * 50), (51, [])])
def test_a_run_in_more_than_fifty_questions_of_a_side_is_boilerplate(many, expected):
    shared = words(16, "c")
    train = [[*shared, word] for word in words(many, "t")]
    assert [kind for kind, _ in found(train, [[*shared, "other"]])] == expected
    assert [kind for kind, _ in found([[*shared, "other"]], train)] == expected


def test_the_same_words_in_another_order_are_another_question():
    one = words(40, "c")
    assert found([one], [one[20:] + one[:20]]) == [("near", 16 / 28)]
    assert found([one], [one[::-1]]) == found([one], [sorted(one, key=lambda word: word[::-1])]) == []


def test_runs_do_not_reach_from_one_question_into_the_next():
    shared = words(24, "c")
    assert found([shared[:12], shared[12:]], [shared]) == []
