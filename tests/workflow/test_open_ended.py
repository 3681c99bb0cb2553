"""The open-ended path whole: a served teacher judges, its student learns under a real judge's reward,
AlpacaEval reports."""

import json
import math
from pathlib import Path

import polars as pl
import pytest
import yaml

from scripts.lib.evaluation.alpaca import OFFICIAL, ROWS
from scripts.lib.labels.judging import neutralise
from tests.support.judge_server import JudgeServer, worth, write_gamed
from tests.workflow.project import ROOT, Project

pytest.importorskip("snakemake")
pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(
        not all((ROOT / name / "bin/python").exists() for name in (".venv-gpu", ".venv-eval")),
        reason="needs .venv-gpu and .venv-eval; `make setup .venv-eval/ready` makes them",
    ),
]

CONFIG = ("--configfile", "open.yaml")
REPORT = "results/reports/open/report.html"
CHAIN = "dataset=asked/teacher=served"
STUDENT = f"{CHAIN}/student=small"
THINGS = [
    "sky", "sea", "sun", "rain", "snow", "tree", "bird", "fish", "road", "house", "door", "clock", "bell",
    "lamp", "salt",
    "bread", "glass", "stone", "river", "moon", "grass", "horse", "wheel", "knife", "chair",
]  # fmt: skip
TRAITS = [
    "blue", "cold", "warm", "tall", "slow", "fast", "round", "loud", "soft", "bright", "heavy", "old",
    "green", "sweet",
    "thin", "deep", "dry", "wet", "sharp", "white", "black", "small", "large", "clean", "still", "strange",
    "smooth",
    "wide", "bent", "rare", "plain", "dull", "red", "flat", "strong",
]  # fmt: skip


def write_questions(folder: Path) -> None:
    """60 questions without answers, AlpacaEval's 805 with a reference's outputs, and stand-ins for
    df_gamed.csv."""
    questions = [f"Why is the {thing} {trait}?" for trait in TRAITS for thing in THINGS]
    asked, held_out = questions[:60], questions[-ROWS:]
    (folder / "asked.jsonl").write_text("".join(json.dumps({"instruction": each}) + "\n" for each in asked))
    said = ("It is so.", "It is so because we know it.", "Hm, no idea.")
    rows = [
        {"dataset": "own", "instruction": each, "output": said[n % 3], "generator": "steady"}
        for n, each in enumerate(held_out)
    ]
    (folder / "reference.json").write_text(json.dumps(rows))
    write_gamed(folder / "gamed.csv")


def open_project(folder: Path, server: JudgeServer) -> Project:
    project = Project(folder)
    for name in (".venv", ".venv-gpu", ".venv-eval"):
        (folder / name).symlink_to(ROOT / name)
    own = yaml.safe_load((ROOT / "tests/workflow/open.yaml").read_text())
    own["teachers"]["served"]["server"]["base_url"] = server.url
    (folder / "open.yaml").write_text(yaml.safe_dump(own))
    judge = (ROOT / "config/annotators/own_judge.yaml").read_text().replace("own_judge:", "fair_judge:")
    (folder / "own_judge.yaml").write_text(judge)
    rows = [f"asked\tserved\tsmall\t{variant}\t0\n" for variant in ("teacher", "icl", "sft", "ours")]
    (folder / "open.tsv").write_text("dataset\tteacher\tstudent\tvariant\tseed\n" + "".join(rows))
    write_questions(folder)
    return project


@pytest.fixture(scope="module")
def server():
    with JudgeServer(silent=0.1, silences=2) as running:  # and is asked three times at most
        yield running


@pytest.fixture(scope="module")
def study(server, tmp_path_factory) -> Project:
    project = open_project(tmp_path_factory.mktemp("open"), server)
    run = ask(project, server, REPORT)
    assert run.returncode == 0, (run.stdout + run.stderr)[-6000:]
    return project


def ask(project: Project, server: JudgeServer, *arguments: str):
    """Run Snakemake with the keys and the address of the server in the environment."""
    own = {"TEACHER_KEY": "teacher-key", "OPENAI_API_KEY": "judge-key", "OPENAI_API_BASE": server.url}
    with pytest.MonkeyPatch.context() as environment:
        for name, value in own.items():
            environment.setenv(name, value)
        environment.setenv("OMP_NUM_THREADS", "1")
        return project.run(*arguments, *CONFIG)


def test_without_a_key_the_official_annotator_stops_the_run_before_anything_is_spent(tmp_path, monkeypatch):
    for name in ("OPENAI_API_KEY", "OPENAI_API_KEYS"):
        monkeypatch.delenv(name, raising=False)
    with JudgeServer() as idle:
        project = open_project(tmp_path, idle)
        project.edit("open.yaml", "own_judge.yaml", OFFICIAL)
        assert project.plan(*CONFIG, target=REPORT)["alpaca_eval"] == 4, "a plan needs no key"
        run = project.snakemake(REPORT, *CONFIG)
    (line,) = [line for line in (run.stdout + run.stderr).splitlines() if "OPENAI_API_KEY" in line]
    assert run.returncode != 0 and line.startswith(f"error: the annotator {OFFICIAL} needs")
    assert not list((tmp_path / "results").rglob("*.parquet")) and not any(idle.asked.values())


