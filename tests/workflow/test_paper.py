"""The paper's matrix: it plans as a whole, and its numbers are those of App. C."""

from dataclasses import asdict
from pathlib import Path

import polars as pl
import pytest

from tests.workflow.project import Project

pytest.importorskip("snakemake")

from scripts.lib.config.check import parse, rows
from scripts.lib.config.layers import read
from scripts.lib.config.whole import Config
from scripts.lib.labels.votes import choose_voters
from scripts.lib.samples.draws import draws
from scripts.lib.workflow.costs import SHARDED, Costs
from scripts.lib.workflow.matched import matched
from scripts.lib.workflow.sizes import sized

B70, B8, S1, S3 = "llama3-70b", "llama3-8b", "llama3-1b", "llama3-3b"


@pytest.fixture(scope="module")
def paper() -> Config:
    return sized(parse(read(Path("config/paper.yaml"))))


TABLE7 = [
    ("gsm8k", B70, S1, 84, 100), ("gsm8k", B70, S3, 74, 100), ("gsm8k", B8, S1, 84, 100), ("gsm8k", B8, S3,
        70, 100),
    ("mmlu_pro", B70, S1, 40, 400), ("mmlu_pro", B70, S3, 32, 400), ("mmlu_pro", B8, S1, 40, 100),
    ("mmlu_pro", B8, S3, 32, 100), ("ultrafeedback", B70, S1, 48, 100),
]  # fmt: skip
TABLE8 = [
    ("gsm8k", B70, S1, 20, 1e-5, 2), ("gsm8k", B70, S3, 4, 5e-6, 4), ("gsm8k", B8, S1, 20, 1e-5, 2),
    ("gsm8k", B8, S3, 4, 5e-6, 4), ("mmlu_pro", B70, S1, 10, 5e-6, 4), ("mmlu_pro", B70, S3, 2, 1e-5, 4),
    ("mmlu_pro", B8, S1, 10, 1e-5, 4), ("mmlu_pro", B8, S3, 2, 1e-5, 4), ("ultrafeedback", B70, S1, 16, 2e-6,
        4),
]  # fmt: skip


@pytest.mark.parametrize(("dataset", "teacher", "student", "batch", "steps"), TABLE7)
@pytest.mark.parametrize("variant", ["sft", "wo_r"])
def test_table_7(paper: Config, variant, dataset, teacher, student, batch, steps) -> None:
    training = paper.training("variant", variant=variant, dataset=dataset, teacher=teacher, student=student)
    assert training.per_device_train_batch_size * training.gradient_accumulation_steps == batch
    assert (training.eval_steps, training.gpus, training.learning_rate) == (steps, 4, 5e-6)
    assert (training.num_train_epochs, training.max_steps) == (4, -1)


@pytest.mark.parametrize(("dataset", "teacher", "student", "batch", "rate", "gpus"), TABLE8)
def test_table_8(paper: Config, dataset, teacher, student, batch, rate, gpus) -> None:
    names = {"dataset": dataset, "teacher": teacher, "student": student}
    ours = paper.training("variant", variant="ours", **names)
    assert (ours.batch_size, ours.gpus) == (batch * gpus, gpus)
    assert ours.learning_rate == ours.value_learning_rate == rate
    assert (ours.kl_coef, ours.vf_coef, ours.total_episodes) == (0.2, 0.1, 200_000)
    without_data = paper.training("variant", variant="wo_d", **names)
    assert (without_data.learning_rate, without_data.kl_coef) == (5e-5, 0.1)
    assert without_data.batch_size == ours.batch_size


def test_the_reward_model(paper: Config) -> None:
    for student, batch in ((S1, 48), (S3, 16)):
        training = paper.training("reward", reward="ours", student=student, dataset="gsm8k", teacher=B70)
        assert (training.per_device_train_batch_size, training.learning_rate) == (batch, 5e-5)
        assert (training.num_train_epochs, training.lam) == (4, 0.5)


def test_models_and_data_are_pinned(paper: Config) -> None:
    revisions = [block.revision for block in [*paper.teachers.values(), *paper.students.values()]]
    revisions += [block.revision for block in paper.downloads.values()]
    assert all(len(revision) == 40 and int(revision, 16) for revision in revisions)


def test_the_matrix_is_the_papers(paper: Config) -> None:
    table = rows(paper, "table3")
    methods = {"teacher", "icl", "sft", "wo_r", "wo_d", "ours"}
    for dataset in ("gsm8k", "mmlu_pro"):
        for teacher in (B70, B8):
            for student in (S1, S3):
                names = {"dataset": dataset, "teacher": teacher, "student": student}
                assert {row["variant"] for row in table if names.items() <= row.items()} == methods


