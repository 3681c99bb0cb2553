"""Answers on real responses: against public scorers, the sources' own verdicts, hard cases and published
numbers."""

import gzip
import json
import os
import re
import zipfile
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.labels.judgement import MT_BENCH, read_score
from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import are_correct, read_answers
from scripts.lib.tasks.reading.text import end_of_response
from tests.support.mmlu_pro_official import (
    official_chain,
    official_chain_random,
    official_l1,
    official_l1_random,
    official_l2,
)

SHARED = os.environ.get("REDISTILL_SHARED_DATA")
pytestmark = pytest.mark.skipif(not SHARED, reason="REDISTILL_SHARED_DATA is not set: no real responses here")
DATA = Path(SHARED or ".")

GSM8K = (
    "evalgsm8k_few_Llama-2-7b-hf",
    "gsmplusrepo_gpt-3.5-turbo",
    "gsmplusrepo_metamath_7b",
    "openai_6b_finetuning",
    "reread_gpt-3.5-turbo_cot",
    "rft-llama7b-u13b_bf16_bs32",
    "zeroeval_Meta-Llama-3-8B-Instruct",
    "zeroeval_Mixtral-8x7B-Instruct-v0.1",
    "zeroeval_gemma-2-2b-it",
)
MMLU_PRO = ("Meta-Llama-3-8B_5shots", "Meta-Llama-3_1-8B-Instruct_5shots")
NAMES = {"gsm8k": "numeric", "gsm_plus": "gsm_plus", "mmlu_pro": "choice", "open": "open"}
"""Our task of each benchmark."""

LUCK = {"zeroeval_Mixtral-8x7B-Instruct-v0.1": 3}
"""Rows that a scorer which takes the last number gets right where the response says that there is no answer:
"the distance cannot be determined", beside a number that happens to be the reference."""
SOURCE_IS_WRONG = {"gsmplusrepo_gpt-3.5-turbo", "reread_gpt-3.5-turbo_cot"}
"""Sources that store right answers as wrong (pred "460", gold "460"; "$70,000" read as 70):
ours is higher by that."""


@cache
def lines(path: str) -> list[dict]:
    file = DATA / path
    if file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            return [json.loads(line) for line in stream]
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@cache
def scored(name: str) -> pl.DataFrame:
    rows = lines(f"outputs/gsm8k/{name}.jsonl.gz")
    table = read_answers("numeric", pl.Series([row["responses"][0] for row in rows]))
    return table.with_columns(
        pl.Series("text", [row["responses"][0] for row in rows]),
        are_correct("numeric", table["answer"], pl.Series([row["gold"] for row in rows])),
        pl.Series(
            "source",
            [bool(row["src_correct"][0]) if "src_correct" in row else None for row in rows],
            dtype=pl.Boolean,
        ),
    )


@cache
def mmlu_pro(name: str) -> list[dict]:
    with zipfile.ZipFile(DATA / f"outputs/mmlu_pro/model_outputs_{name}.zip") as archive:
        return json.loads(archive.read(archive.namelist()[0]))


@cache
def reference() -> dict:
    return json.loads((DATA / "reference_scores.json").read_text(encoding="utf-8"))


def test_hard_cases():
    wrong = []
    for number, case in enumerate(lines("tricky/answers.jsonl")):
        expected, task = case["expected"], case["task"]
        if task == "judge_mtbench_1_10":
            value = read_score(case["response"], scale=MT_BENCH).value
        elif task == "judge_0_5":
            value = read_score(case["response"]).value
        else:
            value = task_of(NAMES[task]).read(case["response"], [""] * case.get("n_options", 0)).value
        if expected is not None and task != "mmlu_pro":
            expected = task_of(NAMES.get(task, "numeric")).gold(str(expected))
        if value != expected:
            wrong.append((number, case["why"], expected, value))
    assert wrong == []


NOT_READ = {
    "The answer is 3,5 kg.",
    "Water freezes there.\n\nThe final answer is: $\\boxed{32}$",
    "Score: four",
    "<think>\nOkay. 9 * 2 = 18. So the answer is 18? Two broke, so 14.\n</think>\n\n$14",
    "<think>\nI lean to Score: 2.\n</think>\n\n4",
}
"""Safe: nothing is read of them."""
ALSO_READ = {"So the total is \\boxed{72"}
"""A box that does not close, of a response that does end."""


