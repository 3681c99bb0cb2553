"""PPO as a command: it learns, chooses, stops, resumes bit for bit, and gives the same run on one process or
two."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from tests.support.judge_server import JudgeServer
from tests.support.ppo_toy import arguments, flags, make_toy, run_apart
from tests.support.steps import call, until
from tests.support.training_data import outputs
from tests.train.test_padding import TOKENS, alike, padded

ROOT = Path(__file__).parents[2]
slow = pytest.mark.slow


GRPO = {"advantage_estimator": "grpo", "num_generations": 8, "kl_in": "loss", "kl_estimator": "k3"}
RLOO = {"advantage_estimator": "rloo", "num_generations": 4}
for each in (GRPO, RLOO):
    each["value_warmup_iterations"] = 0
GAD = GRPO | {"reward_design": "none", "reward_learning_rate": 2e-3}


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return make_toy(tmp_path_factory.mktemp("toy"))


@pytest.fixture(scope="module")
def straight(toy, tmp_path_factory):
    """A run that nothing interrupted."""
    run = tmp_path_factory.mktemp("straight")
    assert run_apart(arguments(toy, run)) == 0
    return run


def history(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["seconds"]
    return lines


def test_a_process_holds_each_gradient_once():
    """DDP's buckets are the gradients, not their copies."""
    from scripts.lib.training.settings.ppo import PpoTraining
    from scripts.train.train_ppo import started

    assert started(PpoTraining()).ddp_handler.to_kwargs()["gradient_as_bucket_view"] is True


def content(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "checkpoint").iterdir()}


def test_d_r_is_the_pairs_queries_and_with_unlabelled_those_without_a_label_too():
    from scripts.lib.errors import UserError
    from scripts.train.train_ppo import distillation_queries

    names = ["d", "a", "flat", "c", "b"]
    queries = pl.DataFrame({"query_id": names, "question": [name.upper() for name in names]})
    labels = pl.DataFrame(
        {"query_id": ["a", "b", "c", "d", "flat"], "label": ["1", None, "3", None, "5"]},
    )
    pairs = pl.DataFrame({"query_id": ["c", "a", "c"]})

    def found(**changes):
        given = {"unlabelled": False, "design": "ours"} | changes
        return distillation_queries(queries, pairs, labels, **given).rows()

    assert found() == found(design="label") == [("a", "A", "1"), ("c", "C", "3")]
    everyone = [("a", "A", "1"), ("b", "B", None), ("c", "C", "3"), ("d", "D", None)]
    assert found(unlabelled=True) == found(unlabelled=True, design="none") == everyone
    with pytest.raises(UserError, match="2 queries have no pseudo-label; reward_design label needs one each"):
        found(unlabelled=True, design="label")
    with pytest.raises(UserError, match="no query of --pairs is in --queries"):
        distillation_queries(queries, pairs.with_columns(query_id=pl.lit("x")), labels, True, "ours")


@pytest.mark.parametrize("queries", ["queries", "validation"])
def test_each_prompt_has_its_own_querys_target(tmp_path, queries):
    """Of training the label, of validation the gold, as the task reads it."""
    from types import SimpleNamespace

    from scripts.lib.data import tables
    from scripts.lib.models.prompts import PromptTemplate
    from scripts.lib.training.flags import Distillation
    from scripts.train.train_ppo import held_out, learnt

    class Words:
        eos_token_id = unk_token_id = None

        def __call__(self, texts, **_):
            return {"input_ids": [[int(text)] for text in texts]}

    names = ["d", "a", "c", "b"]
    known = {"query_id": names, "question": ["14", "11", "13", "12"]}
    rows = pl.DataFrame(known | {"options": [["o14"], ["o11"], ["o13"], ["o12"]], "group": [""] * 4})
    rows = rows.with_columns(shots=pl.lit([], dtype=tables.QUERIES["shots"]))
    golds = pl.DataFrame({"query_id": names, "answer": ["4.0", "1.0", "3.0", "2.0"]})
    labels = pl.DataFrame({"query_id": names, "label": ["4", "1", "3", "2"], "reason": ["ok"] * 4})
    labels = labels.with_columns(share=pl.lit(1.0), votes=pl.lit(1), m=pl.lit(1))
    files = {name: tmp_path / name for name in ("queries", "golds", "labels", "pairs", "prompt")}
    for name, table, schema in (
        ("queries", rows, tables.QUERIES),
        ("golds", golds, tables.GOLDS),
        ("labels", labels, tables.LABELS),
        ("pairs", rows, tables.IDS),
    ):
        tables.write(table.reverse(), files[name], schema)
    files["prompt"].write_text("{{ question }}")
    template = PromptTemplate(files["prompt"], False)
    data = Distillation(
        task="numeric",
        validation=files["queries"],
        validation_golds=files["golds"],
        labels=files["labels"],
        pairs=[files["pairs"]],
    )
    if queries == "queries":
        found = learnt(SimpleNamespace(queries=files["queries"]), data, "ours", Words(), template)
    else:
        found = held_out(data, Words(), template)
    told = set(
        zip([prompt for (prompt,) in found.prompts], map(tuple, found.options), found.targets, strict=True)
    )
    assert told == {(10 + n, (f"o{10 + n}",), str(n)) for n in (1, 2, 3, 4)}


