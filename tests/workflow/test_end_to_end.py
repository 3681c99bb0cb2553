"""The whole method on the embedded world: it works, survives kills, and fails where it must."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml

pytest.importorskip("snakemake")

from scripts.lib.config.layers import load, over
from scripts.lib.report.numbers.spending import job_cost
from scripts.lib.workflow.layout import log_of
from tests.workflow.project import ROOT, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (ROOT / ".venv-gpu/bin/python").exists(), reason="needs .venv-gpu; `make setup` makes it"
    ),
]

CONFIG = ("--configfile", "config/world.yaml", "tests/workflow/small.yaml")
REPORT = "results/reports/small/report.html"
CHAIN = "dataset=world/teacher=tiny/student=tiny"
PAIRS = f"results/pairs/{CHAIN}/reward=ours/seed=10/pairs.parquet"
DETERMINISTIC = ("teacher_samples", "labels", "teacher_grades", "student_samples", "student_grades", "pairs")


def small_project(folder: Path) -> Project:
    """The project with the small study and links to this checkout's environments."""
    project = Project(folder)
    (folder / "tests/workflow").mkdir(parents=True)
    for name in ("small.yaml", "small.tsv"):
        shutil.copy(ROOT / "tests/workflow" / name, folder / "tests/workflow" / name)
    for name in (".venv", ".venv-gpu"):
        (folder / name).symlink_to(ROOT / name)
    return project


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = small_project(tmp_path_factory.mktemp("undisturbed"))
    run = project.run(REPORT, *CONFIG)
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
    return project


def accuracies(project: Project) -> dict[str, float]:
    metrics = pl.read_parquet(project.folder / "results/reports/small/metrics.parquet")
    assert metrics.columns == [
        "dataset", "teacher", "student", "variant", "seed", "benchmark", "metric", "value", "n",
    ]  # fmt: skip
    rows = metrics.filter((pl.col("metric") == "accuracy") & pl.col("seed").is_not_null())
    return dict(rows.select("variant", "value").iter_rows())


def test_the_method_works(undisturbed: Project) -> None:
    accuracy = accuracies(undisturbed)
    assert set(accuracy) == {"teacher", "icl", "sft", "wo_r", "ours"}
    assert accuracy["icl"] < accuracy["sft"]
    assert accuracy["sft"] + 0.03 < accuracy["ours"]


@pytest.mark.skipif(bool(shutil.which("nvidia-smi")), reason="forks are for machines without a GPU")
def test_steps_were_forks(undisturbed: Project) -> None:
    """Snakemake saw who asked for them only; what a step used it says itself."""
    file = undisturbed.folder / "benchmarks/pretrain/model=tiny-teacher/seed=10.tsv"
    seen, said = job_cost(file, Path("none.log")), job_cost(file, log_of(file))
    assert seen["max_rss"] < 100 < said["max_rss"]
    assert said["cpu_time"] > 0.3 * said["s"]


def test_a_finished_study_has_nothing_to_do(undisturbed: Project) -> None:
    assert undisturbed.plan(*CONFIG, target=REPORT) == {}


def test_a_finished_study_copied_to_a_clone_has_nothing_to_do(undisturbed: Project, tmp_path: Path) -> None:
    clone = small_project(tmp_path / "clone") if (tmp_path / "clone").mkdir() is None else None
    for name in ("results", "store", ".snakemake"):
        subprocess.run(["cp", "-r", undisturbed.folder / name, clone.folder / name], check=True)
    assert clone.plan(*CONFIG, target=REPORT) == {}


def test_more_samples_and_queries_pay_only_for_what_is_missing(undisturbed: Project, tmp_path: Path) -> None:
    project = undisturbed.copy(tmp_path / "more")
    folder = project.folder
    project.edit("config/world.yaml", "sampling: {n: 30", "sampling: {n: 36")
    run = project.run(PAIRS, *CONFIG)
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
    ledger = json.loads(
        (folder / f"results/student_samples/{CHAIN}/warmup=wo_r/seed=10/ledger.json").read_text()
    )
    assert ledger["reused"] == 5 * ledger["sampled"] > 0


