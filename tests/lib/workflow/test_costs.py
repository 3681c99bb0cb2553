"""The cost model against the paper's App. F, and its behaviour at the edges."""

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import WORLD, read
from scripts.lib.errors import UserError
from scripts.lib.runs.attempts import Past
from scripts.lib.workflow.costs import LABELLED, SHARDED, Cost, Costs, prompt_size, rows_of
from scripts.lib.workflow.layout import Layout
from scripts.lib.workflow.roofline import GPUS, ppo_seconds, sampling_seconds, training_seconds
from scripts.lib.workflow.sizes import sized

H100 = GPUS["h100"]
PAPER = Path("config/paper.yaml")
SIZES = {"1B": 1.236, "3B": 3.213}
GSM8K_TRAIN = 6725


def costs_of(raw: dict) -> Costs:
    return Costs(sized(parse(raw)))


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
    run = partial(ppo_seconds, steps * batch, batch, 4, 512, billions=SIZES[size], gpus=4, gpu=H100)
    seconds = run()
    assert 0.9 * seconds < run(critic=False) < 0.99 * seconds
    assert run(adversarial=True) > 1.005 * seconds
    assert close(seconds, hours)


@pytest.mark.parametrize("gpus", [0, 1, 4])
def test_more_work_costs_more(gpus: int) -> None:
    def hours(n: float, billions: float) -> float:
        return sampling_seconds(n, 180, billions=billions, gpus=gpus, batch=256, gpu=H100)

    assert 0 < hours(1000, 1) < hours(10_000, 1) < hours(10_000, 8)


PPO = Cost(gpu=4, mem_mb=10_000, seconds=3600, seconds_at_most=7200)


@pytest.mark.parametrize(
    ("past", "asks"),
    [
        (Past(), {"gpu": 4, "gpus_wanted": 4, "runtime": 130, "mem_mb": 10_000, "at_most": 7800, "held": 0}),
        (Past(held=3000), {"runtime": 80, "mem_mb": 10_000, "at_most": 7800, "held": 3000}),
        (Past(memory=1), {"runtime": 130, "mem_mb": 15_000}),
        (Past(memory=2, node_mb=17_000), {"mem_mb": 17_000}),
        (Past(held=600, limits=1), {"runtime": 120, "mem_mb": 10_000}),
        (Past(held=7700), {"runtime": 5}),
    ],
)
def test_an_attempt_asks_for_what_the_last_one_lacked_and_never_beyond_what_was_planned(past, asks) -> None:
    assert asks.items() <= PPO.request(24, past=past).items()


def test_more_time_comes_up_to_the_limit_where_no_gpu_is_paid_for() -> None:
    table = Cost(seconds=1, seconds_at_most=1)
    assert [table.request(0.4, past=Past(limits=n))["runtime"] for n in (0, 1)] == [15, 24]
    assert table.request(24, past=Past(limits=1, held=900))["runtime"] == 30
    assert table.request(24)["at_most"] == 45 * 60


def test_a_job_longer_than_the_limit_is_planned_in_starts_and_pays_for_each() -> None:
    long = replace(PPO, seconds=123 * 3600, seconds_at_most=246 * 3600)
    asked = long.request(24)
    assert (asked["runtime"], asked["starts"]) == (24 * 60, 6)
    assert asked["expected"] == 123 * 3600 + 5 * 300
    assert asked["at_most"] == (246 * 60 + 10 + 10 * 5) * 60
    assert long.request(1)["starts"] == math.ceil(123 * 60 / 55)
    assert long.request(24, slack=2)["at_most"] == 2 * asked["at_most"]
    assert long.request(0.2)["runtime"] == 12


@pytest.mark.parametrize(("nodes", "asked"), [(1, (1, None, None, None)), (2, (2, "srun", 2, 0))])
def test_a_job_over_several_nodes_is_one_task_per_node(nodes: int, asked: tuple) -> None:
    found = Cost(gpu=8, nodes=nodes).request(24)
    assert tuple(found[key] for key in ("nodes", "mpi", "tasks", "tasks_per_gpu")) == asked


