"""The command that reads answers from standard input."""

import json
import subprocess
import sys

import pytest

from scripts.commands.answers import parse
from scripts.lib.errors import UserError


def run(text: bytes, *flags: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "scripts.commands.answers", *flags],
        input=text,
        capture_output=True,
        check=False,
    )


def test_rows_come_back_in_order():
    rows = [
        {"response": "The answer is (B).", "options": ["red", "blue"]},
        {"response": "The answer is red.", "options": ["red", "blue"], "finish_reason": "stop"},
        {"response": "The answer is (C).", "options": ["red", "blue"]},
        {"response": "We refer to", "finish_reason": "length"},
    ]
    done = run("\n".join(map(json.dumps, rows)).encode() + b"\n\n", "--task", "choice")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"answer": "B", "status": "ok"},
        {"answer": "A", "status": "ok"},
        {"answer": None, "status": "ambiguous"},
        {"answer": None, "status": "truncated"},
    ]


def test_the_column_of_our_tables_is_read_as_well():
    rows = parse([b'{"completion": "The answer is 5."}', b'{"response": "6", "completion": "7"}'])
    assert rows["response"].to_list() == ["The answer is 5.", "6"]


def test_a_malformed_line_is_one_line_with_its_number():
    done = run(b'{"response": "The answer is 5."}\n{"response": \n', "--task", "numeric")
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and b"line 2 of standard input is not JSON" in done.stderr


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"5", 'no text under "response"'),
        (b'{"completion": 5}', 'no text under "response"'),
        (b'{"response": null, "completion": "a"}', 'no text under "response"'),
        (b'{"response": 5}', 'no text under "response"'),
        (b'{"response": "a", "options": "red"}', "not a list of texts"),
        (b'{"response": "a", "options": [1]}', "not a list of texts"),
        (b'{"response": "a", "finish_reason": 1}', "not text"),
        (b'{"response": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_not_a_row(line, message):
    with pytest.raises(UserError, match="line 2 of standard input.*" + message):
        parse([b'{"response": "a"}', line])


def test_lone_surrogates_are_replaced():
    assert parse([rb'{"response": "a \ud800 b"}'])["response"].to_list() == ["a ? b"]