def test_what_the_tokenizer_pads_with_changes_nothing(toy, tmp_path):
    from scripts.train.train_ppo import main

    for kind in TOKENS:
        models = {
            flag: str(padded(toy / name, tmp_path / f"{kind} {name}", kind))
            for flag, name in (("model", "student"), ("reward_model", "reward"))
        }
        told = outputs(tmp_path / kind, tmp_path / "state")
        call(main, **arguments(toy, tmp_path, total_episodes=64, **models, **told))
    alike([tmp_path / kind for kind in TOKENS], list(TOKENS))


@pytest.fixture
def own_precision():
    """Accelerate keeps one precision per process: forget it before and after."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_in_bfloat16_policy_sampler_and_reference_agree_up_to_its_rounding(toy, tmp_path, own_precision):
    """Old log-probabilities are the policy's own, so that nothing is clipped before a first update."""
    from scripts.train.train_ppo import main

    given = arguments(toy, tmp_path, total_episodes=32, num_ppo_epochs=1, num_mini_batches=1)
    call(main, **given | {"value_warmup_iterations": 0}, bf16=True)
    _, line = history(tmp_path)
    assert (line["ratio"], line["clip_fraction"]) == (pytest.approx(1, abs=1e-3), 0)
    assert line["kl"] == pytest.approx(0, abs=0.01) and line["validation"] > 0.2


def test_what_shapes_a_policy_is_part_of_its_state(tmp_path):
    """Another one of these does not go on from it."""
    from types import SimpleNamespace

    from scripts.lib.training.flags import Distillation, TrainingRun
    from scripts.lib.training.settings.ppo import PpoTraining
    from scripts.train.train_ppo import shown

    given = arguments(tmp_path, tmp_path) | {"unlabelled": True, "seed": 7, "stop": ("Q:",)}
    run, data, training = (
        kind(**{field.name: given[field.name] for field in fields(kind) if field.name in given})
        for kind in (TrainingRun, Distillation, PpoTraining)
    )
    found = shown(run, data, training, SimpleNamespace(num_processes=1))
    assert found == training.shape(1) | {"unlabelled": True, "max_tokens": 8, "stop": ["Q:"], "seed": 7}
    assert not set(PpoTraining.CUT) & set(found)


def test_the_run_leaves_a_loadable_policy_its_card_and_its_metrics(straight):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    AutoTokenizer.from_pretrained(straight / "checkpoint")
    AutoModelForCausalLM.from_pretrained(straight / "checkpoint", use_safetensors=True)
    assert "Student after reward distillation" in (straight / "checkpoint" / "README.md").read_text()
    lines = history(straight)
    assert [line["iteration"] for line in lines] == [0, 1, 2, 3, 4, 5]
    assert [line["episodes"] for line in lines] == [0, 32, 64, 96, 128, 160]
    assert [line["iteration"] for line in lines if "validation_accuracy" in line] == [0, 2, 4, 5]
    assert "policy_loss" not in lines[1] and lines[1]["kl"] == 0 and lines[1]["learning_rate"] == 0
    parts = {
        "reward",
        "reward_model",
        "no_answer",
        "agreement",
        "lowered",
        "kl",
        "entropy",
        "clip_fraction",
        "truncated",
    }
    assert parts | {"value_loss", "explained_variance", "response_length"} <= set(lines[2])
    assert not list((straight / "state" / "ppo").iterdir())