@pytest.mark.campaign
def test_outcome_reward_models_train_and_reward(undisturbed: Project, tmp_path: Path) -> None:
    """Table 6: ORM-T learns from the teacher's answers alone, ORM-S from the student's, and PPO runs under
    both."""
    project = undisturbed.copy(tmp_path / "orm")
    folder = project.folder
    default = over(load(folder / "config/config.yaml"), load(folder / "config/world.yaml"))
    reward, ours = default["rewards"]["ours"], default["variants"]["ours"]
    own = {"rewards": {}, "variants": {}}
    for name, answers in (("orm_t", "teacher"), ("orm_s", "student")):
        training = reward["training"] | {"loss": "classification", "max_steps": 50}
        own["rewards"][name] = reward | {"pairs": {"answers": answers}, "training": training}
        short = ours["training"] | {"total_episodes": 1024, "reward_design": "none"}
        own["variants"][name] = ours | {"reward": name, "queries": "ours", "training": short}
    (folder / "orm.yaml").write_text(yaml.safe_dump(own))
    checkpoints = [
        f"results/checkpoints/{CHAIN}/variant={name}/seed=10/metrics.jsonl" for name in own["rewards"]
    ]
    tables = [f"results/rewards/{CHAIN}/reward={name}/seed=10/table9.json" for name in own["rewards"]]
    run = project.run(*checkpoints, *tables, *CONFIG, "orm.yaml")
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
    sources = []
    for path in tables:
        pairs = pl.read_parquet(
            folder / path.replace("/rewards/", "/pairs/").replace("table9.json", "pairs.parquet")
        )
        sources.append(set(pairs["chosen_source"]) | set(pairs["rejected_source"]))
        assert (pairs["chosen_score"] == 1).all() and (pairs["rejected_score"] == 0).all()
        assert json.loads((folder / path).read_text())["cls"]["value"] > 0.5
    assert sources == [{"teacher"}, {"student"}]
    for path in checkpoints:
        last = json.loads((folder / path).read_text().splitlines()[-1])
        assert last["iteration"] == 4 and last["lowered"] == 0


@pytest.mark.campaign
def test_kills_lose_nothing_and_change_nothing(undisturbed: Project, tmp_path: Path) -> None:
    (tmp_path / "killed").mkdir()
    project = small_project(tmp_path / "killed")
    command = [
        sys.executable, "-m", "scripts.commands.run", "--profile", "profiles/local", "--cores", "2", PAIRS,
        *CONFIG,
    ]  # fmt: skip
    for what, wait_for in (
        (signal.SIGKILL, "store/*/*/*.parquet"),
        (signal.SIGINT, "results/labels/*/*/*/labels.parquet"),
        (signal.SIGKILL, "state/sft/*/metrics.jsonl"),
    ):
        run = subprocess.Popen(command, cwd=project.folder, start_new_session=True, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 600
        while run.poll() is None and time.monotonic() < deadline and not any(project.folder.glob(wait_for)):
            time.sleep(0.05)
        assert run.poll() is None, f"the run was over before {wait_for}"
        time.sleep(0.3)
        _signal_drivers(run.pid, what)
        run.wait(timeout=120)
    assert subprocess.run(command, cwd=project.folder, check=False, timeout=900).returncode == 0
    for stage in DETERMINISTIC:
        files = sorted((undisturbed.folder / "results" / stage).rglob("*.parquet"))
        assert files
        for file in files:
            again = project.folder / file.relative_to(undisturbed.folder)
            assert again.read_bytes() == file.read_bytes(), file.relative_to(undisturbed.folder)


def _signal_drivers(session: int, what: signal.Signals) -> None:
    """Signal the wrapper and Snakemake (a terminal's Ctrl-C reaches both), but not the jobs:
    they become orphans."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            member = int((process / "stat").read_text().rsplit(")", 1)[1].split()[3]) == session
        except (OSError, IndexError):
            continue
        if member and ("-m snakemake" in line or "-m scripts.commands.run" in line):
            os.kill(int(process.name), what)


@pytest.mark.campaign
def test_shuffled_labels_teach_nothing(undisturbed: Project, tmp_path: Path) -> None:
    """The control that must fail: with labels dealt to the wrong queries, Ours no longer beats SFT."""
    project = undisturbed.copy(tmp_path / "shuffled")
    folder = project.folder
    file = folder / "results/labels/dataset=world/teacher=tiny/seed=10/labels.parquet"
    labels = pl.read_parquet(file)
    given = labels.filter(pl.col("label").is_not_null())
    dealt = given.with_columns(given["label"].sample(fraction=1, shuffle=True, seed=3))
    pl.concat([dealt, labels.filter(pl.col("label").is_null())]).sort("query_id").write_parquet(file)
    run = project.run(REPORT, *CONFIG)
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
    accuracy = accuracies(project)
    assert accuracy["sft"] == accuracies(undisturbed)["sft"]
    assert accuracy["ours"] < accuracy["sft"]
