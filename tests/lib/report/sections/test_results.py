"""What the accuracies' table and the first screen say of a study, number by number."""

from dataclasses import replace

import polars as pl
import pytest

from scripts.lib.evaluation.intervals import Comparison
from scripts.lib.report.drawing.text import interval, percent
from scripts.lib.report.numbers import results as numbers
from scripts.lib.report.numbers.results import Against, Result, Scoreboard, results
from scripts.lib.report.sections import headline
from scripts.lib.report.sections import results as section
from scripts.lib.report.study import Study


def scores(variant: str, seed: int, right: list[float], run: str = "") -> pl.DataFrame:
    ids = [f"q{index:03d}" for index in range(len(right))]
    return pl.DataFrame({"query_id": ids, "correct": right, "unparsed": [0.0] * len(right)}).with_columns(
        variant=pl.lit(variant), seed=pl.lit(seed, dtype=pl.Int32), run=pl.lit(run or f"{variant} {seed}")
    )


@pytest.fixture
def found() -> dict[str, Result]:
    parts = [scores("teacher", seed, [1.0] * 7 + [0.0] * 3, run="once") for seed in range(3)]
    parts += [scores("sft", seed, [1.0] * 4 + [0.0] * 6) for seed in range(3)]
    parts += [scores("ours", seed, [1.0] * (7 + seed) + [0.0] * (3 - seed)) for seed in range(3)]
    return results(pl.concat(parts))


@pytest.fixture
def table(found, monkeypatch):
    board = Scoreboard("d", "t", "s", "b", found)
    for module in (section, numbers):
        monkeypatch.setattr(module, "scoreboards", lambda study: [board])
    return section.section(Study("", "", {}, [], [], [], [])).content[0]


def test_a_row_is_its_own_variant_s(found, table):
    rows = {row[0].text: row[1:] for row in table.groups[0].rows}
    assert list(rows) == ["SFT", "Ours", "Teacher"]
    ours, whole = found["ours"], found["ours"].against.whole
    accuracy, difference, p, unread, size = rows["Ours"]
    assert (accuracy.text, accuracy.detail) == ("80.0", f"{percent(ours.low)} to {percent(ours.high)}")
    assert accuracy.best and accuracy.above_teacher
    assert (difference.text, difference.detail) == ("+40.0", interval(whole.low, whole.high, True))
    least = min(whole.p, found["teacher"].against.whole.p)
    corrected = 2 * least if whole.p == least else max(whole.p, 2 * least)
    assert (p.text, unread.text, size.text) == (f"{corrected:.3f}".removeprefix("0"), "0.0", "10 × 3")
    assert [cell.text for cell in rows["SFT"][1:]] == ["–", "–", "0.0", "10 × 3"]
    assert rows["Teacher"][4].text == "10 × 1"
    assert any("new training runs and new questions" in note for note in table.notes)
    assert "p: corrected for the table's 2 comparisons (Holm); intervals are not." in table.notes


def test_the_papers_number_stands_beside_ours_and_what_was_not_run_is_said_to_be(found, monkeypatch):
    boards = [Scoreboard("d", "t", "s", benchmark, found) for benchmark in ("b", "c")]
    theirs = {"b": {"icl": "41.55", "ours": "66.03"}, "c": {}}
    monkeypatch.setattr(section, "scoreboards", lambda study: boards)
    monkeypatch.setattr(section, "of_board", lambda study, board, metric: theirs[board.benchmark])
    matrix, first, second = section.section(Study("", "", {}, [], [], [], [])).content
    assert matrix.columns == ["Method", "b", "Paper: b", "c"]
    shown = {row[0].text: [cell.text for cell in row[1:]] for row in matrix.groups[0].rows}
    assert shown["ICL"] == ["not run", "41.55", "–"] and shown["Ours"] == ["80.0", "66.03", "80.0"]
    assert first.columns[1:3] == ["Accuracy, %", "Paper, %"] and "Paper, %" not in second.columns
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in first.groups[0].rows}
    assert list(rows) == ["ICL", "SFT", "Ours", "Teacher"]
    assert rows["ICL"] == ["not run", "41.55", "–", "–", "–", "–"]
    assert rows["Ours"][:3] == ["80.0", "66.03", "+40.0"] and rows["SFT"][1] == "–"