@pytest.mark.parametrize(
    "module, name, call",
    [
        pytest.param("scripts.lib.training.ppo.loop", "evaluate", 1, marks=slow),
        pytest.param("scripts.lib.training.ppo.loop", "sample", 3, marks=slow),
        ("scripts.lib.training.ppo.loop", "score", 4),
        ("scripts.lib.training.ppo.loop", "update", 5),
        pytest.param("scripts.lib.training.ppo.loop", "evaluate", 3, marks=slow),
        pytest.param("scripts.lib.training.ppo.checkpoint", "save_policy", 2, marks=slow),
        ("scripts.lib.training.ppo.checkpoint", "save", 2),
        pytest.param("os", "fsync", 5, marks=slow),
        ("scripts.train.train_ppo", "publish", 1),
    ],
)
def test_killed_anywhere_a_resumed_run_equals_a_straight_one_bit_for_bit(
    toy, straight, tmp_path, module, name, call
):
    assert run_apart(arguments(toy, tmp_path), (module, name, call)) == -signal.SIGKILL
    assert not (tmp_path / "checkpoint").exists()
    assert run_apart(arguments(toy, tmp_path)) == 0
    assert content(tmp_path) == content(straight)
    assert history(tmp_path) == history(straight)


@pytest.mark.parametrize("estimator", [GRPO, pytest.param(RLOO, marks=slow)])
def test_without_a_critic_a_run_begins_at_the_reference_and_resumes_bit_for_bit(toy, tmp_path, estimator):
    """At the first step nothing has moved: no KL, every ratio 1."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    given = estimator | {"num_ppo_epochs": 1, "num_mini_batches": 1, "total_episodes": 4 * 32}
    assert run_apart(arguments(toy, straight, **given)) == 0
    first, second = history(straight)[1:3]
    assert (first["kl"], first["ratio"], first["clip_fraction"]) == (0, pytest.approx(1, abs=1e-6), 0)
    assert second["kl"] != 0 and 0 <= first["frac_reward_zero_std"] < 1
    assert not {"value", "value_loss", "explained_variance"} & set(first)
    kill = ("scripts.lib.training.ppo.loop", "update", 4)
    assert run_apart(arguments(toy, killed, **given), kill) == -signal.SIGKILL
    (state,) = (killed / "state" / "ppo").iterdir()
    assert not (state / "iteration=2" / "value.safetensors").exists()
    assert run_apart(arguments(toy, killed, **given)) == 0
    assert content(killed) == content(straight) and history(killed) == history(straight)


def test_a_reward_model_that_learns_resumes_bit_for_bit(toy, tmp_path):
    """Beside a value network, too: three networks."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    given = {"teacher_samples": [toy / "teacher.parquet"], "reward_learning_rate": 2e-3}
    assert run_apart(arguments(toy, straight, **given)) == 0
    kill = ("scripts.lib.training.ppo.loop", "discriminate", 4)
    assert run_apart(arguments(toy, killed, **given), kill) == -signal.SIGKILL
    (state,) = (killed / "state" / "ppo").iterdir()
    assert {path.stem for path in (state / "iteration=2").glob("*.safetensors")} == {
        "policy",
        "value",
        "reward",
    }
    assert run_apart(arguments(toy, killed, **given)) == 0
    assert content(killed) == content(straight) and history(killed) == history(straight)


@pytest.mark.slow
def test_a_reward_model_that_knows_nothing_learns_and_the_policy_moves_towards_the_teacher(toy, tmp_path):
    given = GAD | {"teacher_samples": [toy / "teacher.parquet"], "reward_model": str(toy / "blank")}
    given |= {"total_episodes": 24 * 64, "batch_size": 64, "num_mini_batches": 4, "save_every": 99}
    assert run_apart(arguments(toy, tmp_path, **given)) == 0
    lines = history(tmp_path)
    accuracy = [line["validation_accuracy"] for line in lines if "validation_accuracy" in line]
    assert lines[1]["reward_model_accuracy"] < 0.6 and lines[1]["reward_model"] == 0
    assert max(line["reward_model_accuracy"] for line in lines[1:]) > 0.7
    assert accuracy[0] <= 0.4 and max(accuracy) >= 0.55


def test_a_response_that_is_the_teachers_answer_counts_half(toy, tmp_path):
    """Rounding, which differs by a row's place in a pass, does not decide it."""
    given = GAD | {"teacher_samples": [toy / "teacher.parquet"], "reward_model": str(toy / "blank")}
    given |= {"total_episodes": 32, "reward_learning_rate": 0.0}
    assert run_apart(arguments(toy, tmp_path, **given)) == 0
    answers = history(tmp_path)[1]
    same = answers["agreement"]  # the toy's right answers are the teacher's
    assert 0 < same < 1
    assert answers["reward_model_accuracy"] == pytest.approx(same / 2, abs=1e-6), "a blank one tells nothing"


