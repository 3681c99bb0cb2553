"""AlpacaEval 2: wrong files are errors, and the published numbers of stored models come back."""

import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.errors import UserError
from scripts.lib.evaluation.alpaca import (
    OFFICIAL,
    REFERENCE,
    ROWS,
    check_annotations,
    check_order,
    read_outputs,
    verdicts_of,
)
from scripts.score.alpaca_eval import annotate, main, scores, summarise, verdicts, win_rates
from tests.support.judge_server import JudgeServer, worth, write_gamed


@pytest.fixture
def reference():
    return [
        {"dataset": "d", "instruction": f"Do {n} ", "output": f"r{n}", "generator": REFERENCE}
        for n in range(ROWS)
    ]


@pytest.fixture
def outputs(reference):
    return [row | {"output": f"o{n}", "generator": "mine"} for n, row in enumerate(reference)]


@pytest.fixture
def annotations(reference, outputs):
    return [
        {
            "instruction": row["instruction"],
            "output_1": row["output"],
            "output_2": other["output"],
            "generator_1": REFERENCE,
            "generator_2": "mine",
            "annotator": OFFICIAL,
            "preference": 1.25,
        }
        for row, other in zip(reference, outputs, strict=True)
    ]


def test_fewer_rows_and_another_order_are_errors(reference, outputs):
    check_order(outputs, reference, Path("o.json"))
    with pytest.raises(UserError, match="804 rows; AlpacaEval 2 is defined on all 805"):
        check_order(outputs[:-1], reference, Path("o.json"))
    with pytest.raises(UserError, match="row 0 is not the reference's instruction 0"):
        check_order([outputs[1], outputs[0], *outputs[2:]], reference, Path("o.json"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"preference": math.nan}, "1 of 805 preferences are missing, the first in row 7"),
        ({"preference": None}, "1 of 805 preferences are missing"),
        ({"preference": 2.5}, "the preference is 2.5"),
        ({"preference": 0.5}, "the preference is 0.5"),
        ({"output_1": "another"}, "row 7 judges other outputs"),
        ({"output_2": "another"}, "row 7 judges other outputs"),
        ({"instruction": "Do"}, "row 7 is not the reference's instruction 7"),
    ],
)
def test_annotations_that_do_not_fit_are_errors(annotations, outputs, reference, change, message):
    check_annotations(annotations, outputs, reference, Path("a.json"))
    annotations[7] = annotations[7] | change
    with pytest.raises(UserError, match=message):
        check_annotations(annotations, outputs, reference, Path("a.json"))


def test_two_generators_or_a_missing_key_are_errors(tmp_path, outputs):
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps([*outputs[:-1], outputs[-1] | {"generator": "other"}]))
    with pytest.raises(UserError, match="2 generators"):
        read_outputs(path)
    path.write_text(json.dumps([{"instruction": "x", "output": "y"}]))
    with pytest.raises(UserError, match="row 0: 'generator' is missing"):
        read_outputs(path)


def test_an_own_judge_is_named_and_marked(annotations):
    assert verdicts(annotations).suffix == "" and verdicts_of("win_rate") == verdicts(annotations)
    own = verdicts([row | {"annotator": "llama"} for row in annotations])
    assert own.suffix == f"_by_llama_against_{REFERENCE}_not_comparable"
    assert verdicts_of("win_rate" + own.suffix) == own == ("llama", REFERENCE)


def test_another_reference_is_named_and_marked(annotations):
    own = verdicts([row | {"generator_1": "text_davinci_003"} for row in annotations])
    assert not own.official and verdicts_of("win_rate" + own.suffix) == (OFFICIAL, "text_davinci_003")


def test_points_become_shares_with_intervals(outputs):
    rates = {"win_rate": 40.0, "standard_error": 2.0, "discrete_win_rate": 30.0}
    rates |= {"length_controlled_winrate": 50.0, "lc_standard_error": 1.0}
    found = summarise(rates, [row | {"output": "ab"} for row in outputs], "_x")
    assert found["win_rate_x"] == pytest.approx(
        {"value": 0.4, "n": ROWS, "standard_error": 0.02, "low": 0.3608, "high": 0.4392}
    )
    assert found["length_controlled_winrate_x"] == pytest.approx(
        {"value": 0.5, "n": ROWS, "standard_error": 0.01, "low": 0.4804, "high": 0.5196}
    )
    assert found["discrete_win_rate_x"] == {"value": 0.3, "n": ROWS}
    assert found["avg_length"] == {"value": 2, "n": ROWS}


def test_lengths_that_tell_nothing_are_an_error_not_a_traceback(annotations):
    with pytest.raises(UserError, match="no length-controlled win rate"):
        win_rates(annotations, None)


def test_the_official_annotator_needs_a_key(monkeypatch, tmp_path, outputs, reference):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEYS", raising=False)
    with pytest.raises(UserError, match="needs OPENAI_API_KEY"):
        annotate(outputs, reference, OFFICIAL, tmp_path / "cache.json")


def test_scores_carry_query_ids(annotations):
    queries = pl.DataFrame({"question": ["Do 0"], "query_id": ["first"]})
    annotations[1]["preference"] = 1.75
    table = scores(annotations, queries)
    assert table.height == ROWS and table["query_id"].n_unique() == ROWS
    assert table.row(0, named=True)["query_id"] == "first"
    assert table["correct"].to_list()[:3] == [False, True, False]


MODELS = ("gemma-2b-it", "gpt-3.5-turbo-1106", "FuseChat-Llama-3.2-1B-Instruct")