def test_short_jobs_have_room_to_start() -> None:
    assert Cost(seconds=1, seconds_at_most=1).request(24)["runtime"] == 15


@pytest.fixture
def world() -> dict:
    return read(WORLD)


def test_the_world_needs_no_gpu_unless_told(world: dict) -> None:
    row = {"dataset": "world", "teacher": "tiny", "student": "tiny", "variant": "ours", "seed": "0"}
    rules = ("sample_teacher", "train_ppo")
    assert [costs_of(world).of(rule, row).gpu for rule in rules] == [0, 0]
    world["teachers"]["tiny"]["gpus"], world["students"]["tiny"]["gpus"] = 2, 1
    assert [costs_of(world).of(rule, row).gpu for rule in rules] == [2, 1]


def test_tokens_are_counted_at_most(world: dict) -> None:
    cost = costs_of(world).of("sample_teacher", {"dataset": "world", "teacher": "tiny", "seed": "0"})
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
    raw = read(WORLD)
    server = {"base_url": "https://x", "price_prompt": 2, "price_completion": 10, "requests_per_minute": 60}
    raw["teachers"]["api"] = {"model": "big", "engine": "openai", "server": server}
    row = {"dataset": "world", "teacher": "api", "seed": "0"}

    def cost(**limits: float) -> Cost:
        raw["teachers"]["api"]["server"] = server | limits
        return costs_of(raw).sample_teacher(row)

    first = cost()
    world = raw["datasets"]["world"]
    completions = world["world"]["train"] * (1 + 3 * 5)  # one at temperature 0
    assert first.gpu == 0 and first.tokens == completions * world["max_tokens"]
    assert first.dollars > (completions * 300 * 2 + first.tokens * 10) / 1e6
    assert first.seconds >= completions and first.request(24)["cents"] >= 100 * first.dollars
    assert cost(max_dollars=1.5).dollars == 1.5
    assert costs_of(raw).judge_teacher(row).dollars == 1.5


def test_a_teacher_that_gives_the_reward_is_paid_for_every_response() -> None:
    """Behind a server in dollars, those asked again included; else in hours and memory beside the policy."""
    raw = read(PAPER)
    server = {"base_url": "https://x", "price_prompt": 2, "price_completion": 10}
    raw["teachers"]["api"] = {"model": "big", "engine": "openai", "server": server}
    row = {"dataset": "gsm8k", "teacher": "api", "student": "llama3-1b", "seed": "0"}

    def cost(teacher: str = "api", variant: str = "judge_reward") -> Cost:
        return costs_of(raw).of("train_ppo", row | {"teacher": teacher, "variant": variant})

    served, here, free = cost(), cost("llama3-8b"), cost("llama3-8b", "ours")
    assert served.tokens == 200_000 * 3 * 256 and served.dollars > served.tokens * 10 / 1e6
    assert served.gpu == 2 and served.seconds > free.seconds and served.memory.total < free.memory.total
    assert here.tokens == 200_000 * 256 and here.dollars == free.dollars == free.tokens == 0
    assert here.memory.held["frozen networks"] == pytest.approx(2e9 * (1.24 + 8.03))
    assert here.seconds > 2 * free.seconds
    raw["variants"]["judge_reward"]["training"]["max_judgements"] = 1000
    assert cost().tokens == 1000 * 256
    server["max_dollars"] = 1.5
    assert cost().dollars == 1.5
    with pytest.raises(UserError, match=r"needs .* GB .*serve teachers.llama3-70b \(engine: openai\)"):
        costs_of(raw).check([row | {"teacher": "llama3-70b", "variant": "judge_reward"}])


def test_alpaca_eval_s_judge_is_paid_for() -> None:
    """About ten dollars per model, as its authors say; an own judge has no price here."""
    paper = read(PAPER)
    row = {"benchmark": "alpaca_eval", "evaluated": "student=llama3-1b", "seed": "0"}
    assert 8 < costs_of(paper).of("alpaca_eval", row).dollars < 25
    paper["benchmarks"]["alpaca_eval"]["annotator"] = "own.yaml"
    assert costs_of(paper).of("alpaca_eval", row).dollars == 0