def test_table_6_is_the_papers(paper: Config) -> None:
    """Six rows; each reward model with its loss, answers and check; one D_R for all."""
    assert [row["variant"] for row in rows(paper, "table6")] == [
        "wo_r", "orm_t", "orm_s", "orm_s_checked", "unchecked", "ours",
    ]  # fmt: skip
    designs = {}
    for name in ("orm_t", "orm_s", "orm_s_checked", "unchecked", "ours"):
        variant = paper.variants[name]
        reward = paper.rewards[variant.reward]
        assert (variant.queries_of or variant.reward) == "ours"
        names = {"dataset": "gsm8k", "teacher": B8, "student": S1}
        training = paper.training("variant", variant=name, **names)
        designs[name] = (reward.training.loss, reward.pairs.answers, training.reward_design)
        same = {"learning_rate": 1e-5, "kl_coef": 0.2, "batch_size": 40}
        assert same.items() <= asdict(training).items()
    assert designs == {
        "orm_t": ("classification", "teacher", "none"),
        "orm_s": ("classification", "student", "none"),
        "orm_s_checked": ("classification", "student", "ours"),
        "unchecked": ("both", "both", "none"),
        "ours": ("both", "both", "ours"),
    }


def test_figure_11_goes_beyond_all_answers_by_more_samples_under_the_same_votes(paper: Config) -> None:
    amounts = {
        row["variant"]: paper.training("variant", **row).answers_per_query
        for row in rows(paper, "figure11")
        if row["teacher"] == B70
    }
    assert amounts == {"sft_1": 1, "sft_2": 2, "sft_5": 5, "wo_r": 0}
    assert [row["variant"] for row in rows(paper, "figure11") if row["teacher"] == f"{B70}-twice"] == ["wo_r"]
    one, twice = paper.teachers[B70], paper.teachers[f"{B70}-twice"]
    assert (one.model, one.revision, one.vote) == (twice.model, twice.revision, twice.vote)
    assert (twice.base.samples - 1, twice.again.samples) == (
        2 * (one.base.samples - 1),
        2 * one.again.samples,
    )
    for number, block in enumerate(("base", "again"), start=1):
        voters = []
        for teacher in (one, twice):
            grid = getattr(teacher, block)
            table = draws(grid.temperatures, grid.n, number, 0).with_columns(
                query_id=pl.lit("q"), round=pl.lit(number, pl.Int32)
            )
            chosen = table.join(choose_voters(table, teacher.vote.m), on="sample_id")
            voters.append(chosen.select("temperature", "index").sort(pl.all()).rows())
        assert voters[0] == voters[1] and len(voters[0]) == 10


def test_every_job_fits_its_gpus(paper: Config) -> None:
    """80 GB each: nothing is refused, and PPO and the warm-up take whole passes on Table 7's and 8's GPUs; a
    policy that has its teacher beside it to judge, smaller ones."""
    costs = Costs(paper)
    for study in paper.studies:
        table = rows(paper, study)
        costs.check(table)
        for row in table:
            if not hasattr(paper.variants[row["variant"]], "training"):
                continue
            names = {key: str(value) for key, value in row.items()}
            asked, fitted = costs.training(names), costs.fitted(names)
            if row["variant"].startswith("judge_"):
                assert 1024 <= fitted.max_tokens_per_micro_batch < 8192
            elif paper.variants[row["variant"]].method == "ppo":
                assert fitted.max_tokens_per_micro_batch == 8192
            else:
                assert fitted == asked, names


PAIRS = [(dataset, teacher, student) for dataset, teacher, student, *_ in TABLE7]


def test_matched_sft_takes_the_gpu_hours_of_ours_whatever_the_pair(paper: Config) -> None:
    """By the plan's hours expected; so do Ours's parts, added up here by hand."""
    places = [dict(zip(("dataset", "teacher", "student"), pair, strict=True)) for pair in PAIRS]
    config = matched(paper, [place | {"variant": "sft_matched"} for place in places])
    costs = Costs(config)
    for place in places:
        ours = [
            costs.of("train_sft", place | {"variant": "wo_r"}),
            costs.of("train_reward", place | {"reward": "ours"}),
            costs.of("train_ppo", place | {"variant": "ours"}),
            costs.sample_student(place | {"warmup": "wo_r"}),
        ]
        sft = costs.of("train_sft", place | {"variant": "sft_matched"})
        assert sft.gpu == 4
        assert sft.gpu * sft.seconds == pytest.approx(sum(job.gpu * job.seconds for job in ours), rel=0.1)


