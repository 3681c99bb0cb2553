"""What a plan shows of the first prompts."""

import json
from pathlib import Path

import polars as pl
import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import DEFAULTS, load, over
from scripts.lib.errors import UserError
from scripts.lib.workflow.first_prompts import HEAD, TAIL, WIDTH, bounded, first_prompts

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "<|im_start|>assistant\n"
)
MADE = {"role": "student", "dataset": "world", "hidden_size": 32, "num_hidden_layers": 1}
MADE |= {"num_attention_heads": 2, "intermediate_size": 32, "max_steps": 1, "learning_rate": 1e-3}
SERVER = {"engine": "openai", "server": {"base_url": "http://127.0.0.1:1/v1"}}
PROMPTS = {
    "asked": "{{ question }}{% for option in options %}{{ '\n- ' + option }}{% endfor %}\n",
    "shots": "{% for s in shots %}{{ s.question + ': ' + s.answer + '\n' }}{% endfor %}{{ question }}\n",
    "judge_yes_no": "{{ question }} > {{ options[0] }}\n",
    "judge": "{% set system %}Be strict.{% endset %}{{ question }} > {{ options[0] }}\n",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load(DEFAULTS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("tests.lib.workflow.test_first_prompts.load", lambda _: defaults)
    Path("config/prompts").mkdir(parents=True)
    for name, text in PROMPTS.items():
        Path(f"config/prompts/{name}.jinja").write_text(text, encoding="utf-8")
    rows = [{"question": "How many?\x1b[31m ", "choices": ["a", " b"], "kind": "y"}, {"question": "No."}]
    Path("mine.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    shots = [{"question": each, "answer": "1", "kind": kind} for each, kind in (("n", "x"), ("s", "y"))]
    Path("shots.jsonl").write_text("\n".join(map(json.dumps, shots)), encoding="utf-8")


def model(folder: str, **tokenizer: object) -> str:
    path = Path(folder)
    path.mkdir(parents=True)
    (path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"} | tokenizer))
    return folder


def shown(*variants: str, on: str = "d", **blocks: dict) -> list[str]:
    """The lines for teacher `t` and student `s` on data set `d`, with its test split as the benchmark."""
    own = {
        "models": {"made": MADE},
        "datasets": {
            "world": {"world": {}, "task": "numeric", "prompt": "asked"},
            "d": {"queries": "mine.jsonl", "test_fraction": 0.1, "task": "numeric", "prompt": "asked"}
            | blocks.get("d", {}),
        },
        "teachers": {"t": {"model": "some/big"} | blocks.get("t", {})},
        "students": {"s": {"model": "some/small"} | blocks.get("s", {})},
        "benchmarks": {"test": {"dataset": on, "task": "numeric", "prompt": "asked"}},
        "studies": {"mine": {"table": "mine.tsv", "benchmarks": ["test"] if "icl" in variants else []}},
    }
    config = parse(over(load(DEFAULTS), own))
    names = {"dataset": on, "teacher": "t", "student": "s", "seed": 0}
    table = [names | {"variant": variant} for variant in variants or ("ours",)]
    return first_prompts(config, {"mine": table}).split("\n")[1:]


def test_a_chat_template_at_hand_is_applied_and_equal_prompts_are_one_block() -> None:
    small = {"model": model("small", chat_template=CHATML), "billions": 1}
    assert shown("ours", "sft", t=small, s=small) == [
        "  datasets.d to teachers.t, students.s",
        "    <|im_start|>user",
        "    How many?\\x1b[31m",
        "    - a",
        "    - b<|im_end|>",
        "    <|im_start|>assistant",
    ]


def test_what_is_not_at_hand_is_shown_as_messages() -> None:
    lines = shown(t=SERVER | {"model": "big"}, d={"task": "open"})
    user = "    (user; in the model's chat template, "
    asked = ["    How many?\\x1b[31m", "    - a", "    - b"]
    assert lines == [
        "  datasets.d to teachers.t",
        user + "the server's own)",
        *asked,
        "  datasets.d to students.s",
        user + "which is not here yet)",
        *asked,
        "  datasets.d to teachers.t as judge",
        "    (system; in the model's chat template, the server's own)",
        "    Be strict.",
        user + "the server's own)",
        "    How many?[31m",
        "    A. a",
        "    B. b > (the response that is judged)",
    ]


def test_a_judge_in_the_loop_is_shown_with_its_own_prompt() -> None:
    lines = shown("judge_token", t=SERVER | {"model": "big"})
    at = lines.index("  datasets.d to teachers.t as judge")
    assert lines[at + 2 :] == ["    How many?[31m", "    A. a", "    B. b > (the response that is judged)"]
    assert shown("judge_reward", t=SERVER | {"model": "big"})[at + 2] == "    Be strict."
    assert not any("as judge" in line for line in shown("ours", t=SERVER | {"model": "big"}))


def test_a_hub_model_s_template_is_read_from_the_cache() -> None:
    folder = model("hub/models--some--small/snapshots/main", chat_template="old")
    Path(folder, "chat_template.jinja").write_text(
        "{{ messages[-1].content }}{{ eos_token }}", encoding="utf-8"
    )
    assert shown("icl") == [
        "  benchmarks.test to students.s",
        "    How many?\\x1b[31m",
        "    - a",
        "    - b</s>",
    ]


def test_without_a_chat_template_worked_examples_are_of_the_question_s_kind() -> None:
    plain = {"chat": False}
    d = {"prompt": "shots", "shots": {"file": "shots.jsonl", "n": 1, "group_column": "kind"}}
    assert shown(t=plain, s=plain, d=d)[1:] == ["    s: 1", "    How many?\\x1b[31m"]


def test_the_world_s_first_question_is_shown_once_it_is_made() -> None:
    plain = {"chat": False}
    made = plain | {"model": None, "pretrained": "made"}
    assert shown(t=plain, s=made, on="world") == [
        "  datasets.world to teachers.t, students.s",
        "    (its questions are made by an earlier step)",
    ]
    path = Path("results/queries/dataset=world/seed=0/train.parquet")
    path.parent.mkdir(parents=True)
    pl.DataFrame({"question": ["Made?"], "options": [[]], "shots": [[]]}).write_parquet(path)
    assert shown(t=plain, s=made, on="world")[1:] == ["    Made?"]


@pytest.mark.parametrize(
    ("tokenizer", "says"),
    [
        ({}, "small has no chat template"),
        ({"chat_template": "assistant:"}, "small renders no user message .*lacks the question"),
        ({"chat_template": "{% for"}, "small renders no user message .*not valid Jinja"),
        ({"chat_template": [{"name": "tools", "template": CHATML}]}, "small has no chat template"),
    ],
)
def test_a_chat_template_that_shows_no_question_stops_the_plan(tokenizer: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        shown(s={"model": model("small", **tokenizer), "billions": 1})


def test_a_long_prompt_is_shown_by_its_ends() -> None:
    lines = bounded("\n".join(["x" * 1000, *map(str, range(100))])).split("\n")
    assert len(lines) == HEAD + TAIL + 1 and max(map(len, lines)) == WIDTH
    assert lines[HEAD] == "… 83 lines …" and lines[-1] == "99"
