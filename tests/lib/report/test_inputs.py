"""The files of a study, from its config: what its variants need, the same for the rule and the manifest."""

from pathlib import Path

import pytest

from scripts.lib.config.check import parse, rows
from scripts.lib.config.layers import read
from scripts.lib.config.whole import Config, used
from scripts.lib.report.inputs import study_of
from scripts.lib.report.study import Study
from scripts.lib.workflow.layout import Layout

B70, B8 = "llama3-70b", "llama3-8b"


@pytest.fixture(scope="module")
def paper() -> Config:
    return parse(read(Path("config/paper.yaml")))


def study(config: Config, name: str, *variants: str) -> Study:
    """A study of the paper, with these of its variants only."""
    table = [row for row in rows(config, name) if not variants or row["variant"] in variants]
    return study_of(Layout(config), name, table)


def stages(found: Study) -> set[str]:
    return {path.split("/")[1] for path in found.files()}


def test_the_rule_and_the_manifest_name_the_same_files(paper):
    for name in paper.studies:
        narrow = used(paper, name, rows(paper, name))
        assert study(narrow, name).files() == study(paper, name).files(), name


def test_every_kind_of_file_is_declared(paper):
    declared = {"scores", "eval_samples", "queries", "labels", "pairs", "rewards", "checkpoints"}
    declared |= {"teacher_samples", "student_samples", "student_grades"}
    assert declared <= stages(study(paper, "table3"))
    assert stages(study(paper, "table4")) >= {"judgements", "teacher_grades"}


def test_what_no_variant_needs_is_not_asked_for(paper):
    """A judge's scores cost as much as sampling; a reward that is the label alone has no model."""
    assert not stages(study(paper, "table4", "sft")) & {"judgements", "labels", "pairs", "rewards"}
    assert "labels" in stages(study(paper, "table3", "sft"))
    assert not study(paper, "table3", "icl", "teacher").chains
    row = rows(paper, "table6")[0]
    for variants, trained in ((["rlvr"], False), (["rlvr", "ours"], True), (["ours", "rlvr"], True)):
        found = study_of(Layout(paper), "table6", [row | {"variant": variant} for variant in variants])
        (reward,) = found.chains[0].rewards
        assert {each is not None for each in (reward.table9, reward.held_out, reward.log)} == {trained}


def test_a_judge_that_is_held_against_the_vote_is_paid_for_where_a_row_asks(paper):
    found = study(paper, "table5")
    files = [f"results/judge_vs_vote/dataset=gsm8k/teacher={name}/seed=0/table5.json" for name in (B70, B8)]
    assert [str(chain.judge_vs_vote) for chain in found.chains] == files and set(files) <= set(found.files())
    assert [each.rule for each in found.ledgers].count("judge_teacher") == 2
    assert not stages(found) & {"rewards", "checkpoints", "student_samples", "scores"}
    assert not stages(study(paper, "table3")) & {"judge_vs_vote", "judgements"}


def test_what_a_judge_in_the_loop_took_is_in_its_trainings_ledger(paper):
    row = rows(paper, "table6")[0]
    found = study_of(Layout(paper), "table6", [row | {"variant": each} for each in ("ours", "judge_reward")])
    ledgers = [each.file for each in found.ledgers if each.rule == "train_ppo"]
    assert [path.parts[1] for path in ledgers] == ["checkpoints"]
    trainings = {each.variant: each.log.parent for chain in found.chains for each in chain.trainings}
    assert ledgers[0].parent == trainings["judge_reward"]


def test_students_that_are_sampled_for_a_student_count(paper):
    """Rejection sampling in two rounds samples two students, and Ours none but the first of them."""
    row = rows(paper, "table6")[0]
    found = study_of(Layout(paper), "table6", [row | {"variant": name} for name in ("ours", "rft_2")])
    files = [each.file.parts[-3] for each in found.ledgers if each.rule == "sample_student"]
    assert files == ["warmup=wo_r", "warmup=rft"]


def test_one_of_several_answers_brings_its_growth_its_reward_model_and_its_ledger(paper):
    row = rows(paper, "table6")[0]
    for variant, rewards in (("majority", []), ("best_of_n", ["ours"])):
        found = study_of(Layout(paper), "table6", [row | {"variant": variant}])
        assert [each.reward for each in found.chains[0].rewards] == rewards
        (run,) = found.evaluations
        assert run.growth and str(run.growth) in found.files() and run.samples.parts[1] == "repeated_samples"
        assert [each.rule for each in found.ledgers].count("sample_repeatedly") == 1


def test_each_round_samples_the_policy_before_it_and_the_teacher_once():
    config = parse(read(Path("config/world.yaml"), Path("config/baselines.yaml")) | {"seeds": 1})
    layout, table = Layout(config), rows(config, "rounds")
    found = study_of(layout, "rounds", table)
    (chain,) = found.chains
    assert [(each.reward, each.warmup) for each in chain.rewards] == [
        ("ours", "wo_r"),
        ("ours_2", "ours"),
        ("ours_3", "ours_2"),
    ]
    assert [each.rule for each in found.ledgers].count("sample_teacher") == 1
    policies = [config.variants[name] for name in ("ours", "ours_2", "ours_3")]
    starts = [layout.checkpoint(table[0], each.warmup).name.split("/")[5] for each in policies]
    assert starts == ["variant=wo_r", "variant=ours", "variant=ours_2"]


def test_labels_of_known_worth_are_marked():
    given = read(Path("config/paper.yaml"))
    teacher = rows(parse(given), "table6")[0]["teacher"]
    given["teachers"][teacher]["vote"] = {"by": "golds", "noise": 0.2}
    note = study(parse(given), "table6").note
    assert f"teacher {teacher} are golds: a ceiling" in note
    assert f"teacher {teacher} 20% are replaced" in note
    assert "golds" not in study(parse(read(Path("config/paper.yaml"))), "table6").note


def test_the_config_of_a_study_keeps_what_is_null():
    given = read(Path("config/paper.yaml"))
    given["variants"]["ours"].setdefault("training", {})["max_grad_norm"] = None
    found = study(parse(given), "table3", "ours")
    assert found.config["variants"]["ours"]["training"]["max_grad_norm"] is None
