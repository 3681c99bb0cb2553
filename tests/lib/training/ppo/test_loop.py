"""Which policy is kept, and when nothing better is waited for any more."""

import math
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

import torch
from accelerate import Accelerator

from scripts.lib.training.ppo import loop
from scripts.lib.training.settings.ppo import PpoTraining


@pytest.mark.parametrize(
    ("patience", "told", "best", "validated"),
    [
        (0, [0.4, 0.6, 0.6, 0.5, 0.2, 0.1], 2, 6),
        (2, [0.4, 0.6, 0.6, 0.7, 0.2, 0.1, 0.9], 4, 6),
        (1, [0.4, 0.3, 0.9], 1, 2),
        (3, [0.2, 0.3, 0.1], 0, 3),
    ],
)
def test_the_first_best_is_kept_and_patience_counts_from_it(
    monkeypatch, tmp_path, patience, told, best, validated
) -> None:
    saved, values = [], iter(told)
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"validation": next(values)})
    monkeypatch.setattr(loop.checkpoint, "save_policy", lambda folder, *_: saved.append(folder.name))
    context = SimpleNamespace(accelerator=None, policy=None, tokenizer=None, export_dtype=None, judged=False)
    counters = {"iteration": 0, "best": 0, "best_value": 0.3, "waited": 0, "finished": False}
    while counters["iteration"] < len(told) and not counters["finished"]:
        counters["iteration"] += 1
        loop.choose(PpoTraining(patience=patience), context, tmp_path, counters)
    assert (counters["best"], counters["iteration"]) == (best, validated)
    assert (saved[-1] if saved else "best=0") == f"best={best}"


def test_for_a_judge_policies_are_kept_whatever_validation_says(monkeypatch, tmp_path) -> None:
    """Of ten evaluations eight, evenly spread, the last among them; patience, which cannot see it, stops
    nothing."""
    saved = []
    monkeypatch.setattr(loop, "evaluate", lambda *_: {"validation": 0.0})
    monkeypatch.setattr(loop.checkpoint, "save_policy", lambda folder, *_: saved.append(folder.name))
    context = SimpleNamespace(accelerator=None, policy=None, tokenizer=None, export_dtype=None, judged=True)
    settings = PpoTraining(patience=1, eval_every=2, batch_size=4, total_episodes=4 * 20)
    counters = {"iteration": 0, "best": 0, "best_value": 0.3, "waited": 0, "finished": False}
    for iteration in range(2, 21, 2):
        counters["iteration"] = iteration
        loop.choose(settings, context, tmp_path, counters)
        assert not counters["finished"]
    assert saved == [f"best={iteration}" for iteration in (4, 6, 8, 10, 14, 16, 18, 20)]


def test_a_resumed_log_ends_where_the_checkpoint_does(tmp_path) -> None:
    """Whatever an older copy of the training, whose node was thought dead, has written since."""
    (tmp_path / "iteration=2").mkdir()
    lines = [f'{{"iteration": {k}}}' for k in range(3)]
    (tmp_path / "iteration=2/metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "metrics.jsonl").write_text(lines[0] + "\n" + lines[2] + lines[1], encoding="utf-8")
    assert [row["iteration"] for row in loop.history(tmp_path / "iteration=2")] == [0, 1, 2]


class LastWord(torch.nn.Module):
    """A reward model that knows words, each by a score, and reads the last one."""

    def __init__(self):
        super().__init__()
        self.scores = torch.nn.Embedding(8, 1)
        torch.nn.init.zeros_(self.scores.weight)

    def forward(self, ids, reads):
        return self.scores(ids[reads])[:, 0]


def test_a_reward_model_that_learns_puts_the_teachers_answer_above_the_response(monkeypatch) -> None:
    """Eq. 8's gradient: softplus(-margin) is ln 2 and moves both words by half where it knows nothing."""
    monkeypatch.setattr(
        loop, "as_read", lambda _, prompts, responses, said: [[1, word] for (word,) in responses]
    )
    network = LastWord()
    context = SimpleNamespace(
        accelerator=Accelerator(cpu=True),
        seed=0,
        trained={"reward": (network, torch.optim.SGD(network.parameters(), lr=1.0))},
        train=SimpleNamespace(prompts=[[1], [1]], demonstrations=[[[5]], [[6]]]),
    )
    settings = PpoTraining(
        batch_size=2, total_episodes=4, reward_learning_rate=1.0, lr_scheduler_type="constant", patience=0
    )
    first = loop.discriminate(settings, context, 1, [0, 1], [[2], [3]], None)
    assert network.scores.weight[:, 0].tolist() == pytest.approx([0, 0, -0.25, -0.25, 0, 0.25, 0.25, 0])
    assert first["reward_model_loss"] == pytest.approx(math.log(2)) and first["reward_model_accuracy"] == 0
    second = loop.discriminate(settings, context, 2, [0, 1], [[2], [3]], None)
    assert second["reward_model_loss"] < math.log(2) and second["reward_model_accuracy"] == 1


def test_rewards_of_a_query_that_differ_by_rounding_alone_are_equal():
    """Equal responses are scored in different batches, and on several processes in other ones."""
    settings = PpoTraining(advantage_estimator="grpo", num_generations=2)
    rewards = torch.tensor([[0.5], [0.5000004], [0.1], [0.9]])
    _, told = loop.estimate(settings, rewards, None, torch.ones(4, 1, dtype=torch.bool))
    assert told == {"frac_reward_zero_std": 0.5}
