"""The harness's numbers as we write them are the harness's own, and every difference from ours is
explained."""

import gzip
import json
import os
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data.tables import GOLDS, QUERIES, SAMPLES, SCORES, write
from scripts.lib.evaluation.lm_eval import exact_match, explain, filters
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.tasks import task_of
from scripts.score.export_lm_eval import digest, main

WORLD = Path("config/prompts/world.jinja")

FILES = {
    "evalgsm8k_few_Llama-2-7b-hf": (12.96, 13.87),
    "gsmplusrepo_metamath_7b": (0.0, 66.72),
    "reread_gpt-3.5-turbo_cot": (0.0, 74.98),
    "zeroeval_Meta-Llama-3-8B-Instruct": None,
}
"""Stored outputs, with the harness's strict and flexible accuracy as measured before (evaluators.md,
section 4)."""


def responses(name):
    if "REDISTILL_SHARED_DATA" not in os.environ:
        pytest.skip("REDISTILL_SHARED_DATA is not set: no stored model outputs")
    path = Path(os.environ["REDISTILL_SHARED_DATA"], "outputs", "gsm8k", f"{name}.jsonl.gz")
    with gzip.open(path, "rt") as file:
        rows = [json.loads(line) for line in file]
    return [(row["responses"][0], task_of("numeric").gold(row["gold"])) for row in rows]


@pytest.mark.parametrize("name", FILES)
def test_stored_outputs_score_as_before_and_differences_have_reasons(name):
    reasons, scores = Counter(), {}
    rows = responses(name)
    for each in filters("numeric"):
        found = [(text, gold, each.extract(text)) for text, gold in rows]
        scores[each.name] = 100 * sum(exact_match("numeric", it, gold) for _, gold, it in found) / len(rows)
        for text, gold, it in found:
            ours = task_of("numeric").read(text).value
            theirs = exact_match("numeric", it, gold)
            why = explain("numeric", text, it, theirs, ours, ours == gold)
            assert bool(why) == (bool(theirs) != (ours == gold))
            reasons[why] += bool(why)
    if FILES[name]:
        assert list(scores.values()) == pytest.approx(FILES[name], abs=0.006)


@pytest.mark.parametrize("name", FILES)
def test_the_harness_itself_agrees_row_by_row(name):
    pytest.importorskip("lm_eval")
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    rows = responses(name)
    for each in filters("numeric"):
        harness = RegexFilter(each.pattern, group_select=-1 if each.last else 0)
        theirs = harness.apply([[text] for text, _ in rows], [{}] * len(rows))
        assert [found for (found,) in theirs] == [each.extract(text) for text, _ in rows]
        for (found,), (_, gold) in zip(theirs, rows, strict=True):
            score = exact_match_hf_evaluate(
                [found], [gold], regexes_to_ignore=[",", r"\$", r"(?s).*#### ", r"\.$"], ignore_case=True
            )
            assert score["exact_match"] == exact_match("numeric", found, gold)


def test_the_filters_are_those_of_the_harness_task_files():
    harness = pytest.importorskip("lm_eval")
    import yaml

    folder = Path(harness.__file__).parent / "tasks"
    task = yaml.safe_load((folder / "gsm8k" / "gsm8k-cot.yaml").read_text())
    known = {item["name"]: item["filter"][0] for item in task["filter_list"]}
    for each in filters("numeric"):
        assert known[each.name]["regex_pattern"] == each.pattern
        assert (known[each.name].get("group_select", 0) == -1) == each.last
    text = (folder / "mmlu_pro" / "_default_template_yaml").read_text()
    assert f"regex_pattern: '{filters('choice')[0].pattern}'" in text


def test_the_worlds_task_asks_what_gsm8k_cot_asks():
    yaml = pytest.importorskip("yaml")
    task = yaml.safe_load(Path("config/lm_eval/redistill_world.yaml").read_text(encoding="utf-8"))
    known = {item["name"]: item["filter"][0] for item in task["filter_list"]}
    assert {each.name: each.pattern for each in filters("numeric")} == {
        name: item["regex_pattern"] for name, item in known.items()
    }


CASES = [
    ("The answer is 18.", "18", "strict-match", 1.0, ""),
    ("The answer is 18", "18", "strict-match", 0.0, "its pattern ends early"),
    ("The answer is 18.00.", "18", "strict-match", 0.0, "the same value, written otherwise"),
    ("So it is 18 dollars.\nThe answer is $18.", "18", "strict-match", 0.0, "marker does not occur"),
    ("I cannot tell; 20 is too many.", "20", "flexible-extract", 1.0, "we read no stated answer"),
    ("She has 20 - 2 = 18 left, of 20.", "20", "flexible-extract", 1.0, "another number"),
    ("The answer is 7", "7", "strict-match", 0.0, "one more character"),
    ("The answer is 18, not 20.", "18", "flexible-extract", 0.0, "another number"),
]


@pytest.mark.parametrize(("text", "gold", "name", "theirs", "why"), CASES)
def test_a_difference_is_explained(text, gold, name, theirs, why):
    each = next(item for item in filters("numeric") if item.name == name)
    found = each.extract(text)
    assert exact_match("numeric", found, gold) == theirs
    ours = task_of("numeric").read(text).value
    reason = explain("numeric", text, found, theirs, ours, ours == gold)
    assert why in reason and bool(why) == bool(reason)


