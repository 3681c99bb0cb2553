"""What follows from a model's size: GPUs, and what does not fit."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import read
from scripts.lib.errors import UserError
from scripts.lib.workflow.costs import Costs
from scripts.lib.workflow.roofline import GPUS
from scripts.lib.workflow.sizes import ranks_of, sized

ROW = {"dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-1b", "variant": "ours", "seed": 0}


@pytest.fixture
def paper() -> dict:
    return read(Path("config/paper.yaml"))


@pytest.mark.parametrize(
    ("billions", "dtype", "gpu", "ranks"),
    [
        (1.24, "bfloat16", "h100", 1),
        (8.03, "bfloat16", "h100", 1),
        (8.03, "float32", "h100", 1),
        (32.8, "bfloat16", "h100", 2),
        (32.8, "bfloat16", "h200", 1),
        (70.6, "bfloat16", "h100", 4),
        (405, "bfloat16", "h100", 16),
    ],
)
def test_gpus_that_hold_a_models_weights_and_its_cache(billions, dtype, gpu, ranks) -> None:
    assert ranks_of(billions, dtype, GPUS[gpu]) == ranks


def check(raw: dict, **row: str) -> None:
    Costs(sized(parse(raw))).check([ROW | row])


def test_a_key_that_is_set_is_taken(paper: dict) -> None:
    paper["teachers"]["llama3-70b"] |= {"tensor_parallel_size": 8}
    teacher = sized(parse(paper)).teachers["llama3-70b"]
    assert (teacher.tensor_parallel_size, teacher.gpus) == (8, 8)


def test_the_papers_students_fit(paper: dict) -> None:
    for student in ("llama3-1b", "llama3-3b"):
        for variant in ("ours", "wo_d", "dpo", "sft"):
            check(paper, student=student, variant=variant)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"billions": None, "model": "no/such"},
            r"students\.llama3-1b: the size of no/such is not known here; run "
            r"`make prefetch CONFIG=\.\.\. STUDY=\.\.\.` .* set its `billions`",
        ),
        (
            {"billions": 3.2},
            r"variants\.ours\.training: train_ppo of students\.llama3-1b needs 14\d GB on each GPU, of "
            r"the 81 it may fill \(h100\): weights, gradients and Adam 102, .*vLLM 13.*; "
            r"set variants\.ours\.training\.gradient_checkpointing: true",
        ),
        (
            {"billions": 8.0},
            r"rewards\.ours\.training: .* needs 14\d GB .*; take a smaller student, or set `gpu` .*",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_known_or_cannot_fit_names_the_key(paper: dict, change: dict, message: str) -> None:
    paper["students"]["llama3-1b"] |= change
    with pytest.raises(UserError, match=message):
        check(paper)


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        ({"vllm_gpu_memory_utilization": 0.3}, "lower variants.ours.training.vllm_gpu_memory_utilization"),
        ({"gradient_checkpointing": True}, "set variants.ours.training.fsdp: true"),
        ({"gradient_checkpointing": True, "fsdp": True, "gpus": 1}, "raise variants.ours.training.gpus"),
        ({"gradient_checkpointing": True, "fsdp": True, "gpus": 4}, ""),
    ],
)
def test_a_refusal_names_the_next_key_until_it_fits(paper: dict, settings: dict, mend: str) -> None:
    paper["students"]["llama3-1b"]["billions"] = 3.2
    paper["variants"]["ours"]["training"] = settings
    try:
        check(paper)
    except UserError as error:
        assert mend and str(error).endswith(mend)
    else:
        assert not mend


def test_a_share_that_leaves_no_room_for_one_completion_is_refused(paper: dict) -> None:
    paper["teachers"]["llama3-70b"] |= {"tensor_parallel_size": 2}
    with pytest.raises(UserError, match=r"teachers\.llama3-70b: sample_teacher needs 7\d GB .*weights 71.*"):
        paper["teachers"]["llama3-70b"]["gpu_memory_utilization"] = 0.8
        check(paper)
    paper["teachers"]["llama3-70b"]["gpu_memory_utilization"] = 0.95
    check(paper)


def test_a_benchmark_whose_answers_have_no_room_is_refused(paper: dict) -> None:
    paper["benchmarks"]["gsm8k"]["max_tokens"] = 3_000_000
    with pytest.raises(
        UserError, match=r"llama3-70b: sample_teacher_on_b.* lower benchmarks\.gsm8k\.max_tokens"
    ):
        check(paper)


@pytest.mark.parametrize(
    ("billions", "per_node", "keys", "found"),
    [
        (70.6, 8, {}, (4, 1, 1, 4)),
        (70.6, 2, {}, (2, 2, 2, 4)),
        (405, 8, {}, (8, 2, 2, 16)),
        (405, 6, {}, (4, 4, 3, 16)),
        (405, 8, {"tensor_parallel_size": 16}, (16, 1, 2, 16)),
        (405, 8, {"pipeline_parallel_size": 4}, (4, 4, 2, 16)),
        (405, 8, {"tensor_parallel_size": 8, "pipeline_parallel_size": 3}, (8, 3, 3, 24)),
        (405, 8, {"nodes": 4}, (8, 2, 4, 16)),
        (0.001, 8, {}, (1, 1, 1, 0)),
    ],
)
def test_a_model_too_large_for_a_node_goes_over_several(paper: dict, billions, per_node, keys, found) -> None:
    """(tensor_parallel_size, pipeline_parallel_size, nodes, gpus)"""
    paper["gpus_per_node"] = per_node
    paper["teachers"]["llama3-70b"] |= {"billions": billions} | keys
    teacher = sized(parse(paper)).teachers["llama3-70b"]
    shape = teacher.tensor_parallel_size, teacher.pipeline_parallel_size, teacher.nodes, teacher.gpus
    assert shape == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda raw: raw["teachers"]["llama3-70b"].update(tensor_parallel_size=9),
            r"teachers\.llama3-70b: 2 nodes cannot share 9 GPUs evenly; set tensor_parallel_size to",
        ),
        (
            lambda raw: raw["variants"]["ours"].update(training={"gpus": 9}),
            r"variants\.ours\.training\.gpus: 2 nodes of 8 GPUs \(gpus_per_node\) cannot share 9 evenly",
        ),
    ],
)
def test_nodes_share_gpus_evenly(paper: dict, change, message: str) -> None:
    change(paper)
    with pytest.raises(UserError, match=message):
        check(paper)


def test_what_is_imported_or_served_needs_no_size(paper: dict) -> None:
    server = {"base_url": "http://127.0.0.1:1/v1"}
    paper["teachers"]["llama3-70b"] |= {"engine": "openai", "server": server, "billions": None}
    paper["teachers"]["llama3-70b"] |= {"revision": None, "shard_minutes": None}
    check(paper)
