"""Paths hold what their content depends on: nothing less, or a stale file counts as new; nothing more,
or work is done twice."""

import shlex
from dataclasses import replace

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import over, read
from scripts.lib.workflow.layout import Layout, ModelRef

QUESTIONS = {"queries": "q.jsonl", "task": "numeric", "prompt": "world"}
MODEL = {"model": "hub/model", "revision": "abc", "engine": "transformers"}
MADE = {"role": "student", "dataset": "rows", "hidden_size": 64, "num_hidden_layers": 2}
MADE |= {"num_attention_heads": 2, "intermediate_size": 128, "max_steps": 1, "learning_rate": 0.001}
RAW = {
    "models": {"scratch": MADE, "scratch_fixed": MADE | {"dataset": "fixed"}},
    "datasets": {
        "fixed": QUESTIONS | {"seed": 5},
        "rows": QUESTIONS | {"seed": "row", "on_leak": "drop", "test_fraction": 0.1},
        "chat": QUESTIONS | {"task": "open"},
    },
    "teachers": {
        "asked_twice": MODEL,
        "asked_once": MODEL | {"again": None},
        "imported": {"samples": [{"path": "s.jsonl", "model": "m", "temperature": 1}]},
    },
    "students": {
        "hub": MODEL,
        "made": {"pretrained": "scratch", "engine": "transformers"},
        "made_fixed": {"pretrained": "scratch_fixed", "engine": "transformers"},
    },
    "benchmarks": {
        "own": {"dataset": "rows", "split": "test", "task": "numeric", "prompt": "world"},
        "shared": {"dataset": "fixed", "split": "validation", "task": "numeric", "prompt": "world"},
        "everyones": QUESTIONS,
        "foreign": QUESTIONS | {"trained_on": ["rows"]},
    },
    "studies": {},
}
ROW = {"dataset": "rows", "teacher": "asked_twice", "student": "hub", "variant": "ours", "seed": 3}
CHAIN = "dataset=rows/teacher=asked_twice"


@pytest.fixture(scope="module")
def layout() -> Layout:
    return Layout(parse(over(read(), RAW)))


def test_a_data_set_has_its_own_seed_or_the_rows(layout: Layout) -> None:
    assert (layout.data_seed("fixed", 3), layout.data_seed("rows", 3)) == (5, 3)
    assert layout.queries("fixed", 3, "train") == "results/queries/dataset=fixed/seed=5/train.parquet"
    assert layout.chain(ROW) == f"{CHAIN}/seed=3"
    assert layout.chain(ROW | {"dataset": "fixed"}) == "dataset=fixed/teacher=asked_twice/seed=5"


@pytest.mark.parametrize(
    ("file", "stage"), [("train", "leakage"), ("validation", "leakage"), ("test", "queries")]
)
def test_what_the_gate_cleans_is_read_behind_it(layout: Layout, file: str, stage: str) -> None:
    assert layout.queries("rows", 3, file) == f"results/{stage}/dataset=rows/seed=3/{file}.parquet"
    assert layout.queries("rows", 3, f"{file}_golds").startswith("results/queries/")
    assert layout.queries("fixed", 3, file).startswith("results/queries/")


def test_scores_go_to_one_or_to_five(layout: Layout) -> None:
    assert (layout.best_score("rows"), layout.best_score("chat")) == (1, 5)
    assert (layout.judged("rows"), layout.judged("chat")) == (False, True)


def test_a_benchmark_is_a_part_of_a_data_set_or_a_file_of_its_own(layout: Layout) -> None:
    assert layout.benchmark("own", 3) == "results/queries/dataset=rows/seed=3/test.parquet"
    assert layout.benchmark("own", 3, golds=True) == "results/queries/dataset=rows/seed=3/test_golds.parquet"
    assert layout.benchmark("shared", 3) == "results/queries/dataset=fixed/seed=5/validation.parquet"
    assert layout.benchmark("foreign", 3) == "results/benchmarks/benchmark=foreign/queries.parquet"
    assert layout.benchmark("foreign", 3, golds=True) == "results/benchmarks/benchmark=foreign/golds.parquet"
    assert [layout.benchmark_seed(name, 3) for name in ("own", "shared", "foreign")] == [3, 5, 0]


def test_training_is_held_against_every_benchmark_from_elsewhere_that_it_is_measured_on(
    layout: Layout,
) -> None:
    folder = "results/leakage/dataset=rows/seed=3"
    names = ("everyones", "foreign")
    assert layout.foreign_benchmarks("rows", 3) == [layout.benchmark(name, 3) for name in names]
    assert layout.foreign_benchmarks("fixed", 3) == [layout.benchmark("everyones", 3)]
    assert layout.gates("rows", 3) == [
        f"{folder}/report.json",
        *(f"{folder}/benchmark={name}/report.json" for name in names),
    ]


def test_models_are_of_the_hub_or_made_under_a_seed(layout: Layout) -> None:
    students = layout.config.students
    assert layout.model(students["hub"], 3) == ModelRef("hub/model", "abc")
    assert layout.model(students["hub"], 3).flags == "--model hub/model --revision abc"
    for name, folder in (("made", "model=scratch/seed=3"), ("made_fixed", "model=scratch_fixed/seed=5")):
        made = layout.model(students[name], 3)
        assert made.name == f"results/models/{folder}/checkpoint"
        assert made.identity == f"results/models/{folder}/identity.json"
        assert made.flags == f"--model {made.name}"


