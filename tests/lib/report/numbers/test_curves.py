"""Logs as curves."""

from scripts.lib.report import read
from scripts.lib.report.numbers.curves import at, curve, mean_curve, thin


def test_a_log_cut_off_by_a_kill_is_read_to_there(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    records = read.log(tmp_path / "metrics.jsonl")
    assert curve(records, "loss", "step") == [(1.0, 2.0)]
    assert curve([{"step": 1, "loss": float("nan")}], "loss", "step") == []


def test_a_curve_is_by_its_x_and_holds_numbers_only():
    records = [{"step": 2, "loss": 1}, {"step": 1, "loss": 3.0}, {"step": 3, "loss": True}, {"step": 4}]
    assert curve(records, "loss", "step") == [(1.0, 3.0), (2.0, 1.0)]


def test_a_mean_curve_is_where_every_run_has_a_value():
    lines = [[(1.0, 2.0), (2.0, 4.0), (3.0, 9.0)], [(2.0, 6.0), (1.0, 3.0)]]
    assert mean_curve(lines) == [(1.0, 2.5), (2.0, 5.0)]


def test_a_long_curve_is_averaged_over_stretches():
    line = [(float(x), float(x)) for x in range(1, 8)]
    assert thin(line, 3) == [(3.0, 2.0), (6.0, 5.0), (7.0, 7.0)]
    assert thin(line, 7) == line and thin([]) == []


def test_the_chosen_place_is_the_last_measured_one():
    assert at([(1.0, 5.0), (3.0, 6.0)], 2) == (1.0, 5.0) and at([(4.0, 1.0)], 2) is None