CHAIN = {"dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-1b", "warmup": "wo_r", "seed": "0"}


@pytest.fixture
def paper() -> dict:
    return read(PAPER)


@pytest.mark.parametrize("rule", SHARDED)
def test_shards_together_cost_the_step_and_each_its_loading(paper: dict, rule: str) -> None:
    for block in (*paper["teachers"].values(), *paper["students"].values()):
        block.pop("shard_minutes")
    whole = costs_of(paper).of(rule, CHAIN)
    assert costs_of(paper).shards(rule, CHAIN) == 1
    for block in (*paper["teachers"].values(), *paper["students"].values()):
        block["shards"] = 5
    costs = costs_of(paper)
    each, rest = costs.of(f"{rule}_shard", CHAIN), costs.of(rule, CHAIN)
    assert (each.gpu, rest.gpu, each.tokens, rest.tokens) == (whole.gpu, 0, 0, whole.tokens)
    assert 5 * (each.seconds - whole.loading) == pytest.approx(whole.seconds - whole.loading)
    assert 5 * each.disk + rest.disk == pytest.approx(whole.disk)


@pytest.mark.parametrize("rule", SHARDED)
def test_a_target_gives_as_many_shards_as_keep_it(paper: dict, rule: str) -> None:
    costs = costs_of(paper)
    count, each = costs.shards(rule, CHAIN), costs.of(f"{rule}_shard", CHAIN)
    assert (
        (each.seconds_at_most - each.loading) / 60 <= 240 < (each.seconds_at_most - each.loading) / 60 * count
    )
    assert each.request(24)["runtime"] <= 240 + 10 + each.loading / 60


def test_the_number_of_shards_is_the_configs_whatever_has_been_fetched(
    paper: dict, tmp_path, monkeypatch
) -> None:
    paper["downloads"]["own.jsonl"] = paper["downloads"].pop("gsm8k_train.parquet") | {"repo": "some/where"}
    paper["datasets"]["gsm8k"]["queries"] = str(tmp_path / "own.jsonl")
    before = costs_of(paper)
    count, seconds = before.shards("sample_teacher", CHAIN), before.of("sample_student_shard", CHAIN).seconds
    (tmp_path / "own.jsonl").write_text("{}\n" * 70)
    rows_of.cache_clear()
    after = costs_of(paper)
    assert after.shards("sample_teacher", CHAIN) == count > 1
    assert after.of("sample_student_shard", CHAIN).seconds < seconds / 10


def test_a_shards_name_follows_from_what_is_sampled(paper: dict) -> None:
    def name(change=lambda raw: None, count=2) -> str:
        raw = read(PAPER)
        change(raw)
        return Layout(parse(raw)).shards(CHAIN, count)[0]

    assert name().endswith("/0-of-2") and Layout(parse(paper)).shards(CHAIN, 1) == []
    assert name(lambda raw: raw["teachers"]["llama3-70b"].update(shard_minutes=60)) == name()
    assert name(count=3).split("/")[0] == name().split("/")[0]
    for kind, block, change in (
        ("teachers", "llama3-70b", {"seed": 1}),
        ("students", "llama3-1b", {"dtype": "float16"}),
        ("datasets", "gsm8k", {"max_tokens": 7}),
        ("variants", "wo_r", {"answers": "all"}),
    ):
        assert (
            name(lambda raw, where=(kind, block), what=change: raw[where[0]][where[1]].update(what)) != name()
        )


