"""metrics.jsonl and the trackers: every row at once, none twice."""

import json
import sys
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from scripts.lib.errors import UserError
from scripts.lib.process import metrics_log
from scripts.lib.process.metrics_log import MetricsLog, check_reporters


@pytest.fixture(autouse=True)
def one_process():
    from accelerate import PartialState

    PartialState(cpu=True)


def scalars(folder) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, round(event.value, 4)) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_rows_are_there_as_they_come_and_a_resumed_run_repeats_none(tmp_path):
    state, events = tmp_path / "state", tmp_path / "events"
    state.mkdir()
    path = state / "metrics.jsonl"
    first = MetricsLog(path, [], "step", ["tensorboard"], events)
    for step in (1, 2, 3):
        first.write({"step": step, "loss": 1 / step, "note": "text"}, **{"seconds/update": 0.5})
        assert json.loads(path.read_text().splitlines()[-1]) == {
            "step": step,
            "loss": 1 / step,
            "note": "text",
        }
    first.close()
    rows = [json.loads(line) for line in path.read_text().splitlines()][
        :2
    ]  # a checkpoint was made after step 2
    second = MetricsLog(path, rows, "step", ["tensorboard"], events)
    for step in (3, 4):
        second.write({"step": step, "loss": 1 / step})
    second.close()
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2, 3, 4]
    found = scalars(events)
    assert found["loss"] == [(1, 1.0), (2, 0.5), (3, 0.3333), (4, 0.25)]
    assert found["seconds/update"] == [(1, 0.5), (2, 0.5)]


def test_a_row_costs_its_own_bytes(tmp_path):
    """Five thousand rows that are written whole for each are gigabytes."""
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, [{"step": 1}], "step")
    begun = path.stat().st_ino
    for step in (2, 3):
        log.write({"step": step})
        assert (path.stat().st_ino, path.stat().st_size) == (begun, step * len('{"step": 1}\n'))


def test_a_torn_row_and_an_older_writer_leave_nothing(tmp_path):
    path, first = tmp_path / "metrics.jsonl", {"step": 1}
    older = MetricsLog(path, [], "step")
    for row in (first, {"step": 2}):
        older.write(row)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"step": 3, "lo')
    newer = MetricsLog(path, [first], "step")
    older.write({"step": 3})
    newer.write({"step": 2})
    assert [json.loads(line) for line in path.read_text().splitlines()] == [first, {"step": 2}]


def test_a_training_that_starts_over_replaces_its_curves(tmp_path):
    for loss in (1.0, 2.0):
        log = MetricsLog(tmp_path / "metrics.jsonl", [], "step", ["tensorboard"], tmp_path / "events")
        log.write({"step": 1, "loss": loss})
        log.close()
    assert scalars(tmp_path / "events")["loss"] == [(1, 2.0)]


def test_nobody_is_told_without_a_folder(tmp_path):
    MetricsLog(tmp_path / "metrics.jsonl", [], "step", ["tensorboard"]).write({"step": 1, "loss": 1.0})
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_wandb_gets_the_same_rows_under_one_run(tmp_path, monkeypatch):
    sent, begun = [], []

    def init(**given):
        begun.append(given)
        return SimpleNamespace(log=lambda values, step: sent.append((step, values)), finish=lambda: None)

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    state = tmp_path / "0123abcd"
    state.mkdir()
    for rows in ([], [{"iteration": 0, "kl": 0.0}]):
        told = MetricsLog(state / "metrics.jsonl", rows, "iteration", ["wandb"], tmp_path / "events")
        told.write({"iteration": len(rows), "kl": 0.5, "seconds": {"rollout": 1.0}})
        told.close()
    assert sent == [(0, {"kl": 0.5}), (1, {"kl": 0.5})]
    assert {given["id"] for given in begun} == {"0123abcd"}
    assert all(given["project"] == "redistill" and given["resume"] == "allow" for given in begun)


def test_a_missing_package_is_one_line(monkeypatch):
    monkeypatch.setattr(metrics_log, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="report_to names wandb.*pip install wandb"):
        check_reporters(["wandb"])
