"""Accuracy over the number of answers: a column per rule, what two variants measure alike once."""

from types import SimpleNamespace

import polars as pl

from scripts.lib.data import tables
from scripts.lib.report.sections.repeated import section

CONFIG = {
    "variants": {
        "majority": {"samples_of": "wo_r", "reward": None},
        "best_of_n": {"samples_of": "wo_r", "reward": "ours"},
    }
}


def run(folder, variant: str, seed: int, rules: dict[str, list[float]]):
    rows = [
        (query, n, rule, value)
        for rule, values in rules.items()
        for n, value in zip((1, 2), values, strict=True)
        for query in ("a", "b")
    ]
    path = folder / f"{variant}{seed}.parquet"
    table = pl.DataFrame(rows, schema=list(tables.GROWTH), orient="row")
    tables.write(table, path, tables.GROWTH, sort=("query_id", "n", "rule"))
    names = {"benchmark": "world", "dataset": "world", "teacher": "big", "student": "small"}
    ledger = folder / "ledger.json"
    ledger.write_text('{"engine": "vllm", "versions": {"vllm": "0.10"}}', encoding="utf-8")
    return SimpleNamespace(**names, variant=variant, seed=seed, growth=path, ledger=ledger)


def test_a_rule_is_a_column_and_a_number_of_answers_a_row(tmp_path):
    shared = {"mean": [0.5, 0.5], "majority": [0.5, 0.5], "oracle": [0.5, 0.75]}
    runs = [run(tmp_path, "majority", seed, shared) for seed in (0, 1)]
    runs += [run(tmp_path, "best_of_n", seed, shared | {"best_of_n": [0.5, 0.625]}) for seed in (0, 1)]
    figure, table = section(SimpleNamespace(evaluations=runs, config=CONFIG)).content
    assert table.columns == ["Answers", "One answer, %", "Majority, %", "Best by ours, %", "Oracle, %"]
    found = [[cell.text for cell in row] for row in table.groups[0].rows]
    assert found == [["1", "50.0", "50.0", "50.0", "50.0"], ["2", "50.0", "50.0", "62.5", "75.0"]]
    few = "Few questions: 2 tell an accuracy near 50 % to within 41 points."
    assert table.notes == [few, "Small: 95 % intervals. 2 questions."]
    assert [key.name for key in figure.legend] == ["one answer", "majority", "best by ours", "oracle"]


def test_a_place_with_fewer_seeds_than_another_says_so(tmp_path):
    (tmp_path / "b").mkdir()
    rules = {"mean": [0.5, 0.5], "majority": [0.5, 0.5]}
    runs = [run(tmp_path, "majority", seed, rules) for seed in (0, 1)]
    other = run(tmp_path / "b", "majority", 0, rules)
    other.student = "large"
    _, first, _, second = section(SimpleNamespace(evaluations=[*runs, other], config=CONFIG)).content
    assert "Missing seeds: world: big → large lacks 1." in second.notes
    assert not any("Missing" in note for note in first.notes)


def test_a_study_without_such_rows_has_no_section():
    greedy = SimpleNamespace(variant="ours", growth=None)
    assert section(SimpleNamespace(evaluations=[greedy], config={})) is None
