"""GRPO and RLOO against TRL's own trainers: advantages and loss of every step of a short run of theirs."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl")
pytest.importorskip("accelerate")

from scripts.lib.training.ppo import losses  # noqa: E402
from scripts.lib.training.ppo.loop import estimate  # noqa: E402
from scripts.lib.training.ppo.model import Episodes, Policy, load  # noqa: E402
from scripts.lib.training.settings.ppo import PpoTraining  # noqa: E402

LONGEST = 12
SHARED = {"num_generations": 4, "batch_size": 8, "temperature": 2.0, "cliprange": 0.1, "kl_coef": 0.3}
GRPO = {"advantage_estimator": "grpo", "kl_in": "loss", "kl_estimator": "k3"}
CASES = [
    GRPO,
    GRPO | {"loss_type": "grpo", "scale_rewards": "batch"},
    GRPO | {"loss_type": "dr_grpo", "scale_rewards": "none"},
    {"advantage_estimator": "rloo"},
]


def worth(response: list[int]) -> float:
    """A reward of any response."""
    return sum(token % 7 for token in response) / 5 - 2


def texts(batch: dict, part: str) -> list[list[int]]:
    """The token lists of a batch of TRL's, without padding."""
    rows = zip(batch[f"{part}_ids"], batch[f"{part}_mask"], strict=True)
    return [ids[mask.bool()].tolist() for ids, mask in rows]


def read(model, settings: PpoTraining, batch: dict) -> tuple[Episodes, torch.Tensor]:
    """A batch of TRL's as episodes, and the log-probabilities [N, R] of its tokens."""
    episodes = Episodes.of(texts(batch, "prompt"), texts(batch, "completion"), "cpu")
    with torch.no_grad():
        found, _ = Policy(model, settings.temperature)(*episodes.batch(list(range(len(episodes.ids)))))
    return episodes, torch.zeros(episodes.mask.shape).masked_scatter(episodes.mask, found)


def ours(settings: PpoTraining, log_probs, old, anchor, advantages, counts) -> float:
    """The loss of a mini-batch, as `update` puts it together."""
    log_ratio = log_probs - old
    if settings.whole_responses:
        log_ratio = losses.whole_responses(log_ratio, counts)
    loss, _ = losses.policy_loss(log_ratio, advantages, settings.cliprange)
    if settings.kl_in == "loss":
        loss = loss + settings.kl_coef * losses.kl_loss(log_probs, old, anchor, settings.kl_estimator)
    averaged = "grpo" if settings.whole_responses else settings.loss_type
    weights = losses.response_weights(counts, averaged, LONGEST).repeat_interleave(counts)
    return ((loss * weights).sum() / counts.sum()).item()


@pytest.mark.parametrize("case", CASES)
def test_advantages_and_losses_are_trls(tiny, tmp_path, case):
    """Every batch is passed over twice, so that ratios leave 1; TRL weighs its KL by the ratio, as we do."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer, RLOOConfig, RLOOTrainer

    settings = PpoTraining(**SHARED | case)
    grouped = settings.advantage_estimator == "grpo"
    config, trainer = (GRPOConfig, GRPOTrainer) if grouped else (RLOOConfig, RLOOTrainer)
    own = {"use_bias_correction_kl": True} if grouped else {}
    own |= {name: getattr(settings, name) for name in ("loss_type", "scale_rewards") if grouped}
    reference = load("policy", str(tiny), torch.float32)
    batches, steps = [], []

    class Watched(trainer):
        def _generate_and_score_completions(self, inputs):
            batch = super()._generate_and_score_completions(inputs)
            batches.append((batch["advantages"], batch, read(self.model, settings, batch)[1]))
            return batch

        def _compute_loss(self, model, inputs):
            loss = super()._compute_loss(model, inputs)
            steps.append((loss.item(), inputs, read(model, settings, inputs)[1], len(batches) - 1))
            return loss

    Watched(
        model=str(tiny),
        args=config(
            output_dir=str(tmp_path),
            per_device_train_batch_size=8,
            num_generations=4,
            num_iterations=2,
            max_completion_length=LONGEST,
            temperature=settings.temperature,
            epsilon=settings.cliprange,
            beta=settings.kl_coef,
            learning_rate=0.01,
            max_steps=4,
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            disable_tqdm=True,
            save_strategy="no",
            **own,
        ),
        reward_funcs=lambda completion_ids, **_: [worth(each) for each in completion_ids],
        train_dataset=Dataset.from_dict({"prompt": ["Ana has 3 pens .", "Bo has 5 cups . How many ?"]}),
    ).train()

    for theirs, batch, old in batches:
        episodes, anchor = read(reference, settings, batch)
        paid = torch.tensor([worth(response) for response in texts(batch, "completion")])
        kl = losses.kl_estimate(old, anchor, "k1") if settings.kl_in == "reward" else None
        rewards = losses.token_rewards(paid, episodes.mask, kl, settings.kl_coef)
        found = estimate(settings, rewards, None, episodes.mask)[0]["advantages"]
        assert theirs.abs().max() > 0.5
        assert torch.allclose(found, theirs[:, None] * episodes.mask, atol=1e-4)
    ratios, lengths = [], set()
    for loss, batch, now, at in steps:
        episodes, anchor = read(reference, settings, batch)
        mask, counts = episodes.mask, torch.tensor(episodes.response_lengths)
        sampled, known = batches[at][1], batches[at][2]
        before = {
            (*prompt, *response): row
            for prompt, response, row in zip(
                texts(sampled, "prompt"), texts(sampled, "completion"), known, strict=True
            )
        }
        rows = zip(texts(batch, "prompt"), texts(batch, "completion"), strict=True)
        old = torch.stack([before[*prompt, *response] for prompt, response in rows])[mask]
        advantages = (batch["advantages"][:, None] * mask)[mask]
        assert ours(settings, now[mask], old, anchor[mask], advantages, counts) == pytest.approx(
            loss, abs=1e-4
        )
        ratios.append((now[mask] - old).exp())
        lengths |= set(episodes.response_lengths)
    assert len(steps) == 4 and len(lengths) > 1
    assert (ratios[0] - 1).abs().max() < 1e-4 < 0.05 < (ratios[1] - 1).abs().max()