def test_a_query_without_a_teachers_whole_answer_is_named(toy):
    from scripts.lib.data import tables
    from scripts.lib.errors import UserError
    from scripts.lib.models.loading import load_tokenizer
    from scripts.train.train_ppo import demonstrations

    samples = tables.read(toy / "teacher.parquet", tables.SAMPLES)
    tokenizer, names = load_tokenizer(str(toy / "student")), samples["query_id"]
    twice = pl.concat([samples, samples.with_columns(sample_id=pl.lit(1, pl.Int32))])
    shown = demonstrations(names.reverse(), twice, tokenizer)
    assert [len(each) for each in shown] == [1] * 40
    text = tokenizer.decode(shown[0][0], skip_special_tokens=True)
    assert text.split() == samples["completion"][-1].split() and shown[0][0][-1] == tokenizer.eos_token_id
    cut = samples.with_columns(
        finish_reason=pl.when(names == "q07").then(pl.lit("length")).otherwise("finish_reason")
    )
    with pytest.raises(UserError, match="no whole answer to 1 queries, first q07"):
        demonstrations(names, cut, tokenizer)


def number(text: str) -> str:
    found = re.search(r"\d+", text)
    return found[0] if found else ""


def same_number(question: str, response: str) -> int:
    """A judge who knows the answer."""
    return 5 if number(question) == number(response) else 1


@pytest.fixture
def judge():
    """A server that judges, one judgement in five without a score."""
    with JudgeServer(score=same_number, silent=0.2) as server:
        yield server


def judged(toy: Path, run: Path, judge: JudgeServer, **changes) -> dict:
    """`arguments` of a run that the teacher pays, behind a server."""
    from scripts.lib.engines.openai.server import Server
    from scripts.lib.labels.settings import Judging
    from scripts.lib.training.ppo.judge import JudgeRun

    server = Server(base_url=judge.url, price_prompt=1e6, price_completion=1e6) if judge else Server()
    asked = JudgeRun(
        model="judge", engine="openai", judging=Judging(retries=1), server=server, store=run / "store"
    )
    given = {"scored_by": "teacher", "reward_model": "", "reward_design": "none", "judge": asked}
    given |= {"judge_prompt": ROOT / "config/prompts/judge.jinja", "ledger": run / "ledger.json"}
    return arguments(toy, run, **given | changes)


def requests_of(judge: JudgeServer) -> list[str]:
    return [json.dumps([body["messages"], body["temperature"]]) for body in judge.bodies]


def test_paid_by_the_teacher_a_killed_run_pays_for_no_judgement_twice(toy, tmp_path, judge):
    """It ends as one that nothing interrupted, and its ledger says what all of it took."""
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    assert run_apart(judged(toy, straight, judge)) == 0
    asked = requests_of(judge)
    assert len(asked) == len(set(asked)) > 40
    lines = history(straight)
    assert lines[-1]["judgements"] == len(asked)
    assert -2.5 <= lines[1]["reward_model"] <= 2.5 and 0 < lines[1]["unread"] < 0.2
    assert not {"validation_pseudo_error"} & set(lines[0])
    ledger = json.loads((straight / "ledger.json").read_text(encoding="utf-8"))
    assert (ledger["requested"], ledger["sampled"], ledger["requests"]) == (len(asked),) * 3
    assert ledger["total_dollars"] == 18 * len(asked)

    judge.bodies.clear()
    kill = ("scripts.lib.training.ppo.loop", "update", 4)
    assert run_apart(judged(toy, killed, judge), kill) == -signal.SIGKILL
    assert run_apart(judged(toy, killed, judge)) == 0
    assert sorted(requests_of(judge)) == sorted(asked)
    assert content(killed) == content(straight) and history(killed) == history(straight)
    resumed = json.loads((killed / "ledger.json").read_text(encoding="utf-8"))
    assert resumed["reused"] > 0 and resumed["dollars"] < resumed["total_dollars"] == ledger["total_dollars"]


