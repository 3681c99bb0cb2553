"""App. F: a stage's jobs are found by their paths, shards among them, and averaged over seeds."""

from pathlib import Path
from types import SimpleNamespace

from scripts.lib.report.numbers import stages as module
from scripts.lib.report.numbers.stages import stages
from scripts.lib.report.study import Job, Study

CHAIN = "dataset=gsm8k/teacher=large/student=small"
FIGURES = {"hours": 2.0, "GPU-hours": 8.0, "expected_hours": 3.0, "expected_gpu_hours": 12.0}


def job(rule: str, path: str, times: float = 1.0, known: bool = True) -> Job:
    spending = {key: times * value for key, value in FIGURES.items()} if known else None
    return Job(rule, Path(f"benchmarks/{rule}/{path}.tsv"), Path("log"), spending)


def test_a_stage_is_oursonly_by_seed_with_its_shards_and_the_papers_hours(monkeypatch):
    paper = {
        "hours": {"train_ppo": "8", "train_reward": "1"},
        "gpus": {"train_ppo": "4", "train_reward": "1"},
    }
    monkeypatch.setattr(module, "published", lambda study, metric, **place: paper[metric])
    jobs = [
        job("train_ppo", f"{CHAIN}/variant=ours/seed=0"),
        job("train_ppo", f"{CHAIN}/variant=ours/seed=1", 3),
        job("train_ppo", f"{CHAIN}/variant=wo_d/seed=0", 100),
        job("train_ppo", f"{CHAIN.replace('small', 'other')}/variant=ours/seed=0", 100),
        job("sample_student_shard", f"{CHAIN}/warmup=wo_r/seed=0/abcdef01/0-of-2"),
        job("sample_student_shard", f"{CHAIN}/warmup=wo_r/seed=0/abcdef01/1-of-2"),
        job("sample_student", f"{CHAIN}/warmup=wo_r/seed=0", 0.5),
        job("sample_student", f"{CHAIN}/warmup=sft/seed=0", 100),
        job("train_reward", f"{CHAIN}/reward=ours/seed=0", known=False),
    ]
    names = {"name": "the chain", "dataset": "gsm8k", "teacher": "large", "student": "small"}
    rewards = [SimpleNamespace(reward="ours", warmup="wo_r")]
    chains = [SimpleNamespace(**names, rewards=rewards), SimpleNamespace(**names, rewards=[])]
    sampled, reward, ppo = stages(Study("", "", {}, [], [], chains, [], jobs))
    assert (sampled.rule, sampled.seeds, sampled.paper) == ("sample_student", 1, None)
    assert (sampled.figures["hours"], sampled.figures["GPU-hours"]) == (5.0, 20.0)
    assert (reward.rule, reward.seeds, reward.figures, reward.paper) == ("train_reward", 0, None, (1.0, 1.0))
    assert (ppo.seeds, ppo.figures["hours"], ppo.figures["expected_gpu_hours"]) == (2, 4.0, 24.0)
    assert ppo.paper == (8.0, 4.0)
