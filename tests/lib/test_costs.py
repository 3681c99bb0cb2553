"""The cost model against the paper's App. F, and its behaviour at the edges."""

from pathlib import Path

import pytest
import yaml

pytest.importorskip("pydantic")

from scripts.lib.config import parse
from scripts.lib.costs import LABELLED, Cost, Costs, rows_of
from scripts.lib.roofline import GPUS, ppo_seconds, sampling_seconds, training_seconds

H100 = GPUS["h100"]
SIZES = {"1B": 1.236, "3B": 3.213}
GSM8K_TRAIN = 6725


def close(seconds: float, hours: float) -> bool:
    return abs(seconds / 3600 / hours - 1) < 0.1


@pytest.mark.parametrize(("size", "hours"), [("1B", 3), ("3B", 7.5)])
def test_student_generation_costs_what_the_paper_says(size: str, hours: float) -> None:
    seconds = sampling_seconds(GSM8K_TRAIN * 30, 180, billions=SIZES[size], gpus=1, batch=256, gpu=H100)
    assert close(seconds, hours)


@pytest.mark.parametrize(("size", "gpus", "batch", "hours"), [("1B", 1, 48, 1), ("3B", 4, 16, 4)])
def test_reward_training_costs_what_the_paper_says(size: str, gpus: int, batch: int, hours: float) -> None:
    steps = LABELLED * GSM8K_TRAIN * 10 * 4 / batch
    seconds = training_seconds(steps * batch * 2 * 330, steps, billions=SIZES[size], gpus=gpus, gpu=H100)
    assert close(seconds, hours)


@pytest.mark.parametrize(("size", "steps", "batch", "hours"), [("1B", 5000, 40, 8), ("3B", 8000, 16, 32)])
def test_ppo_costs_what_the_paper_says(size: str, steps: int, batch: int, hours: float) -> None:
    seconds = ppo_seconds(steps * batch, batch, 4, 512, billions=SIZES[size], gpus=4, gpu=H100)
    assert close(seconds, hours)


@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_more_work_costs_more(gpus: int) -> None:
    def hours(n: float, billions: float) -> float:
        return sampling_seconds(n, 180, billions=billions, gpus=gpus, batch=256, gpu=H100)

    assert 0 < hours(1000, 1) < hours(10_000, 1) < hours(10_000, 8)


def test_each_attempt_asks_for_more_up_to_the_limit() -> None:
    cost = Cost(gpu=4, mem_mb=10_000, seconds=3600, seconds_at_most=7200)
    first, second, last = (cost.request(attempt, 24) for attempt in (1, 2, 20))
    assert first["runtime"] == 130 and second["runtime"] == 260
    assert last["runtime"] == 24 * 60
    assert (first["mem_mb"], second["mem_mb"]) == (10_000, 15_000)
    assert first["gpu"] == second["gpu"] == 4


def test_short_jobs_have_room_to_start() -> None:
    assert Cost(seconds=1, seconds_at_most=1).request(1, 24)["runtime"] == 15


@pytest.fixture
def world() -> dict:
    with Path("config/config.yaml").open() as file:
        return yaml.safe_load(file)


def test_the_world_needs_no_gpu_unless_told(world: dict) -> None:
    row = {"dataset": "world", "teacher": "tiny", "student": "tiny", "variant": "ours", "seed": "0"}
    rules = ("sample_teacher", "train_ppo")
    assert [Costs(parse(world)).of(rule, row).gpu for rule in rules] == [0, 0]
    world["teachers"]["tiny"]["gpus"], world["students"]["tiny"]["gpus"] = 2, 1
    assert [Costs(parse(world)).of(rule, row).gpu for rule in rules] == [2, 1]


def test_tokens_are_counted_at_most(world: dict) -> None:
    cost = Costs(parse(world)).of("sample_teacher", {"dataset": "world", "teacher": "tiny", "seed": "0"})
    assert cost.tokens == 2000 * 10 * 48


@pytest.mark.parametrize(
    ("name", "text", "rows"), [("a.jsonl", "{}\n{}\n", 2), ("b.json", '[{"a": 1}, {"a": 2}, {"a": 3}]', 3)]
)
def test_rows_of_a_file(tmp_path, name: str, text: str, rows: int) -> None:
    path = tmp_path / name
    path.write_text(text)
    assert rows_of(path) == rows


def test_rows_of_a_file_to_come(tmp_path) -> None:
    assert rows_of(tmp_path / "none.jsonl", usual=5) == 5


def test_a_server_costs_dollars_and_no_gpu() -> None:
    raw = yaml.safe_load(Path("config/config.yaml").read_text())
    server = {"base_url": "http://x", "price_prompt": 2, "price_completion": 10, "requests_per_minute": 60}
    raw["teachers"]["api"] = {"model": "big", "engine": "openai", "server": server}
    row = {"dataset": "world", "teacher": "api", "seed": "0"}

    def cost(**limits: float) -> Cost:
        raw["teachers"]["api"]["server"] = server | limits
        return Costs(parse(raw)).sample_teacher(row)

    first = cost()
    world = raw["datasets"]["world"]
    completions = world["world"]["train"] * 4 * 5
    assert first.gpu == 0 and first.tokens == completions * world["max_tokens"]
    assert first.dollars > (completions * 300 * 2 + first.tokens * 10) / 1e6
    assert first.seconds >= completions and first.request(1, 24)["cents"] >= 100 * first.dollars
    assert cost(max_dollars=1.5).dollars == 1.5
    assert Costs(parse(raw)).judge_teacher(row).dollars == 1.5


def test_alpaca_eval_s_judge_is_paid_for() -> None:
    """About ten dollars a model, as its authors say; an own judge has no price here."""
    with Path("config/paper.yaml").open() as file:
        paper = yaml.safe_load(file)
    with Path("config/config.yaml").open() as file:
        base = yaml.safe_load(file)
    config = base | {
        key: base.get(key, {}) | value for key, value in paper.items() if isinstance(value, dict)
    }
    row = {"benchmark": "alpaca_eval", "evaluated": "student=llama3-1b", "seed": "0"}
    costs = Costs(parse(config | {"overrides": paper["overrides"]}))
    assert 8 < costs.of("alpaca_eval", row).dollars < 25
    paper["benchmarks"]["alpaca_eval"]["annotator"] = "own.yaml"
    assert Costs(parse(config | {"overrides": paper["overrides"]})).of("alpaca_eval", row).dollars == 0