@pytest.mark.parametrize("budget", ["judgements", "dollars"])
def test_a_budget_of_the_judge_ends_a_run_saved_and_a_larger_one_goes_on(toy, tmp_path, judge, budget):
    from dataclasses import replace

    from scripts.lib.errors import UserError
    from scripts.train.train_ppo import main

    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    call(main, **judged(toy, straight, judge))
    total, first = (history(straight)[k]["judgements"] for k in (-1, 3))
    given = judged(toy, stopped, judge, save_every=99)
    if budget == "judgements":
        short, message = (
            {"max_judgements": first + 3},
            rf"has given {first} .*max_judgements {first + 3} allows",
        )
        enough = {"max_judgements": total}
    else:
        least, message = 18.0 * first + 300, r"budget.*\(the training is saved\)"
        short, enough = (
            {"judge": replace(given["judge"], server=replace(given["judge"].server, max_dollars=dollars))}
            for dollars in (least, 18.0 * total + 5000)
        )
    with pytest.raises(UserError, match=message):
        call(main, **given | short)
    (state,) = (stopped / "state" / "ppo").iterdir()
    assert list(state.glob("iteration=*")) and not (stopped / "checkpoint").exists()
    call(main, **given | enough)
    assert content(stopped) == content(straight) and history(stopped) == history(straight)


@pytest.mark.parametrize("sent", [signal.SIGUSR1, pytest.param(signal.SIGTERM, marks=slow)])
def test_a_warning_signal_finishes_the_iteration_saves_and_exits_non_zero(toy, straight, tmp_path, sent):
    kill = ("scripts.lib.training.ppo.loop", "score", 3, sent)
    assert run_apart(arguments(toy, tmp_path, save_every=100), kill) == 128 + sent
    (state,) = (tmp_path / "state" / "ppo").iterdir()
    assert (state / "iteration=3" / "policy.safetensors").exists()
    assert run_apart(arguments(toy, tmp_path, save_every=100)) == 0
    assert content(tmp_path) == content(straight)
    assert history(tmp_path) == history(straight)


def test_another_setting_does_not_resume_the_state(toy, tmp_path):
    kill = ("scripts.lib.training.ppo.loop", "update", 4)
    assert run_apart(arguments(toy, tmp_path), kill) == -signal.SIGKILL
    assert run_apart(arguments(toy, tmp_path, seed=1)) == 0
    assert len(list((tmp_path / "state" / "ppo").iterdir())) == 1
    assert [line["iteration"] for line in history(tmp_path)] == [0, 1, 2, 3, 4, 5]


def learn(toy: Path, run: Path, **changes) -> list[float]:
    given = arguments(
        toy,
        run,
        total_episodes=8 * 64,
        batch_size=64,
        lr_scheduler_type="constant",
        save_every=99,
        **changes,
    )
    assert run_apart(given) == 0
    return [line["validation_accuracy"] for line in history(run) if "validation_accuracy" in line]


@pytest.mark.parametrize(
    ("design", "estimator"),
    [
        ("ours", {}),
        pytest.param("label", {}, marks=slow),
        ("label", GRPO),
        pytest.param("ours", GRPO, marks=slow),
        pytest.param("ours", RLOO, marks=slow),
    ],
)
def test_accuracy_rises(toy, tmp_path, design, estimator):
    reward_model = "" if design == "label" else str(toy / "reward")
    accuracy = learn(toy, tmp_path, reward_design=design, reward_model=reward_model, **estimator)
    assert accuracy[0] <= 0.4
    assert max(accuracy) >= 0.8


def test_a_flipped_reward_does_not_raise_accuracy(toy, tmp_path):
    accuracy = learn(toy, tmp_path, reward_design="none", reward_model=str(toy / "flipped"))
    assert max(accuracy) == accuracy[0] and accuracy[-1] <= 0.1


def test_early_stop_keeps_the_best(toy, tmp_path):
    """Validation is told what to say: it rises once, then falls; the policy of its peak is the one that comes
    out."""

    given = arguments(toy, tmp_path, eval_every=1, patience=2, save_every=1)
    assert run_apart(given, told=[0.1, 0.3, 0.2, 0.2, 0.9]) == 0
    assert [line["iteration"] for line in history(tmp_path)] == [0, 1, 2, 3, 4]
    assert "those of iteration 2," in (tmp_path / "checkpoint" / "README.md").read_text()
    short = arguments(toy, tmp_path / "short", total_episodes=160, eval_every=1, save_every=1)
    stop_after_two = ("scripts.lib.training.ppo.loop", "score", 2, signal.SIGTERM)
    assert run_apart(short, stop_after_two) == 128 + signal.SIGTERM
    from safetensors.torch import load_file

    (state,) = (tmp_path / "short" / "state" / "ppo").iterdir()
    at_two, chosen = (
        load_file(state / "iteration=2" / "policy.safetensors"),
        load_file(tmp_path / "checkpoint" / "model.safetensors"),
    )
    assert all((at_two[f"model.{name}"] == tensor).all() for name, tensor in chosen.items())