def test_the_judges_scores_are_the_grades(study: Project, server: JudgeServer) -> None:
    """What the judge made of a response is its grade, a missing score is asked for again, and no end means 0
    (Eq. 11)."""
    for samples, grades in (
        (f"teacher_samples/{CHAIN}/seed=0/round=1/samples", f"teacher_grades/{CHAIN}/seed=0/grades"),
        (
            f"student_samples/{STUDENT}/warmup=wo_r/seed=0/samples",
            f"student_grades/{STUDENT}/warmup=wo_r/seed=0/grades",
        ),
    ):
        said, graded = (read(study, f"{name}.parquet") for name in (samples, grades))
        rows = said.join(graded, on=["query_id", "sample_id"]).iter_rows(named=True)
        for row in rows:
            valid = row["finish_reason"] == "stop" and any(letter.isalnum() for letter in row["completion"])
            seen = neutralise(row["completion"]).strip()
            assert row["score"] == (worth(seen) if valid else 0), row
        assert graded.height == said.height and graded["score"].null_count() == 0
    ledger = json.loads((study.folder / f"results/judgements/{CHAIN}/seed=0/ledger.json").read_text())
    again = ledger["judged_again"]
    assert 0 < len(again) <= 2 and again[0] > again[-1] * (len(again) - 1) and ledger["without_score"] == 0


def test_pairs_go_by_the_higher_score(study: Project) -> None:
    pairs = read(study, f"pairs/{STUDENT}/reward=judged/seed=0/pairs.parquet")
    own = pairs.filter(pl.col("kind") == "student_student")
    assert (own["chosen_score"] > own["rejected_score"]).all() and own["rejected_score"].n_unique() > 2
    over = pairs.filter(pl.col("kind") == "teacher_student")
    assert set(over["chosen_score"]) == set(over["rejected_score"]) == {5.0}


def test_the_judges_score_on_validation_chooses_the_checkpoint(study: Project, server: JudgeServer) -> None:
    """What was chosen is the candidate whose answers are worth most, of a handful."""
    for variant, fewest in (("wo_r", 2), ("ours", 5)):
        place = f"{STUDENT}/variant={variant}/seed=0"
        said = read(study, f"candidate_samples/{place}/samples.parquet")
        valid = pl.col("finish_reason") == "stop"
        means = (
            said.with_columns(
                score=pl.when(valid)
                .then(pl.col("completion").str.strip_chars().map_elements(worth, return_dtype=pl.Int64))
                .otherwise(0)
            )
            .group_by("sample_id")
            .agg(pl.col("score").mean())
            .sort("sample_id")
        )
        assert fewest <= means.height <= 9
        best = means.filter(pl.col("score") == pl.col("score").max())["sample_id"][0]
        folders = [f"candidates/{place}/candidates/candidate={best}", f"checkpoints/{place}/checkpoint"]
        chosen, published = (study.folder / f"results/{name}/model.safetensors" for name in folders)
        assert chosen.read_bytes() == published.read_bytes()
        card = (published.parent / "README.md").read_text()
        assert f" {best}, chosen by the judge's mean score {means['score'].max():.2f} of 5" in card


def test_ppo_learns_under_the_judged_reward(study: Project) -> None:
    path = study.folder / f"results/checkpoints/{STUDENT}/variant=ours/seed=0/metrics.jsonl"
    log = [json.loads(line) for line in path.read_text().splitlines()]
    judged = [row["validation_score"] for row in log if "validation_score" in row]
    assert len(judged) >= 5 and max(judged) >= judged[0] and log[-1]["iteration"] == 12
    steps = log[1:]
    assert all(row["lowered"] == 0 for row in steps), "no consistency check in Eq. 11"
    paid = [row for row in steps if row["no_answer"] > 0]
    assert paid and all(row["reward"] < row["reward_model"] for row in paid), "-5 for no valid answer"


def test_table_4_is_on_the_page(study: Project, server: JudgeServer) -> None:
    outputs = (
        study.folder
        / f"results/model_outputs/benchmark=alpaca/{STUDENT}/variant=ours/seed=0/model_outputs.json"
    )
    rows = json.loads(outputs.read_text())
    reference = json.loads((study.folder / "reference.json").read_text())
    assert [row["instruction"] for row in rows] == [row["instruction"] for row in reference] and len(
        rows
    ) == ROWS
    page = (study.folder / REPORT).with_suffix(".md").read_text()
    assert "Win rates on alpaca against steady, judged by fair\\_judge: not comparable" in page
    metrics = read(study, "reports/open/metrics.parquet").filter(pl.col("seed").is_not_null())
    name = "win_rate_by_fair_judge_against_steady_not_comparable"
    rates = dict(metrics.filter(pl.col("metric") == name).select("variant", "value").iter_rows())
    odds = [worth(row["output"]) - worth(other["output"]) for row, other in zip(rows, reference, strict=True)]
    assert rates["ours"] == pytest.approx(sum(1 / (1 + math.exp(-each)) for each in odds) / ROWS)
    assert set(rates) == {"teacher", "icl", "sft", "ours"} and rates["icl"] < rates["ours"]


def test_a_finished_study_asks_nothing_and_keys_are_nowhere(study: Project, server: JudgeServer) -> None:
    asked = dict(server.asked)
    done = ask(study, server, REPORT)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr
    assert server.asked == asked
    for path in study.folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and ".venv" not in path.parts:
            content = path.read_bytes()
            assert b"teacher-key" not in content and b"judge-key" not in content, path


def read(project: Project, name: str) -> pl.DataFrame:
    return pl.read_parquet(project.folder / "results" / name, hive_partitioning=False)