def test_reported_cases():
    """Strings that people report as misread: none is read wrongly, and all but a few are read."""
    wrong, unread = [], []
    for case in lines("reports/answers.jsonl"):
        reason, text = case.get("finish_reason", "stop"), case["response"]
        if case["task"] == "judge":
            value = read_score(text, reason).value
        else:
            value = task_of(NAMES[case["task"]]).read(text, case.get("options", ()), reason).value
        if value != case["expected"] and text not in ALSO_READ:
            (unread if value is None else wrong).append(text)
    assert wrong == [] and set(unread) <= NOT_READ


@pytest.mark.parametrize("name", GSM8K)
def test_accuracy_is_that_of_the_best_public_scorer(name):
    """Left out: qwen25math, which takes 6 for 600 (its advantage of up to 0.54 points on these files is
    that)."""
    table, known = scored(name), reference()["gsm8k"][name]["acc"]
    best = max(value for scorer, value in known.items() if scorer != "qwen25math")
    accuracy = 100 * (table["correct"].sum() + LUCK.get(name, 0)) / table.height
    assert round(accuracy, 2) >= best


@pytest.mark.parametrize("name", GSM8K)
def test_accuracy_is_that_of_the_source(name):
    table, published = scored(name), reference()["gsm8k"][name].get("source_reported_acc")
    if published is None:
        return
    accuracy = 100 * table["correct"].mean()
    assert accuracy > published - 0.3
    assert name in SOURCE_IS_WRONG or accuracy < published + 0.3
    lost = table.filter(pl.col("source") & ~pl.col("correct"))
    assert lost.height <= 2, "a response that its source calls right"


@pytest.mark.parametrize("name", GSM8K)
def test_nothing_is_read_where_nothing_was_stated(name):
    """Responses that plainly stop on the way: the first step alone, JSON without its answer, a number that
    runs on."""
    table = scored(name)
    text = pl.col("text").str.strip_chars()
    first_step = text.str.starts_with("First") & ~text.str.contains(r"\n|####|boxed|answer")
    no_key = text.str.contains('"reasoning"') & ~text.str.contains('(?i)"?answer"?')
    endless = text.str.contains(r"\d{60}$")
    false = table.filter((first_step | no_key | endless) & (pl.col("status") == "ok"))
    assert false.height <= 0.005 * table.height
    assert false.height == 0 or name.startswith("zeroeval")


@pytest.mark.parametrize("name", MMLU_PRO)
def test_letters_agree_with_the_official_chain_where_one_is_stated(name):
    rows = mmlu_pro(name)
    read = read_answers(
        "choice",
        pl.Series([row["generated_text"] for row in rows]),
        None,
        pl.Series([row["options"] for row in rows], dtype=pl.List(pl.String)),
    )
    official, unread, differ = 0, [], 0
    for row, value in zip(rows, read["answer"], strict=True):
        text = row["generated_text"]
        chain = official_l2(text[: end_of_response(text)[0]])
        official += chain == row["answer"]
        differ += None not in (chain, value) and chain != value
        if chain is not None and value is None:
            unread.append(text[: end_of_response(text)[0]])
    assert differ <= 10, "several parts answered one after the other: theirs is the first, ours the last"
    several = re.compile(r"\([A-J]\)?,|\([A-J]\)? (?:and|or) \(?[A-J]|\b[A-J], (?:and )?[A-J]\b")
    assert len([text for text in unread if not several.search(text)]) <= 8
    accuracy = sum(value == row["answer"] for row, value in zip(rows, read["answer"], strict=True))
    assert 100 * (official - accuracy) / len(rows) < 0.1


@pytest.mark.parametrize("name", MMLU_PRO)
def test_official_numbers_come_back(name):
    rows, known = mmlu_pro(name), reference()["mmlu_pro"][name]
    texts, golds = [row["generated_text"] for row in rows], [row["answer"] for row in rows]

    def accuracy(letters):
        return pytest.approx(100 * sum(map(str.__eq__, golds, map(str, letters))) / len(golds), abs=6e-4)

    assert known["acc"]["l1_nofallback"] == accuracy(map(official_l1, texts))
    assert known["acc"]["chain_nofallback"] == accuracy(map(official_chain, texts))
    counts = [len(row["options"]) for row in rows]
    assert known["acc"]["chain_rand_options"] == accuracy(official_chain_random(texts, counts))
    assert known["compute_accuracy_l1_rand"] == accuracy(official_l1_random(texts))


def test_golds_of_every_benchmark_are_answers():
    for row in lines("gsm_plus/testmini.jsonl"):
        assert task_of("gsm_plus").gold(row["answer"])
    for split in ("train", "test"):
        for row in lines(f"gsm8k/{split}.jsonl"):
            assert task_of("numeric").gold(row["answer"]).lstrip("-").isdigit()
