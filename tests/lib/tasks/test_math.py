"""LaTeX answers: what is read, and which of them are the same."""

import contextlib
import time

import polars as pl
import pytest

from scripts.lib.errors import UserError
from scripts.lib.tasks import math
from scripts.lib.tasks.bulk import are_correct, as_written, read_answers, written_alike
from scripts.lib.tasks.math import MATH, math_gold, read_math, same_formula

pytest.importorskip("math_verify")

READ = [
    (r"So \boxed{\frac{3}{6}}.", "0.5"),
    (r"So the answer is $\frac{1}{2}$.", "0.5"),
    (r"The final answer is \(x^2 + 1\), as $x > 0$.", "x^2 + 1"),
    (r"\[ \boxed{(1,2]} \]", "(1,2]"),
    (r"\boxed{\dfrac{14}{3}}", "14/3"),
    (r"\boxed{1{,}000}", "1000"),
    (r"\boxed{12\text{ cm}}", "12"),
    (r"\boxed{90^\circ}", "90"),
    (r"\boxed{\begin{pmatrix}1\\2\end{pmatrix}}", r"\begin{pmatrix}1\\2\end{pmatrix}"),
    (r"\boxed{\text{Monday}}", r"\text{Monday}"),
    ("The answer is Monday.", r"\text{Monday}"),
    ("The answer is 18 eggs per day.", "18"),
    ("**Answer:**\n\n$2\\sqrt{3}$", r"2\sqrt{3}"),
    ("#### 72", "72"),
    ("$x+1$", "x+1"),
    (r"First \boxed{1}. No: \boxed{2}", "2"),
    (r"If the answer is $3$, then so be it.", None),
    ("We multiply both sides by $x$.", None),
    ("It is not possible to say. The answer cannot be determined.", None),
    ("The answer is $5 and $6.", None),
    (r"\boxed{" + "1+" * 500 + "1}", None),
    (r"\boxed{\binom{100000}{50000}}", r"\binom{100000}{50000}"),
    (r"So \boxed{2xy + 3}.", "2xy + 3"),
    ("The answer is 2xy - 7.", "2xy - 7"),
    (r"\boxed{-3ab+2 b}", "-3ab+2 b"),
    (r"\boxed{3xy}", "3xy"),
    (r"\boxed{7 ab}", "7 ab"),
    (r"\boxed{\frac{1}{2}xy}", r"\frac{1}{2}xy"),
    (r"\boxed{x = ab + c}", "x = ab + c"),
    (r"\boxed{pq + r}", "pq + r"),
    (r"\boxed{2\pi r h}", r"2\pi r h"),
    (r"\boxed{2pi}", r"2\pi"),
    (r"\boxed{3 ln 2}", r"3 \ln 2"),
    (r"\boxed{xy}", "xy"),
    (r"\boxed{yes}", r"\text{yes}"),
    (r"\boxed{HTT}", r"\text{HTT}"),
    (r"\boxed{12cm}", "12"),
    (r"\boxed{12\,cm^2}", "12"),
    (r"\boxed{2\sqrt{3} ft}", r"2\sqrt{3}"),
    (r"\boxed{18 men}", "18"),
    (r"\boxed{2xy + 3 apples}", None),
    (r"\boxed{x = 1 or x = 2}", None),
    ("OK", None),
]


@pytest.mark.parametrize(("response", "value"), READ)
def test_reading(response, value):
    answer = read_math(response)
    assert answer.value == value
    assert (answer.status == "ok") == (value is not None)


def test_what_was_cut_off_states_nothing():
    assert read_math(r"So it is \boxed{1", finish_reason="length").status == "truncated"
    assert read_math("We begin", finish_reason="length").status == "truncated"


@pytest.mark.parametrize("value", sorted({value for _, value in READ if value}))
def test_a_canonical_value_reads_as_itself(value):
    assert read_math(rf"\boxed{{{value}}}").value == value
    assert math_gold(value) == value


SAME = [
    ("(x+1)^2", "x^2+2x+1"),
    (r"\sqrt{12}", r"2\sqrt{3}"),
    (r"\frac{\sqrt{2}}{2}", r"\frac{1}{\sqrt{2}}"),
    (r"\{1,2\}", r"\{2,1\}"),
    ("x=5", "5"),
    (r"50\%", "0.5"),
    ("(1,2)", "1<x<2"),
    ("0.333333", "1/3"),
]


@pytest.mark.parametrize(("first", "second"), SAME)
def test_sameness_is_math_verifys_either_way(first, second):
    assert same_formula(first, second) and same_formula(second, first)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("p - q", "q - p"),
        ("7", "7 ab"),
        ("2xy", "2xy + 3"),
        (r"2\pi r h", r"2\pi r"),
        ("1/3", "0.33"),
        ("[1,2)", "(1,2)"),
        ("x", "y"),
    ],
)
def test_what_differs(first, second):
    assert not same_formula(first, second)


def test_golds():
    assert math_gold(r"$\frac{1}{2}$") == "0.5" == math_gold(r"so \boxed{1/2}")
    for gold in ("2xy + 3", "ax + by", r"\overline{PQ}", r"\frac{ab}{c} + d"):
        assert math_gold(gold) == gold
    with pytest.raises(UserError, match="is not a formula"):
        math_gold("see the figure on page 3")


def test_votes_count_the_same_answers_as_one():
    """Written as the commonest, of equally common ones as the first in the alphabet; what was read before
    comes first."""
    answers = ["2\\sqrt{3}", "\\sqrt{12}", None, "\\sqrt{12}", "5"]
    table = pl.DataFrame({"query_id": ["a"] * 5, "answer": answers})
    none = table.clear()
    alike = ["\\sqrt{12}", "\\sqrt{12}", None, "\\sqrt{12}", "5"]
    assert written_alike("math", table, none)["answer"].to_list() == alike
    assert written_alike("math", table.reverse(), none)["answer"].to_list() == alike[::-1]
    known = pl.DataFrame({"query_id": ["b", "a"], "answer": ["5.0", "2\\sqrt{3}"]})
    assert written_alike("math", table, known)["answer"].to_list() == [
        *["2\\sqrt{3}"] * 2,
        None,
        "2\\sqrt{3}",
        "5",
    ]
    assert written_alike("numeric", table, known) is table


def test_columns():
    answers = pl.Series("answer", ["(x+1)^2", None, "x", "5"])
    references = pl.Series(["x^2+2x+1", "x", "x", None])
    assert as_written("math", answers, references).to_list() == ["x^2+2x+1", None, "x", "5"]
    assert are_correct("math", answers, pl.Series(["x^2+2x+1", "1", "y", "5.0"])).to_list() == [
        True,
        False,
        False,
        True,
    ]
    read = read_answers(MATH.name, pl.Series([r"\boxed{2}", None, "So"]))
    assert read.rows() == [("2", "ok"), (None, "none"), (None, "none")]


def test_a_formula_is_given_seconds_of_the_processor(monkeypatch):
    """A busy machine reads as a quiet one."""
    monkeypatch.setattr(math, "SECONDS", 0.05)
    with math._limited():
        time.sleep(0.2)

    def work() -> None:
        began = time.process_time()
        while time.process_time() < began + 5:
            pass

    with pytest.raises(math.Overtime), math._limited():
        with contextlib.suppress(BaseException):  # as what a finaliser raises is
            work()
        work()
    assert not math._equal(*map(math._parse, (r"\sum_{k=1}^{9999}\frac{1}{k^3+k+1}", "1")))