def test_d_r_keeps_the_queries_whose_pairs_are_held_out(toy):
    from types import SimpleNamespace

    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.models.prompts import PromptTemplate
    from scripts.train.train_ppo import learnt

    given = arguments(toy, toy) | {"unlabelled": False, "teacher_samples": []}
    run, data = (SimpleNamespace(**given) for _ in range(2))
    template, tokenizer = PromptTemplate(run.prompt, False), load_tokenizer(run.model)
    every = learnt(run, data, "ours", tokenizer, template)
    assert len(every.prompts) == pl.read_parquet(toy / "queries.parquet").height
    data.pairs = data.pairs[:1]
    assert len(learnt(run, data, "ours", tokenizer, template).prompts) < len(every.prompts)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"batch_size": 33}, "multiple of num_mini_batches"),
        ({"total_episodes": 32}, "would never move"),
        ({"kl_against": "old"}, "kl_in loss"),
        ({"reward_design": "label"}, "take no --reward-model"),
        ({"reward_model": ""}, "take no --reward-model"),
        ({"reward_model": "", "scored_by": "teacher"}, "needs --judge-prompt"),
        ({"reward_model": "", "scored_by": "teacher", "reward_design": "label"}, "reads no r"),
        ({"reward_model": "", "scored_by": "teacher", "reward_learning_rate": 1e-3}, "teacher has none"),
        ({"max_judgements": 5}, "nobody is asked"),
        ({"reward_learning_rate": 1e-3}, "needs --teacher-samples"),
        ({"temperature": 0.0}, "temperature is 0.0; it must be above 0"),
    ],
)
def test_settings_that_cannot_work_are_refused_in_one_line(toy, tmp_path, changes, message):
    from scripts.lib.errors import UserError
    from scripts.train.train_ppo import main

    with pytest.raises(UserError, match=message):
        call(main, **arguments(toy, tmp_path, **changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"kl_in": "loss", "kl_against": "old", "kl_estimator": "k3"},
        {"kl_in": "loss", "kl_against": "ref"},
        {
            "kl_estimator": "k3",
            "reward_design": "minus",
            "max_grad_norm": None,
            "gradient_checkpointing": True,
        },
    ],
)
def test_every_reading_runs(toy, tmp_path, changes):
    assert run_apart(arguments(toy, tmp_path, total_episodes=64, **changes)) == 0
    last = history(tmp_path)[-1]
    assert ("kl_loss" in last) == (changes.get("kl_in") == "loss")


def test_without_golds_and_without_a_reward_model_the_teachers_votes_choose(toy, tmp_path):
    votes = {"validation_golds": None, "validation_labels": toy / "labels.parquet"}
    given = arguments(
        toy, tmp_path, total_episodes=64, eval_every=1, reward_design="label", reward_model="", **votes
    )
    assert run_apart(given) == 0
    rows = [row for row in history(tmp_path) if "validation" in row]
    assert len(rows) == 2 and all(row["validation"] == row["validation_agreement"] for row in rows)
    assert not {"validation_accuracy", "validation_reward"} & set(rows[-1])
    card = (tmp_path / "checkpoint/README.md").read_text()
    assert "first with the best validation_agreement" in card
    assert re.search(
        r"Chosen by agreement with the teacher's votes [\d.]+ % on 40 questions, 9 answers", card
    )


def test_for_a_judge_candidates_are_kept_and_nothing_stops_early(toy, tmp_path):
    given = arguments(toy, tmp_path, validation_golds=None, identity=None, patience=1, save_every=1)
    assert run_apart(given) == 0
    rows = history(tmp_path)
    assert [row["iteration"] for row in rows if "validation_valid" in row] == [0, 2, 4, 5]
    assert not {"validation_reward", "validation_accuracy"} & set(rows[0]) and rows[0]["validation_n"] == 40
    names = sorted(path.name for path in (tmp_path / "checkpoint").iterdir())
    assert names == ["README.md", "candidate=0", "candidate=2", "candidate=4", "candidate=5"]
    weights = [(tmp_path / f"checkpoint/candidate={k}/model.safetensors").read_bytes() for k in (0, 2, 4, 5)]
    assert len(set(weights)) == 4 and not (tmp_path / "identity.json").exists()