@pytest.mark.parametrize(
    ("task", "extracted", "gold", "score"),
    [
        ("numeric", "NONE", "none", 1.0),
        ("numeric", "$1,234.", "1234", 1.0),
        ("numeric", "so #### 7", "7", 1.0),
        ("numeric", "7.0", "7", 0.0),
        ("choice", "c", "C", 1.0),
        ("choice", "(C).", "C", 1.0),
        ("choice", "D", "C", 0.0),
    ],
)
def test_what_the_harness_takes_for_equal(task, extracted, gold, score):
    assert exact_match(task, extracted, gold) == score


def test_an_evaluation_in_the_harness_layout(tmp_path):
    texts = ["The answer is 18.", "The answer is 7", "I do not know.", "The answer is 4."]
    names, golds = [f"q{n}" for n in range(4)], ["18", "7", "3", "5"]
    queries = pl.DataFrame(
        {"query_id": names, "question": [f"How many {n}?" for n in names], "group": [""] * 4, "shots": None}
    )
    write(
        queries.with_columns(options=pl.lit([], dtype=pl.List(pl.String))),
        tmp_path / "queries.parquet",
        QUERIES,
    )
    write(pl.DataFrame({"query_id": names, "answer": golds}), tmp_path / "golds.parquet", GOLDS)
    more = {"query_id": [*names, *names], "sample_id": [0] * 4 + [1] * 4, "completion": texts + ["7"] * 4}
    samples = (
        pl.DataFrame(more)
        .with_columns(
            finish_reason=pl.lit("stop"), num_tokens=pl.lit(5), temperature=pl.lit(0.0), round=pl.lit(1)
        )
        .with_columns(reasoning=None, reasoning_tokens=None)
    )
    write(samples, tmp_path / "samples.parquet", SAMPLES)
    read = [task_of("numeric").read(text) for text in texts]
    scores = pl.DataFrame(
        {
            "query_id": names,
            "sample_id": [0] * 4,
            "answer": [answer.value for answer in read],
            "status": [answer.status for answer in read],
            "correct": [answer.value == gold for answer, gold in zip(read, golds, strict=True)],
        }
    )
    write(scores, tmp_path / "scores.parquet", SCORES)
    (tmp_path / "metrics.json").write_text('{"accuracy": {"value": 0.5}, "unparsed_rate": {"value": 0.25}}')
    (tmp_path / "ledger.json").write_text('{"engine": "vllm", "model": "m@1", "versions": {"vllm": "0.32"}}')
    main(
        samples=[tmp_path / "samples.parquet"],
        queries=tmp_path / "queries.parquet",
        golds=tmp_path / "golds.parquet",
        scores=tmp_path / "scores.parquet",
        metrics=tmp_path / "metrics.json",
        ledger=tmp_path / "ledger.json",
        prompt=WORLD,
        task="numeric",
        name="redistill_world",
        model="own/model",
        output=tmp_path / "out",
        date="2026-01-01",
    )
    folder = tmp_path / "out" / "own__model"
    results = json.loads((folder / "results_2026-01-01.json").read_text())
    found = results["results"]["redistill_world"]
    assert (found["exact_match,strict-match"], found["exact_match,flexible-extract"]) == (0.25, 0.5)
    assert (found["exact_match,redistill"], found["unparsed_rate,redistill"]) == (0.5, 0.25)
    assert found["differences"]["strict-match"] == {
        "the harness's pattern wants one more character after a single digit": 1
    }
    assert found["exact_match_stderr,strict-match"] == pytest.approx((0.25 * 0.75 / 3) ** 0.5)
    assert found["exact_match_stderr,redistill"] == pytest.approx((0.5 * 0.5 / 3) ** 0.5)
    assert results["n-samples"]["redistill_world"] == {"original": 4, "effective": 4}
    assert results["config"] == {"model": "vllm", "model_args": "m@1", "engine_versions": {"vllm": "0.32"}}
    rows = [json.loads(line) for line in (folder / "samples_redistill_world_2026-01-01.jsonl").open()]
    assert len(rows) == 4 * 3
    strict, _, ours = rows[3:6]
    doc = {"query_id": "q1", "question": "How many q1?", "answer": "7"}
    assert (strict["doc_id"], strict["doc"], strict["target"]) == (1, doc, "7")
    assert (strict["resps"], strict["filtered_resps"]) == ([["The answer is 7"]], ["[invalid]"])
    assert (strict["filter"], strict["exact_match"]) == ("strict-match", 0.0)
    assert strict["arguments"]["gen_args_0"]["arg_0"] == PromptTemplate(WORLD, False).text("How many q1?")
    assert strict["prompt_hash"] == digest(strict["arguments"]["gen_args_0"]["arg_0"])
    assert strict["target_hash"] == digest("7") != strict["doc_hash"]
    assert (ours["filter"], ours["filtered_resps"], ours["exact_match"]) == ("redistill", ["7"], 1.0)
    assert (ours["status"], ours["difference"]) == ("ok", "")
    assert [row["difference"] for row in rows if row["doc"]["query_id"] == "q1"][0] != ""
