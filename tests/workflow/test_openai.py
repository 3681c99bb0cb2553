"""A teacher behind an API in the workflow: what the plan says it costs, and what runs again when its limits
change."""

import json
import subprocess
import sys

import pytest
import yaml

from tests.support.fault_server import FaultServer
from tests.workflow.project import Project

pytest.importorskip("snakemake")

TARGET = "results/teacher_samples/dataset=asked/teacher=api/seed=0/round=1/samples.parquet"
KEY = "sk-secret-4711-never-to-be-seen"


def configure(project: Project, url: str, **server: object) -> None:
    own = {
        "datasets": {
            "asked": {"queries": "asked.jsonl", "task": "numeric", "prompt": "gsm8k", "max_tokens": 30}
        },
        "teachers": {
            "api": {
                "model": "big",
                "engine": "openai",
                "base": {"temperatures": [0.5, 0.9], "n": 3},
                "server": {"base_url": url, "price_prompt": 2.5, "price_completion": 10, "backoff": 0.01}
                | server,
            }
        },
    }
    (project.folder / "api.yaml").write_text(yaml.safe_dump(own))


@pytest.mark.slow
def test_an_api_teacher_is_planned_in_dollars_and_paid_once(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    project = Project(tmp_path)
    rows = [{"question": f"What is {i} plus {i * i}?", "answer": str(i)} for i in range(30)]
    (tmp_path / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = ("--configfile", "config/world.yaml", "api.yaml", "--rerun-incomplete")
    with FaultServer(["429", "half", None, "500"], key=KEY) as server:
        configure(project, server.url, max_dollars=3)
        command = [
            sys.executable,
            "-m",
            "scripts.commands.plan",
            "--profile",
            "profiles/local",
            "--cores",
            "2",
        ]
        plan = subprocess.run(
            [*command, TARGET, *config], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert plan.returncode == 0, plan.stderr
        assert f"teachers.api: big: asked at {server.url} with the key in OPENAI_API_KEY" in plan.stdout
        (line,) = [line for line in plan.stdout.splitlines() if line.startswith("sample_teacher ")]
        assert " and $0." in plan.stdout and line.split()[-7] == "0", plan.stdout
        run = [
            sys.executable,
            "-m",
            "scripts.commands.run",
            "--max-dollars",
            "0.01",
            *command[3:],
            TARGET,
            *config,
        ]
        refused = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert refused.returncode == 2 and server.choices == 0
        assert "the budget is 0.01: plan less, or raise --max-dollars" in refused.stderr
        done = project.snakemake(TARGET, *config)
        log = tmp_path / "logs/sample_teacher/dataset=asked/teacher=api/seed=0.log"
        assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")
        ledger = json.loads((tmp_path / TARGET).with_name("ledger.json").read_text())
        assert server.choices == ledger["sampled"] == ledger["requested"] >= 25 * 6
        assert ledger["failures"] == {"429": 1, "500": 1, "half a body": 1} and ledger["dollars"] > 0

        configure(project, server.url, max_dollars=5, requests_per_minute=1e6, n_per_request=2)
        assert project.plan(*config, target=TARGET) == {}
        requests = server.requests
        configure(project, server.url, identity="big@2026")
        assert set(project.plan(*config, target=TARGET)) == {"sample_teacher"}
        assert server.requests == requests
    seen = plan.stdout + plan.stderr + done.stdout + done.stderr
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert KEY not in seen and not [path for path in files if KEY.encode() in path.read_bytes()]
