"""What jobs took, on a few files."""

import json
from pathlib import Path

from scripts.lib.report.numbers.spending import RuleCost, all_costs, engines, rule_costs, server_costs
from scripts.lib.report.sections.costs import _ends, _server_row
from scripts.lib.report.study import Job, Ledger

HEAD = "s\th:m:s\tmax_rss\tcpu_time\n"


def job(path: Path) -> Job:
    return Job("sample", path, path.with_suffix(".log"), None)


def ledger(path: Path, **said: object) -> Ledger:
    path.write_text(json.dumps(said), encoding="utf-8")
    return Ledger("sample", path)


def test_costs_add_up_over_jobs(tmp_path):
    (tmp_path / "a.tsv").write_text(HEAD + "2.5\t0:00:02\t100\t2.0\n")
    (tmp_path / "b.tsv").write_text(HEAD + "1.5\t0:00:01\t-\tNA\n")
    jobs = [job(tmp_path / f"{name}.tsv") for name in ("a", "b", "gone")]
    said = {"engine": "vllm", "model": "m", "versions": {}}
    ledgers = [ledger(tmp_path / "b.json", sampled=5, reused=2, completion_tokens=7, **said)]
    expected = RuleCost("sample", 2, 4.0, 2.0, 100.0, sampled=5, reused=2, completion_tokens=7)
    assert rule_costs(jobs, ledgers) == [expected]
    assert all_costs([expected, RuleCost("label", 1, 1.0, None, 200.0)]) == RuleCost(
        "All", 3, 5.0, 2.0, 200.0, sampled=5, reused=2, completion_tokens=7
    )
    assert engines(ledgers) == [("vllm", "", 1)]


def test_how_completions_ended_is_told_per_rule(tmp_path):
    local = {"requested": 8, "sampled": 6, "cut_off": 2, "saved_tokens": 90}
    server = {"requested": 8, "sampled": 8, "cut_off": 4, "saved_tokens": None}
    ledgers = [ledger(tmp_path / "a.json", **local), ledger(tmp_path / "b.json", **server)]
    (cost,) = rule_costs([], ledgers)
    assert [cell.text for cell in _ends([cost]).groups[0].rows[0]] == ["sample", "16", "37.5", "90"]
    (cost,) = rule_costs([], ledgers[1:])
    assert [cell.text for cell in _ends([cost]).groups[0].rows[0]] == ["sample", "8", "50.0", "–"]


def test_what_steps_say_they_used_goes_before_what_snakemake_saw(tmp_path):
    (tmp_path / "a.tsv").write_text(HEAD + "41.2\t0:00:41\t10\t15.1\n")
    (tmp_path / "a.log").write_text(
        "sampled\nused 38.2 processor seconds, 491 MB at most\nused 0.5 processor seconds, 60 MB at most\n"
    )
    (cost,) = rule_costs([job(tmp_path / "a.tsv")], [])
    assert (cost.seconds, cost.cpu, cost.memory) == (41.2, 38.7, 491.0)


def test_what_apis_cost_adds_up_per_model(tmp_path):
    said = {
        "engine": "openai",
        "model": "openai:https://a/v1#big",
        "requests": 3,
        "retries": 1,
        "dollars": 0.5,
    }
    said |= {"prompt_tokens": 7, "completion_tokens": 9, "total_dollars": 2.0}
    ledgers = [
        ledger(tmp_path / "a.json", **said, failures={"429": 1}),
        ledger(tmp_path / "b.json", **said, failures={"429": 1, "timeout": 2}),
        ledger(tmp_path / "c.json", engine="vllm", model="m"),
    ]
    (cost,) = server_costs(ledgers)
    assert (cost.requests, cost.retries, cost.dollars, cost.total_dollars) == (6, 2, 1.0, 4.0)
    assert cost.failures == {"429": 2, "timeout": 2} and cost.completion_tokens == 18
    row = [cell.text for cell in _server_row(cost)]
    assert row == ["https://a/v1#big", "6", "2", "14", "18", "$1.00", "$4.00", "429 × 2, timeout × 2"]