def test_only_a_voting_teacher_that_is_asked_again_has_two_rounds(layout: Layout) -> None:
    def rounds(**names: str) -> int:
        return len(layout.teacher_samples(ROW | names))

    assert layout.teacher_samples(ROW) == [
        f"results/teacher_samples/{CHAIN}/seed=3/round={number}/samples.parquet" for number in (1, 2)
    ]
    assert layout.teacher_answers(ROW) == [
        f"results/answers/{CHAIN}/seed=3/round={number}/answers.parquet" for number in (1, 2)
    ]
    assert rounds(teacher="asked_once") == rounds(teacher="imported") == rounds(dataset="chat") == 1


def test_labels_and_grades_are_the_teachers_and_the_splits(layout: Layout) -> None:
    assert layout.labels(ROW) == f"results/labels/{CHAIN}/seed=3/labels.parquet"
    assert layout.labelled(ROW) == f"results/labels/{CHAIN}/seed=3/labelled.parquet"
    assert layout.teacher_grades(ROW) == f"results/teacher_grades/{CHAIN}/seed=3/grades.parquet"


def test_what_is_trained_names_the_whole_chain_and_the_rows_seed(layout: Layout) -> None:
    chain = f"{CHAIN}/student=hub"
    trained = layout.checkpoint(ROW, "ours")
    assert trained.name == f"results/checkpoints/{chain}/variant=ours/seed=3/checkpoint"
    assert layout.checkpoint(ROW, "icl") == ModelRef("hub/model", "abc")
    assert (
        layout.student(ROW, "wo_r", "student_samples", "samples.parquet")
        == f"results/student_samples/{chain}/warmup=wo_r/seed=3/samples.parquet"
    )
    pairs, model = f"results/pairs/{chain}/reward=ours/seed=3", f"results/rewards/{chain}/reward=ours/seed=3"
    assert layout.reward(ROW, "ours", "pairs.parquet", "pairs") == f"{pairs}/pairs.parquet"
    assert layout.reward_model(ROW, "ours") == ModelRef(
        f"{model}/checkpoint", identity=f"{model}/identity.json"
    )
    assert layout.training_metrics(ROW) == f"results/checkpoints/{chain}/variant=ours/seed=3/metrics.jsonl"
    assert layout.training_metrics(ROW | {"variant": "icl"}) is None


def test_untrained_models_are_evaluated_once_for_every_chain(layout: Layout) -> None:
    assert layout.evaluated(ROW, "own") == f"benchmark=own/{CHAIN}/student=hub/variant=ours/seed=3"
    assert layout.evaluated(ROW | {"variant": "icl"}, "own") == "benchmark=own/student=hub/seed=3"
    assert layout.evaluated(ROW | {"variant": "icl"}, "shared") == "benchmark=shared/student=hub/seed=5"
    assert (
        layout.evaluated(ROW | {"variant": "teacher"}, "foreign")
        == "benchmark=foreign/teacher=asked_twice/seed=0"
    )


def test_a_row_is_measured_on_the_benchmarks_of_its_data_set(layout: Layout) -> None:
    names = ["own", "foreign"]
    assert layout.evaluations(ROW, names) == names
    assert layout.evaluations(ROW | {"dataset": "fixed"}, names) == ["own"]


def test_what_is_learnt_is_the_teachers_or_a_students_own(layout: Layout) -> None:
    own = f"{CHAIN}/student=hub/warmup=rft/seed=3"
    row = ROW | {"variant": "rft_2"}
    assert layout.learnt_samples(row) == [f"results/student_samples/{own}/samples.parquet"]
    assert layout.learnt_grades(row) == f"results/student_grades/{own}/grades.parquet"
    for variant, grades in (("wo_r", layout.teacher_grades(ROW)), ("sft", None)):
        assert layout.learnt_samples(ROW | {"variant": variant}) == layout.teacher_samples(ROW)
        assert layout.learnt_grades(ROW | {"variant": variant}) == grades


def test_all_of_several_answers_are_sampled_once_for_every_way_to_take_one(layout: Layout) -> None:
    place = f"benchmark=own/{CHAIN}/student=hub/variant=wo_r"
    samples = {layout.samples(ROW | {"variant": name}, "own") for name in ("majority", "best_of_n")}
    assert samples == {f"results/repeated_samples/{place}/seed=3/samples.parquet"}
    rewards = f"results/repeated_rewards/{place}/reward=ours/seed=3/rewards.parquet"
    assert layout.repeated_rewards(ROW | {"variant": "best_of_n"}, "own") == rewards
    assert layout.repeated_rewards(ROW | {"variant": "majority"}, "own") is None
    greedy = layout.samples(ROW | {"variant": "wo_r"}, "own")
    assert greedy == f"results/eval_samples/{place}/seed=3/samples.parquet"


def test_only_a_label_reward_needs_no_reward_model(layout: Layout) -> None:
    assert [layout.without_reward_model(name) for name in ("rlvr", "judge_reward", "ours", "icl")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_shard_counts_for_what_was_sampled_and_not_for_how(layout: Layout) -> None:
    def names(**changes: object) -> list[str]:
        config = layout.config
        teacher = replace(config.teachers["asked_twice"], **changes)
        changed = config.model_copy(update={"teachers": config.teachers | {"asked_twice": teacher}})
        return Layout(changed).shards({"dataset": "rows", "teacher": "asked_twice"}, 2)

    assert layout.shards(ROW, 1) == []
    first, second = names()
    assert (first[8:], second[8:]) == ("/0-of-2", "/1-of-2") and first[:8] == second[:8]
    assert names(batch_size=7) == names(gpus=2) == names(shards=2) == names()
    assert names(seed=7) != names() and names(dtype="float32") != names()


def test_a_shell_reads_a_model_as_the_words_it_is() -> None:
    model = ModelRef("my models/x$(touch y)", "v1; id")
    assert shlex.split(model.flags) == ["--model", "my models/x$(touch y)", "--revision", "v1; id"]