def test_the_whole_study_is_every_other_one_with_three_seeds(paper: Config) -> None:
    """But Table 5, whose samples all seeds share, and the baselines, which the paper lacks; lambda 0.5 is
    that of Ours."""
    whole = {tuple(row.values()) for row in rows(paper, "paper")}
    for study in set(paper.studies) - {"paper", "baselines"}:
        for row in rows(paper, study):
            if row["variant"] == "reward_lam_0.5":
                row["variant"] = "ours"
            seeds = (0,) if row["variant"] == "judge_vs_vote" else (0, 1, 2)
            assert {tuple((row | {"seed": seed}).values()) for seed in seeds} <= whole, (study, row)
    assert set(paper.studies["paper"].benchmarks) == set(paper.benchmarks)


@pytest.mark.slow
def test_the_whole_study_plans(tmp_path: Path) -> None:
    """What rows share is made once: teachers and their samples for all seeds."""
    plan = Project(tmp_path).plan(
        "--configfile", "config/paper.yaml", target=["results/reports/paper/report.html"]
    )
    assert plan["sample_teacher"] == 6 and plan["sample_teacher_again"] == plan["label"] == 5
    assert plan["judge_teacher"] == 3 and plan["judge_vs_vote"] == 2
    # Eight chains' Ours and w/o D; Table 6's four on one of them, Figure 10's two on another.
    assert plan["train_ppo"] == 3 * (8 * 2 + 4 + 2)
    # The eight chains' and UltraFeedback's; two ORMs; four ratios and four weights beside Ours's.
    assert plan["train_reward"] == plan["pair"] == 3 * (8 + 1 + 2 + 4 + 4)
    assert plan["manifest"] == plan["report"] == 1


@pytest.mark.slow
def test_the_ablations_plan(tmp_path: Path) -> None:
    project = Project(tmp_path)
    studies = (
        "table1",
        "table5",
        "table6",
        "table9",
        "table11",
        "figure7",
        "figure8",
        "figure10",
        "figure11",
    )
    target = [f"results/reports/{study}/report.html" for study in studies]
    plan = project.plan("--configfile", "config/paper.yaml", target=target)
    # Table 6: four rewards' policies and Ours; Table 11: Ours, the same; Figure 10: three of 70B's;
    # Table 1: w/o D on MMLU-Pro, a chain of Table 9.
    assert plan["train_ppo"] == 5 + 3 + 1
    # Table 5: a judgement of each teacher's own samples.
    assert plan["judge_vs_vote"] == plan["judge_teacher"] == 2
    # Table 9: eight chains; Table 6 adds two ORMs, Figures 7 and 8 four each.
    assert plan["train_reward"] == plan["pair"] == 8 + 2 + 4 + 4
    assert plan["train_dpo"] == 1 and plan["manifest"] == len(studies)


@pytest.mark.slow
def test_it_plans(tmp_path: Path) -> None:
    project = Project(tmp_path)
    target = [f"results/reports/{study}/report.html" for study in ("table3", "table4")]
    plan = project.plan("--configfile", "config/paper.yaml", target=target)
    # Two data sets x two teachers x two students, and UltraFeedback's one chain.
    assert plan["train_ppo"] == plan["train_sft"] == 8 * 2
    assert plan["train_ppo_candidates"] == 1 and plan["train_sft_candidates"] == 2
    assert plan["sample_candidates"] == plan["judge_candidates"] == plan["choose"] == 3
    assert plan["train_reward"] == plan["pair"] == 9
    assert plan["sample_teacher"] == 5 and plan["sample_teacher_again"] == 4
    assert plan["judge_teacher"] == plan["judge_student"] == plan["label_judged"] == 1
    assert plan["alpaca_eval"] == plan["model_outputs"] == 4
    assert plan["fetch"] == 8
    # Four-hour shards: the 70B teacher's first round on GSM8K would take 42 hours at most, its second 53.
    assert plan["sample_teacher_shard"] > 5 * plan["sample_teacher"]
    assert plan["sample_student_shard"] >= 4 * 4 + 2 * 2
    assert plan["judge_teacher_shard"] > 30 and plan["judge_student_shard"] > 10
    # Base students and teachers are asked once per benchmark, whatever they are compared with.
    assert plan["sample_base_student"] == 2 * 3 + 1 and plan["sample_teacher_on_benchmark"] == 2 * 3 + 1


def test_no_sampling_job_is_longer_than_a_few_hours(paper: Config) -> None:
    costs = Costs(paper)
    for study in paper.studies:
        for row in rows(paper, study):
            names = {**row, "warmup": "wo_r", "seed": str(row["seed"])}
            for rule in SHARDED:
                count = costs.shards(rule, names)
                longest = costs.of(f"{rule}_shard" if count > 1 else rule, names).request(paper.max_hours)
                assert longest["runtime"] <= 4.5 * 60, (rule, names)