@pytest.mark.parametrize("model", MODELS)
def test_published_numbers_come_back(tmp_path, model):
    pytest.importorskip("alpaca_eval")
    if "REDISTILL_SHARED_DATA" not in os.environ:
        pytest.skip("REDISTILL_SHARED_DATA is not set: no stored AlpacaEval outputs")
    data = Path(os.environ["REDISTILL_SHARED_DATA"], "alpaca_eval")
    with (data / "leaderboard.csv").open() as file:
        published = {row[""]: row for row in csv.DictReader(file)}[model]
    main(
        model_outputs=data / model / "model_outputs.json",
        reference=data / REFERENCE / "model_outputs.json",
        annotations=data / model / "annotations.json",
        gamed=data / "rebuilt_df_gamed.csv",
        metrics=tmp_path / "metrics.json",
        output=tmp_path / "scores.parquet",
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert 100 * metrics["win_rate"]["value"] == pytest.approx(float(published["win_rate"]), abs=1e-9)
    lc = 100 * metrics["length_controlled_winrate"]["value"]
    assert lc == pytest.approx(float(published["length_controlled_winrate"]), abs=0.1)
    assert pl.read_parquet(tmp_path / "scores.parquet")["correct"].sum() == int(published["n_wins"])


def alpaca_eval(tmp_path, outputs, reference, server, *flags, **environment):
    """Run the step on the files' rows; the server stands at the API's place."""
    for name, rows in (("outputs", outputs), ("reference", reference)):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    command = [sys.executable, "-W", "ignore", "-m", "scripts.score.alpaca_eval"]
    for name in ("metrics", "annotated", "store"):
        command += [f"--{name}", str(tmp_path / name)]
    command += ["--model-outputs", str(tmp_path / "outputs.json")]
    command += ["--reference", str(tmp_path / "reference.json"), "--gamed", str(stand_in(tmp_path)), *flags]
    where = {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "sk-none"} | environment
    return subprocess.run(command, env=os.environ | where, capture_output=True, text=True, timeout=600)


def stand_in(folder):
    """A file of df_gamed.csv's shape, so that the length-controlled win rate is fitted without a network."""
    path = folder / "gamed.csv"
    write_gamed(path)
    return path


@pytest.mark.slow
def test_the_official_annotator_runs_through_the_package(tmp_path, outputs, reference):
    """With a key: gpt-4-1106-preview is asked once an instruction, and the numbers carry the leaderboard's
    own names."""
    pytest.importorskip("alpaca_eval")
    outputs = [
        row | {"output": "It is so because we know it." if n % 4 else "Hm"} for n, row in enumerate(outputs)
    ]
    reference = [row | {"output": f"It is so.{' ' * (n % 3)}"} for n, row in enumerate(reference)]
    with JudgeServer() as server:
        done = alpaca_eval(tmp_path, outputs, reference, server)
        assert done.returncode == 0, done.stderr[-2000:]
    assert server.asked["annotator"] == ROWS and server.models == {"gpt-4-1106-preview"}
    assert {body["max_tokens"] for body in server.bodies} == {1}
    assert all(body["logprobs"] and body["top_logprobs"] == 5 for body in server.bodies)
    metrics = json.loads((tmp_path / "metrics").read_text())
    assert set(metrics) == {"win_rate", "length_controlled_winrate", "discrete_win_rate", "avg_length"}
    good, bad = (1 / (1 + math.exp(worth("It is so.") - worth(row["output"]))) for row in outputs[1::-1])
    wins = sum(bad if n % 4 == 0 else good for n in range(ROWS))
    assert metrics["win_rate"]["value"] == pytest.approx(wins / ROWS)
    judged = json.loads((tmp_path / "annotated").read_text())
    assert {row["annotator"] for row in judged} == {OFFICIAL}
    assert "sk-none" not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_refusal_is_one_line_and_what_was_paid_is_kept(tmp_path, outputs, reference):
    pytest.importorskip("alpaca_eval")
    outputs = [row | {"output": row["output"] + " so" * (n % 3)} for n, row in enumerate(outputs)]
    with JudgeServer(refuses=100) as server:
        done = alpaca_eval(tmp_path, outputs, reference, server)
        assert done.returncode != 0 and "Incorrect API key" in done.stderr.splitlines()[-1]
        assert "Traceback" not in done.stderr.split("error:")[-1]
        asked, server.refuses, server.mute = server.asked["annotator"], 0, 5
        again = alpaca_eval(tmp_path, outputs, reference, server)
        assert "of 805 preferences are missing" in again.stderr.splitlines()[-1]
        server.mute = 0
        assert alpaca_eval(tmp_path, outputs, reference, server).returncode == 0
        # 100 came before the refusals; a request under way or two more of their lot may be lost, no more.
        assert server.asked["annotator"] - asked <= ROWS - 100 + 20 + ROWS // 5 + 1


@pytest.mark.slow
def test_an_own_judge_runs_through_the_package(tmp_path, outputs, reference):
    pytest.importorskip("alpaca_eval")
    for n, row in enumerate(outputs):
        row["output"] += " It is so because we know it." * (n % 3)
    flags = ("--annotator", "config/annotators/own_judge.yaml")
    with JudgeServer() as server:
        for _ in range(2):
            done = alpaca_eval(tmp_path, outputs, reference, server, *flags, OPENAI_API_BASE=server.url)
            assert done.returncode == 0, done.stderr[-2000:]
    assert server.asked["annotator"] == ROWS, "a second run asks nothing"
    metrics = json.loads((tmp_path / "metrics").read_text())
    rate = metrics[f"win_rate_by_own_judge_against_{REFERENCE}_not_comparable"]["value"]
    judged = json.loads((tmp_path / "annotated").read_text())
    assert rate == pytest.approx(sum(row["preference"] - 1 for row in judged) / ROWS)
    assert min(row["preference"] for row in judged) == 1.5 < max(row["preference"] for row in judged)
