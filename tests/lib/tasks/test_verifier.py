"""A user's own verifier: a file of theirs reads, compares and fails in one line."""

from pathlib import Path

import polars as pl
import pytest
from pydantic import TypeAdapter

from scripts.lib.config.check import parse
from scripts.lib.config.data import Dataset
from scripts.lib.errors import UserError
from scripts.lib.tasks import Answer, check_task, is_judged, task_of
from scripts.lib.tasks.bulk import are_correct, read_answers, written_alike

COLOURS = '''
"""Colours, in English and French."""

FRENCH = {"rouge": "red"}

def read(text, options=(), finish_reason="stop"):
    """The last word, if it is a colour."""
    word = text.lower().strip(" .").split()[-1:]
    return word[0] if word and word[0] in ("red", "rouge", "blue") else None

def same(a, b):
    return FRENCH.get(a, a) == FRENCH.get(b, b)

def gold(text):
    return text.strip().lower()
'''


def own(folder: Path, text: str) -> str:
    path = folder / "colours.py"
    path.write_text(text)
    return str(path)


def test_it_reads_compares_and_scores(tmp_path: Path):
    task = own(tmp_path, COLOURS)
    texts = pl.Series(["It is red.", "Rouge", "no idea", None])
    reasons = pl.Series(["stop", "length", "length", "stop"])
    read = read_answers(task, texts, reasons)
    assert read.rows() == [("red", "ok"), ("rouge", "ok"), (None, "truncated"), (None, "none")]
    assert are_correct(task, read["answer"], pl.Series(["Red "] * 4)).to_list() == [True, True, False, False]
    votes = read.select(pl.lit("q").alias("query_id"), "answer")
    assert written_alike(task, votes, votes.clear())["answer"].to_list() == ["red", "red", None, None]
    assert not is_judged(task)


def test_the_readme_s_reads_every_response(tmp_path: Path):
    readme = (Path(__file__).parents[3] / "config/README.md").read_text()
    _, _, after = readme.partition("### Your own verifier")
    task = own(tmp_path, after.partition("```python\n")[2].partition("```")[0])
    read = read_answers(task, pl.Series(["It is red.", "no idea", "", " . "]), pl.Series(["stop"] * 4))
    assert read["answer"].to_list() == ["red", None, None, None]


def test_what_it_defines_is_what_it_needs(tmp_path: Path):
    """`read` of a text alone; references are their texts; an Answer says what None cannot."""
    task = task_of(own(tmp_path, "def read(text):\n    return text or None\n"))
    assert task.read("a", ["x"], "length") == Answer("a", "ok")
    assert (task.gold(" a b "), task.same) == ("a b", None)
    task = task_of(
        own(
            tmp_path,
            "from scripts.lib.tasks import Answer\n\ndef read(text, finish_reason='stop'):\n"
            "    return Answer(None, 'ambiguous') if finish_reason == 'stop' else Answer(text, 'ok', (0, "
            "1))\n",
        )
    )
    assert task.read("a").status == "ambiguous"
    assert task.read("a", finish_reason="length").span == (0, 1)


def test_an_edit_is_another_task(tmp_path: Path):
    first = task_of(own(tmp_path, COLOURS))
    second = task_of(own(tmp_path, COLOURS.replace('"blue"', '"green"')))
    assert (first.read("green").value, second.read("green").value) == (None, "green")
    assert first.name != second.name


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (None, "cannot be read"),
        ("def read(text)\n    return text\n", "is not Python .*line 1"),
        ("def reads(text):\n    return text\n", "defines no `read`"),
    ],
)
def test_a_wrong_file_is_one_line_before_anything_runs(tmp_path: Path, text: str | None, complaint: str):
    task = str(tmp_path / "colours.py") if text is None else own(tmp_path, text)
    for look in (check_task, task_of):
        with pytest.raises(UserError, match=f"colours.py.*{complaint}"):
            look(task)
    questions = {"queries": "q.jsonl", "task": task, "prompt": "question", "max_tokens": 8}
    with pytest.raises(UserError, match=f"datasets.mine.task.*colours.py.*{complaint}"):
        parse({"datasets": {"mine": questions}})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "import nothing_of_this_name\n\ndef read(text):\n    return text\n",
            "does not run: ModuleNotFoundError.*line 1",
        ),
        ("read = 5\n", "defines no `read` that can be called"),
        ("def read(text):\n    return text[99]\n", "read raised IndexError.*in line 2 for 'abc'"),
        ("def read(text):\n    return 5\n", "read returned 5 for 'abc'; return a text, None or an Answer"),
        ("def read(text):\n    return ''\n", "read returned ''"),
        (
            "from scripts.lib.tasks import Answer\ndef read(text):\n    return Answer('a', 'none')\n",
            "read returned Answer",
        ),
    ],
)
def test_what_fails_while_it_runs_is_one_line(tmp_path: Path, text: str, complaint: str):
    with pytest.raises(UserError, match=f"colours.py.*{complaint}"):
        task_of(own(tmp_path, text)).read("abc")


def test_sameness_and_references_are_checked_too(tmp_path: Path):
    task = task_of(
        own(tmp_path, COLOURS + "\ndef same(a, b):\n    return 1\n\ndef gold(text):\n    return None\n")
    )
    with pytest.raises(UserError, match="same returned 1 for 'red' and 'blue'; return a bool"):
        task.same("red", "blue")
    with pytest.raises(UserError, match="gold returned None for 'red'; return a text"):
        task.gold("red")


def test_a_plan_runs_none_of_it(tmp_path: Path):
    task = own(tmp_path, COLOURS + "\nraise SystemExit('I was run')\n")
    questions = {"queries": "q.jsonl", "task": task, "prompt": "question", "max_tokens": 8}
    assert TypeAdapter(Dataset).validate_python(questions).task == task