def test_data_sets_that_share_a_benchmark_have_a_group_each_in_table_3(found, monkeypatch):
    other = {key: replace(each, accuracy=each.accuracy - 0.2) for key, each in found.items()}
    boards = [
        Scoreboard("golds", "t", "s", "b", found),
        Scoreboard("votes", "t", "s", "b", other),
        Scoreboard("votes", "t", "s", "c", found),
        Scoreboard("golds", "t", "large", "b", found),
        Scoreboard("golds", "t", "large", "c", other),
    ]
    theirs = {"golds": {"ours": "66.03"}, "votes": {}}
    monkeypatch.setattr(section, "scoreboards", lambda study: boards)
    monkeypatch.setattr(section, "of_board", lambda study, board, metric: theirs[board.dataset])
    matrix = section.section(Study("", "", {}, [], [], [], [])).content[0]
    assert matrix.columns == ["Method", "b", "Paper: b", "c", "Paper: c"]
    ours = {
        group.heading: [cell.text for row in group.rows if row[0].text == "Ours" for cell in row[1:]]
        for group in matrix.groups
    }
    assert ours == {
        "golds: t → s": ["80.0", "66.03", "–", "–"],
        "votes: t → s": ["60.0", "–", "80.0", "–"],
        "t → large": ["80.0", "66.03", "60.0", "66.03"],
    }
    assert matrix.notes[0] == "Few questions: 10 tell an accuracy near 50 % to within 26 points."


def test_the_first_screen_says_what_the_table_says(found, table):
    said = headline.headline(None)
    whole = found["ours"].against.whole
    assert said.number == "+40.0" and "80.0" in said.sentence and "40.0" in said.sentence
    assert interval(whole.low, whole.high, True) in said.doubt[0]
    p = {row[0].text: row[-3].text for row in table.groups[0].rows}["Ours"]
    assert said.doubt[-2:] == ["10 questions × 3 seeds", f"p = {p}, corrected for 2 comparisons"]


def compared(teacher: str, difference: float, p: float) -> Scoreboard:
    """A setting in which Ours is as much above SFT, with this p and an interval that excludes zero."""
    ends = (difference - 0.01, difference + 0.01)
    whole = Against(Comparison(difference, 100, *ends, p), {})
    results = {
        variant: Result(
            variant, accuracy, accuracy - 0.05, accuracy + 0.05, 100, 0.0, {0: (accuracy, 0, 100)}, other
        )
        for variant, accuracy, other in (("sft", 0.5, None), ("ours", 0.5 + difference, whole))
    }
    return Scoreboard("d", teacher, "s", "b", results)


def first_screen(monkeypatch, *boards: Scoreboard, golds: tuple[str, ...] = ()):
    by = {each.teacher: {"vote": {"by": "golds" if each.teacher in golds else "votes"}} for each in boards}
    monkeypatch.setattr(numbers, "scoreboards", lambda study: list(boards))
    return headline.headline(Study("", "", {"teachers": by}, [], [], [], []))


def test_of_several_settings_those_count_as_clear_whose_corrected_p_is_small(monkeypatch):
    boards = [compared("a", 0.1, 0.001), compared("b", 0.2, 0.03), compared("c", -0.1, 0.04)]
    said = first_screen(monkeypatch, *boards)
    assert said.sentence == "Ours is above supervised fine-tuning in 2 of 3 settings."
    assert said.number == "+6.7"
    assert said.doubt[:2] == [
        "the mean has no interval of its own",
        "clearly above in 1 of them: p below .05, corrected for all comparisons of its table",
    ]
    assert [mark.css for mark in said.chart.marks] == ["v-ours", "", ""]
    said = first_screen(monkeypatch, *boards[:1], compared("c", -0.1, 0.02))
    assert said.doubt[1].startswith("clearly above in 1 of them, clearly below in 1: p below .05")


def test_settings_with_golds_for_labels_are_no_method_and_not_counted(monkeypatch):
    boards = [compared("a", 0.1, 0.001), compared("b", 0.2, 0.001), compared("c", 0.4, 0.001)]
    said = first_screen(monkeypatch, *boards, golds=("c",))
    assert said.number == "+15.0" and "in 2 of 2 settings" in said.sentence
    assert said.doubt[-1] == "without 1 whose labels are golds: a ceiling, no method"
    alone = first_screen(monkeypatch, *boards, golds=("b", "c"))
    assert alone.number == "+10.0" and alone.doubt[-2] == "p = .003, corrected for 3 comparisons"
    assert first_screen(monkeypatch, boards[0], golds=("a",)).number == "+10.0"
    assert first_screen(monkeypatch, *boards, golds=("a", "b", "c")).number == "+23.3"


@pytest.mark.parametrize(
    ("low", "high", "clear"), [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0), (0, 0.1, 0)]
)
def test_a_difference_is_clear_where_its_interval_excludes_zero(low, high, clear):
    assert Against(Comparison((low + high) / 2, 10, low, high, 0.1), {}).clear == clear