def command(given: dict, *launcher: str) -> subprocess.Popen:
    words = [sys.executable, *launcher, *flags(given)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        words, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


ALONE = ("-m", "scripts.train.train_ppo")
TWO = ("-m", "scripts.launch.launch", "--num_processes", "2", *ALONE)


def same(run: Path, straight: Path, tolerance: float = 1e-4) -> bool:
    """Two runs are one, up to rounding."""
    for one, two in zip(history(straight), history(run), strict=True):
        assert two == pytest.approx(one, abs=tolerance, rel=1e-3)
        counted = ("no_answer", "agreement", "response_length", "validation_accuracy")
        assert all(one.get(name) == two.get(name) for name in counted)
    return True


@pytest.mark.campaign
@pytest.mark.parametrize("iteration", [1, 2, 4])
def test_the_command_resumes_after_sigkill(toy, straight, tmp_path, iteration):
    given = arguments(toy, tmp_path)
    process = command(given, *ALONE)
    while process.poll() is None and not lines(tmp_path) > iteration:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert command(given, *ALONE).wait() == 0
    assert content(tmp_path) == content(straight)
    assert history(tmp_path) == history(straight)


@pytest.mark.campaign
def test_a_command_that_is_started_twice_makes_one_run(toy, straight, tmp_path):
    """Whoever comes second waits, and takes what the first has made."""
    given = arguments(toy, tmp_path, code="a")
    first = command(given, *ALONE)
    until(lambda: lines(tmp_path) or first.poll() is not None, 600)
    first.send_signal(signal.SIGSTOP)  # so that it is at work when the second one comes
    second = command(given, *ALONE)
    heard = []
    while second.poll() is None and "which makes the same; it works in" not in "".join(heard):
        heard.append(second.stdout.readline())
    first.send_signal(signal.SIGCONT)
    alone, waited = first.communicate()[0], "".join(heard) + second.communicate()[0]
    assert [first.returncode, second.returncode] == [0, 0], alone + waited
    assert waited.count("which makes the same; it works in") == waited.count("made before, taken from") == 1
    assert "which makes the same" not in alone and "made before" not in alone
    assert content(tmp_path) == content(straight)
    assert history(tmp_path) == history(straight)


def lines(run: Path) -> int:
    """Iterations that an unfinished run has written down."""
    return max((path.read_text().count("\n") for path in run.glob("state/ppo/*/metrics.jsonl")), default=0)


@slow
@pytest.mark.parametrize(
    "changes", [{}, pytest.param({"fsdp": True}, marks=pytest.mark.campaign)], ids=["ddp", "fsdp2"]
)
def test_two_processes_make_the_same_run_as_one(toy, straight, tmp_path, changes):
    assert command(arguments(toy, tmp_path, **changes), *TWO).wait() == 0
    assert same(tmp_path, straight)


@pytest.mark.campaign
@pytest.mark.parametrize("changes", [GRPO, GAD], ids=["grpo", "gad"])
def test_two_processes_make_the_same_run_as_one_without_a_critic(toy, tmp_path, changes):
    """Advantages divide by the deviation within a group, and so does rounding, which grows a hundredfold an
    iteration: three of them."""
    changes = changes | {"total_episodes": 3 * 32}
    if "reward_learning_rate" in changes:
        changes |= {"teacher_samples": [toy / "teacher.parquet"], "reward_model": str(toy / "blank")}
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert run_apart(arguments(toy, alone, **changes)) == 0
    assert command(arguments(toy, both, **changes), *TWO).wait() == 0
    assert same(both, alone, 1e-3)
    assert ("reward_model_loss" in history(both)[-1]) == ("reward_learning_rate" in changes)


@pytest.mark.campaign
def test_an_alarm_ends_two_processes_together_with_one_line_and_their_state(toy, straight, tmp_path):
    """The toy's short answers repeat one another at once; what was reached then is gone on from."""
    given = arguments(toy, tmp_path)
    ringing = {"alarms.action": "stop", "alarms.episodes": 32}
    process = command(given | ringing, *TWO)
    said, _ = process.communicate()
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert process.returncode == 2 and len(errors) == 1, said
    assert "(alarms.duplicates)" in errors[0] and "Traceback" not in said
    (state,) = tmp_path.glob("state/ppo/*/iteration=*")
    assert lines(tmp_path) == 1 + int(state.name.partition("=")[2]) < 6
    assert run_apart(given) == 0
    assert same(tmp_path, straight)


@pytest.mark.campaign
def test_one_process_goes_on_where_two_were_killed(toy, straight, tmp_path):
    given = arguments(toy, tmp_path, save_every=1)
    process = command(given, *TWO)
    while process.poll() is None and lines(tmp_path) < 3:
        time.sleep(0.002)
    ranks = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    os.kill(int(ranks[-1]), signal.SIGKILL)
    assert process.wait() != 0
    assert not (tmp_path / "checkpoint").exists()
    process = command(given, *ALONE)
    said, _ = process.communicate()
    assert process.returncode == 0
    assert "training from iteration" in said and "training from iteration 0;" not in said
    assert same(tmp_path, straight)


@pytest.mark.campaign
def test_two_processes_go_on_where_one_was_killed(toy, straight, tmp_path):
    given = arguments(toy, tmp_path)
    assert run_apart(given, ("scripts.lib.training.ppo.loop", "update", 4)) == -signal.SIGKILL
    process = command(given, *TWO)
    said, _ = process.communicate()
    assert process.returncode == 0
    assert "training from iteration 2;" in said
    assert same(tmp_path, straight)


@pytest.mark.campaign
@pytest.mark.parametrize("sent", [signal.SIGUSR1, signal.SIGKILL])
def test_a_signal_to_the_launcher_reaches_every_process(toy, straight, tmp_path, sent):
    """Its death does, too: nothing works on that a second run would collide with."""
    given = arguments(toy, tmp_path, save_every=100)
    process = command(given, *TWO)
    while process.poll() is None and lines(tmp_path) < 2:
        time.sleep(0.002)
    process.send_signal(sent)
    said, _ = process.communicate()  # until the last of them has closed it
    assert process.returncode == (-sent if sent == signal.SIGKILL else 128 + signal.SIGTERM)
    assert "SIGTERM: saved, " in said
    assert list(tmp_path.glob("state/ppo/*/iteration=*/policy.safetensors"))
    assert not (tmp_path / "checkpoint").exists()
    assert run_apart(given) == 0
    assert same(tmp_path, straight)


def test_less_memory_makes_the_same_run_in_smaller_passes(toy, straight, tmp_path):
    """Of 200 tokens per pass only 110 fit, and of 32 responses side by side only some."""
    process = command(
        arguments(toy, tmp_path), "-m", "tests.support.scarce", "110", "all", "scripts.train.train_ppo"
    )
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert "out of memory with 200 tokens per process and pass (max_tokens_per_micro_batch)" in said
    assert said.count("going on with 100 at most") == 1
    assert "completions side by side" in said
    assert same(tmp_path, straight)


@pytest.mark.campaign
def test_memory_that_one_process_lacks_starts_both_again(toy, straight, tmp_path):
    scarce = ("-m", "tests.support.scarce", "110", "1", "scripts.train.train_ppo")
    process = command(arguments(toy, tmp_path), *TWO[:-2], *scarce)
    said, _ = process.communicate()
    assert process.returncode == 0, said
    assert said.count("launch: all processes start again") == 1
    assert same(tmp_path, straight)


def test_a_response_that_does_not_fit_is_one_line(toy, tmp_path):
    process = command(
        arguments(toy, tmp_path), "-m", "tests.support.scarce", "4", "all", "scripts.train.train_ppo"
    )
    said, _ = process.communicate()
    assert process.returncode == 2
    assert said.splitlines()[-1].startswith("error: out of memory with one completion at a time")


def test_a_gamed_reward_rings_and_may_end_the_step_which_then_goes_on(toy, tmp_path, capsys):
    """A reward model turned upside down: the reward rises while agreement with the labels falls."""
    from scripts.lib.errors import UserError
    from scripts.lib.process.alarms import Alarms
    from scripts.train.train_ppo import main

    def train(reward_model: str, run: Path, **alarms):
        changes = {"reward_design": "none", "kl_coef": 0.0, "total_episodes": 8 * 32, "learning_rate": 3e-3}
        given = arguments(toy, run, reward_model=str(toy / reward_model), **changes)
        call(main, **given, alarms=Alarms(episodes=64, **alarms))
        return re.findall(r"^alarm: .*\(alarms\.(\w+)\)$", capsys.readouterr().out, re.MULTILINE)

    assert "agreement_falls" not in train("reward", tmp_path / "calm")
    gamed = tmp_path / "gamed"
    with pytest.raises(UserError, match=r"agreement with the labels has lost.*\(alarms.agreement_falls\)"):
        train("flipped", gamed, action="stop", entropy_falls=None, duplicates=None)
    (state,) = gamed.glob("state/ppo/*")
    reached = [json.loads(line)["iteration"] for line in (state / "metrics.jsonl").read_text().splitlines()]
    assert reached == list(range(reached[-1] + 1)) and 4 <= reached[-1] < 8
    assert (state / f"iteration={reached[-1]}").is_dir() and not (gamed / "checkpoint").exists()
    assert "agreement_falls" in train("flipped", gamed)
    assert [row["iteration"] for row in history(gamed)] == list(range(9))
