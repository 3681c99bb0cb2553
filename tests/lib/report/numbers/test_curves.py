"""Logs as curves."""

from scripts.lib.report import read
from scripts.lib.report.numbers.curves import curve


def test_a_log_cut_off_by_a_kill_is_read_to_there(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2}\n{"step": 2, "lo')
    records = read.log(tmp_path / "metrics.jsonl")
    assert curve(records, "loss", "step") == [(1.0, 2.0)]
    assert curve([{"step": 1, "loss": float("nan")}], "loss", "step") == []
