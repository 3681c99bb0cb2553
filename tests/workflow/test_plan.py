"""Which edit runs what again: the table of config/README.md, as a test that edits and dry-runs."""

import os
import shutil
from pathlib import Path

import pytest

from tests.workflow.project import Project

pytest.importorskip("snakemake")
pytestmark = pytest.mark.slow

TEACHER_SAMPLING = {"sample_teacher", "sample_teacher_again"}
EVALUATION = {"sample_checkpoint", "score", "manifest", "report"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project(tmp_path_factory.mktemp("finished"))
    project.pretend_done()
    return project


@pytest.fixture
def project(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished project with every time stamp kept."""
    return finished.copy(tmp_path / "copy")


def test_nothing_changed_runs_nothing(project: Project) -> None:
    assert project.plan() == {}


def test_a_clone_with_results_copied_over_runs_nothing(project: Project) -> None:
    for number, path in enumerate(sorted(project.folder.rglob("*"), reverse=True)):
        os.utime(path, ns=(1_900_000_000_000_000_000 + number * 10**9,) * 2)
    assert project.plan() == {}


def test_a_comment_in_a_helper_runs_nothing(project: Project) -> None:
    with (project.folder / "scripts/lib/labels/votes.py").open("a") as file:
        file.write("\n# A remark.\n")
    assert project.plan() == {}


def test_an_error_message_and_a_log_line_run_nothing(project: Project) -> None:
    project.edit("scripts/lib/data/tables.py", 'raise UserError(f"', 'raise UserError(f"Please mend: {path} ')
    project.edit("scripts/label/label.py", 'print(f"', 'print(f"labels: ')
    assert project.plan() == {}


def test_the_vote_threshold_relabels_without_asking_the_teacher(project: Project) -> None:
    project.edit("config/world.yaml", "vote: {m: 10, threshold: 0.7", "vote: {m: 10, threshold: 0.8")
    plan = project.plan()
    assert {"label", "grade_teacher", "train_sft", "pair", "train_reward", "train_ppo"} <= set(plan)
    assert not TEACHER_SAMPLING & set(plan)
    assert "find_unsure" not in plan


def test_the_answer_reader_relabels_and_rescores_without_asking_the_teacher(project: Project) -> None:
    with (project.folder / "scripts/lib/tasks/__init__.py").open("a") as file:
        file.write("\nMENDED = True\n")
    plan = project.plan()
    assert {"read_teacher_answers", "read_student_answers", "label", "score"} <= set(plan)
    assert "find_unsure" not in plan
    assert plan["score"] == 9
    assert not (TEACHER_SAMPLING | {"sample_base_student", "sample_teacher_on_benchmark"}) & set(plan)
    # A reader that fails leaves no answers behind; once it is mended, the teacher is still asked nothing.
    shutil.rmtree(project.folder / "results/answers")
    assert project.plan() == plan


def test_other_samples_of_the_first_round_decide_anew_who_is_asked_again(project: Project) -> None:
    (samples,) = project.folder.glob("results/teacher_samples/*/teacher=tiny/*/round=1/samples.parquet")
    samples.write_text("others")
    plan = project.plan()
    assert plan["find_unsure"] == plan["sample_teacher_again"] == 1
    assert {"read_teacher_answers", "label", "train_ppo"} <= set(plan)


def test_lambda_retrains_that_reward_model_and_its_policies(project: Project) -> None:
    project.edit("config/world.yaml", "lam: 0.5", "lam: 0.25")
    plan = project.plan()
    assert set(plan) == {"train_reward", "evaluate_reward", "train_ppo"} | EVALUATION
    assert plan["train_ppo"] == plan["sample_checkpoint"] == plan["score"] == 2


def test_other_held_out_pairs_make_all_pairs_anew_and_sample_nothing_of_the_warm_student(
    project: Project,
) -> None:
    project.edit(
        "config/world.yaml", "validation_fraction: 0.1}", "validation_fraction: 0.1, test_fraction: 0.2}"
    )
    plan = project.plan()
    trained = {"train_reward", "evaluate_reward", "train_ppo", "train_dpo"}
    assert set(plan) == {"hold_out_pairs", "pair"} | trained | EVALUATION


def test_one_kl_coefficient_retrains_one_policy(project: Project) -> None:
    project.edit("config/world.yaml", "rlvr: {training: *ppo}", "rlvr: {training: {<<: *ppo, kl_coef: 0.15}}")
    plan = project.plan()
    assert set(plan) == {"train_ppo"} | EVALUATION
    assert plan["train_ppo"] == plan["sample_checkpoint"] == plan["score"] == 1


def test_queries_without_a_label_retrain_the_policy_that_learns_them(project: Project) -> None:
    project.edit("config/world.yaml", "    queries: all\n    training: &ppo", "    training: &ppo")
    plan = project.plan()
    assert set(plan) == {"train_ppo"} | EVALUATION
    assert plan["train_ppo"] == 1


def test_who_is_told_of_the_metrics_runs_nothing(project: Project) -> None:
    with (project.folder / "config/world.yaml").open("a") as file:
        file.write("\nreport_to: [tensorboard, wandb]\n")
    assert project.plan() == {}


def test_more_student_samples_sample_the_student_only(project: Project) -> None:
    project.edit("config/world.yaml", "sampling: {n: 30", "sampling: {n: 40")
    plan = project.plan()
    assert plan["sample_student"] == 1
    assert not (TEACHER_SAMPLING | {"train_sft", "label"}) & set(plan)


def test_a_prompt_samples_again(project: Project) -> None:
    project.edit("config/prompts/world.jinja", "{{ question }}", "{{ question }} ")
    assert set(project.plan()) >= {"sample_teacher", "sample_student", "sample_checkpoint"}


def test_how_a_training_is_cut_trains_nothing(project: Project) -> None:
    """The same examples per update in other steps, activations recomputed, other checkpoints:
    only the page shows them."""
    old = "per_device_train_batch_size: 64\n      gradient_accumulation_steps: 1"
    new = (
        "per_device_train_batch_size: 16\n      gradient_accumulation_steps: 4\n"
        "      gradient_checkpointing: true"
    )
    project.edit("config/world.yaml", old, f"{new}\n      generation_batch_size: 64")
    project.edit(
        "config/world.yaml", "save_every: 10", "save_every: 5\n      max_tokens_per_micro_batch: 512"
    )
    assert project.plan() == {"manifest": 1, "report": 1}


def test_more_examples_per_update_train_again(project: Project) -> None:
    old = "per_device_train_batch_size: 64\n      gradient_accumulation_steps: 1"
    project.edit(
        "config/world.yaml", old, "per_device_train_batch_size: 64\n      gradient_accumulation_steps: 2"
    )
    assert project.plan()["train_sft"] == 3


def test_a_learning_rate_trains_again(project: Project) -> None:
    project.edit("config/world.yaml", "learning_rate: 1.0e-4", "learning_rate: 2.0e-4")
    assert set(project.plan()) == {"train_dpo"} | EVALUATION


def test_how_sampling_is_cut_runs_nothing_but_the_page_that_shows_it(project: Project) -> None:
    project.edit(
        "config/world.yaml",
        "batch_size: 512",
        "batch_size: 64\n    gpu_memory_utilization: 0.5\n    max_model_len: 128",
    )
    assert set(project.plan()) <= {"manifest", "report"}


def test_a_stop_string_and_top_p_sample_again(project: Project) -> None:
    project.edit("config/world.yaml", "sampling: {n: 30", "sampling: {top_p: 0.9, n: 30")
    plan = project.plan()
    assert plan["sample_student"] == 1 and not TEACHER_SAMPLING & set(plan)
    project.edit(
        "config/world.yaml",
        "    max_tokens: 48\n    seed: row",
        "    max_tokens: 48\n    stop: ['Q :']\n    seed: row",
    )
    assert set(project.plan()) >= TEACHER_SAMPLING


def test_another_seed_runs_its_own_chain_only(project: Project) -> None:
    table = project.folder / "config/studies/demo.tsv"
    with table.open("a") as file:
        file.write("world\ttiny\ttiny\tsft\t7\n")
    plan = project.plan()
    assert plan.pop("pretrain") == 2
    assert set(plan.values()) == {1} or plan["label"] <= 2
    assert plan["train_sft"] == plan["world"] == plan["sample_checkpoint"] == 1
    assert "train_ppo" not in plan


@pytest.mark.parametrize(
    ("stage", "maker"), [("pairs", "pair"), ("eval_samples", "sample_checkpoint"), ("labels", "label")]
)
def test_a_new_page_makes_again_what_it_shows_and_was_deleted(
    project: Project, stage: str, maker: str
) -> None:
    """A finished study stays finished without them, as everywhere in Snakemake."""
    shutil.rmtree(project.folder / "results" / stage)
    assert project.plan() == {}
    assert maker in project.plan("--forcerun", "report")


def test_the_template_of_the_report_runs_the_report_only(project: Project) -> None:
    template = next((project.folder / "scripts/lib/report/drawing").glob("*.j2"))
    with template.open("a") as file:
        file.write("\n<!-- end -->\n")
    assert project.plan() == {"report": 1}
