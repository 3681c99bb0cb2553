"""What counts as a valid response where there is no answer to compare."""

import time

import polars as pl
import pytest

from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import read_answers
from scripts.lib.tasks.open import VALID, degenerate

PROSE = (
    "Photosynthesis turns light into sugar. Plants take in carbon dioxide through their leaves and water "
    "through their roots; in the chloroplasts, light splits the water, oxygen leaves, "
    "and the rest of the energy binds the carbon. At night the sugar is spent, much as animals spend "
    "theirs, and what remains becomes wood."
)


@pytest.mark.parametrize(
    ("text", "reason", "value", "status"),
    [
        (PROSE, "stop", VALID, "ok"),
        ("Yes", "stop", VALID, "ok"),
        ("是的，可以。", "stop", VALID, "ok"),
        ("", "stop", None, "none"),
        (" \n\t", "stop", None, "none"),
        ("...\n---", "stop", None, "none"),
        (PROSE, "length", None, "truncated"),
        (PROSE, "content_filter", None, "truncated"),
        ("I am sorry, I cannot say more about this. " * 30, "stop", None, "none"),
        ("ha" * 400, "stop", None, "none"),
        (PROSE + " The end is near." * 200, "stop", None, "none"),
    ],
)
def test_valid_or_not(text, reason, value, status):
    answer = task_of("open").read(text, finish_reason=reason)
    assert (answer.value, answer.status) == (value, status)
    table = read_answers("open", pl.Series([text]), pl.Series([reason]))
    assert table.row(0) == (value, status)


def test_lists_tables_and_code_are_not_degenerate():
    table = "\n".join(f"| item {n} | {n * 17 % 23} | {'yes' if n % 3 else 'no'} |" for n in range(40))
    code = "\n".join(f"    if value == {n}:\n        return names[{n}]" for n in range(30))
    assert not degenerate(table)
    assert not degenerate(PROSE + "\n" + code)


def test_every_label_is_the_same_so_that_it_lowers_no_reward():
    assert task_of("open").gold("whatever") == VALID == task_of("open").read("Fine.").value


def test_a_megabyte_costs_milliseconds():
    began = time.process_time()
    degenerate("abc " * 250_000)
    assert time.process_time() - began < 2