def test_the_answers_of_a_warm_up_are_all_that_are_sampled_or_so_many_a_query(paper: dict) -> None:
    """16 of the first round, and 50 more of three in ten queries; a judged data set has one round."""
    row = {"dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-1b", "variant": "wo_r"}
    costs = costs_of(paper)
    queries = costs.questions("gsm8k", "train")
    assert costs.answers(row) == queries * (16 + 0.3 * 50)
    assert costs.answers(row | {"variant": "sft_5"}) == queries * 5
    judged = row | {"dataset": "ultrafeedback"}
    assert costs.answers(judged) == costs.questions("ultrafeedback", "train") * 16


def test_validation_is_sampled_as_training_questions_are_for_its_share_of_them(paper: dict) -> None:
    row = {"dataset": "gsm8k", "teacher": "llama3-70b", "seed": "0"}
    costs = costs_of(paper)
    for rule, whole in (("", "sample_teacher"), ("_again", "sample_teacher_again")):
        held_out, train = costs.of(f"sample_teacher_on_validation{rule}", row), costs.of(whole, row)
        assert held_out.tokens == pytest.approx(747 / 6726 * train.tokens, rel=1e-3)
        assert held_out.gpu == 4


def test_a_server_reads_the_worked_examples_too() -> None:
    raw = read(PAPER)
    server = {"base_url": "https://x", "price_prompt": 2}
    raw["teachers"]["api"] = {"model": "big", "engine": "openai", "server": server}
    asked = {"dataset": "mmlu_pro", "teacher": "api", "seed": "0"}
    tested = {"benchmark": "mmlu_pro", "teacher": "api", "seed": "0"}
    shown = [
        costs_of(raw).sample_teacher(asked).dollars,
        costs_of(raw).sample_teacher_on_benchmark(tested).dollars,
    ]
    raw["datasets"]["mmlu_pro"]["shots"]["file"] = None
    plain = [
        costs_of(raw).sample_teacher(asked).dollars,
        costs_of(raw).sample_teacher_on_benchmark(tested).dollars,
    ]
    template = prompt_size("mmlu_pro") - 300
    for more, less in zip(shown, plain, strict=True):
        assert more / less == pytest.approx((900 + template) / (300 + template))


def test_a_reward_model_is_measured_on_the_held_out_share(paper: dict) -> None:
    row = CHAIN | {"reward": "ours"}
    few = costs_of(paper).evaluate_reward(row).seconds
    for share in ({"validation_fraction": 0.4}, {"test_fraction": 0.4}):
        for block in paper["rewards"].values():
            block.setdefault("pairs", {}).update(share)
        found = costs_of(paper).evaluate_reward(row).seconds
        assert (found > few) == ("test_fraction" in share)


@pytest.mark.parametrize(
    ("rule", "shards", "placed"),
    [
        ("sample_teacher", None, True),
        ("judge_student", None, True),
        ("sample_teacher_shard", 2, True),
        ("sample_teacher", 2, False),
        ("sample_student", None, False),
        ("train_ppo", None, False),
        ("pretrain", None, False),
    ],
)
def test_a_model_s_jobs_go_where_its_block_says(
    paper: dict, rule: str, shards: int | None, placed: bool
) -> None:
    where = {"slurm_partition": "h200", "constraint": "nvlink&ib"}
    paper["teachers"]["llama3-70b"] |= {"resources": where, "shards": shards, "shard_minutes": None}
    row = {} if rule == "pretrain" else CHAIN
    assert costs_of(paper).placement(rule, row) == (where if placed else {})


def test_who_puts_shards_together_needs_little_memory_for_many_completions():
    """A node's memory was asked for at ten million; what is needed grows with the prompts alone."""
    assert [Cost(disk=size).gathering().mem_mb for size in (1e8, 2e10)] == [4025, 9000]


def test_a_step_over_tables_asks_for_memory_by_its_questions():
    """80 GB were asked for at ten million samples, which no step held."""
    costs = costs_of(read(PAPER))
    object.__setattr__(costs, "questions", lambda dataset, split: 200_000)
    asked = [costs.table({"dataset": name}).mem_mb for name in ("gsm8k", "ultrafeedback")]
    assert asked == [3000, 10_000], "a teacher judges whole samples"
    assert costs.table({}).mem_mb == 2000
