"""AlpacaEval 2: wrong files are errors, and the published numbers of stored models come back."""

import csv
import json
import math
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import polars as pl
import pytest

from scripts.alpaca_eval import annotate, label, main, scores
from scripts.lib.alpaca import OFFICIAL, REFERENCE, ROWS, check_annotations, check_order, read_outputs
from scripts.lib.errors import UserError
from scripts.model_outputs import model_outputs


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


def test_outputs_follow_the_reference_not_the_samples(reference):
    names = [f"q{n:03}" for n in reversed(range(ROWS))]
    queries = pl.DataFrame({"query_id": names, "question": [row["instruction"].strip() for row in reference]})
    samples = pl.DataFrame(
        {
            "query_id": names * 2,
            "sample_id": [1] * ROWS + [0] * ROWS,
            "completion": ["late"] * ROWS + [f" o{n}\n" for n in range(ROWS)],
        }
    )
    rows = model_outputs(samples, queries, reference, "mine")
    assert [row["output"] for row in rows] == [f"o{n}" for n in range(ROWS)]
    assert list(rows[0]) == ["dataset", "instruction", "output", "generator"]
    assert [row["instruction"] for row in rows] == [row["instruction"] for row in reference]
    with pytest.raises(UserError, match="1 of 805 instructions have no completion"):
        model_outputs(samples.filter(pl.col("query_id") != "q004"), queries, reference, "mine")


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
    assert label(annotations) == ""
    own = [row | {"annotator": "llama"} for row in annotations]
    assert label(own) == f"_by_llama_against_{REFERENCE}_not_comparable"


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


class Judge(BaseHTTPRequestHandler):
    """Prefers the output that comes first in the prompt, with probability 3/4; knows no row twice."""

    asked: list[str] = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append(json.dumps(body["messages"]))
        top = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("m", 0.75), ("M", 0.25))]
        choice = {
            "index": 0,
            "finish_reason": "length",
            "message": {"role": "assistant", "content": "m"},
            "logprobs": {"content": [{**top[0], "top_logprobs": top}]},
        }
        answer = {
            "id": "x",
            "object": "chat.completion",
            "created": 0,
            "model": "judge",
            "choices": [choice],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.mark.slow
def test_an_own_judge_runs_through_the_package(tmp_path, outputs, reference):
    pytest.importorskip("alpaca_eval")
    if "REDISTILL_SHARED_DATA" not in os.environ:
        pytest.skip("REDISTILL_SHARED_DATA is not set: no df_gamed.csv to fit with")
    gamed = Path(os.environ["REDISTILL_SHARED_DATA"], "alpaca_eval", "rebuilt_df_gamed.csv")
    for n, row in enumerate(outputs):
        row["output"] += "x" * (n % 3)
    for name, rows in (("outputs", outputs), ("reference", reference)):
        (tmp_path / f"{name}.json").write_text(json.dumps(rows))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [sys.executable, "-W", "ignore", "-m", "scripts.alpaca_eval"]
    command += [
        "--model-outputs",
        str(tmp_path / "outputs.json"),
        "--reference",
        str(tmp_path / "reference.json"),
    ]
    command += ["--annotator", "config/annotators/own_judge.yaml", "--gamed", str(gamed)]
    command += [
        "--metrics",
        str(tmp_path / "metrics.json"),
        "--annotated",
        str(tmp_path / "annotations.json"),
    ]
    command += ["--store", str(tmp_path / "store")]
    where = {"OPENAI_API_BASE": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": "none"}
    try:
        for _ in range(2):
            done = subprocess.run(
                command, env=os.environ | where, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, done.stderr[-2000:]
    finally:
        server.shutdown()
    assert len(Judge.asked) == ROWS, "a second run asks nothing"
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    rate = metrics[f"win_rate_by_own_judge_against_{REFERENCE}_not_comparable"]["value"]
    judged = json.loads((tmp_path / "annotations.json").read_text())
    # The order shown is drawn per row: the first one shown wins 3/4, so wins come to 1/4 or 3/4 of a row.
    assert {round(row["preference"], 6) for row in judged} == {1.25, 1.75}
    assert rate == pytest.approx(sum(row["preference"] - 1 for row in judged) / ROWS)
