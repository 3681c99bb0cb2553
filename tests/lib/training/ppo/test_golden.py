"""Whole iterations of PPO, computed a second time in plain Python and float64: every number, every weight.

The two share the networks' forward passes, which transformers makes here row by row without padding, and the
orders of queries and mini-batches, which are functions of the seed.
"""

import math
import statistics
from dataclasses import dataclass, field

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from scripts.lib.process.progress import Progress  # noqa: E402
from scripts.lib.training.ppo import loop  # noqa: E402
from scripts.lib.training.ppo.clock import Clock  # noqa: E402
from scripts.lib.training.settings.ppo import PpoTraining  # noqa: E402
from tests.support.ppo_batch import EOS, OTHER_END, QUERIES, context, prompts, responses  # noqa: E402

SEED = 5  # of `context`
SETTINGS = {
    "total_episodes": 32,
    "batch_size": 8,
    "num_ppo_epochs": 2,
    "num_mini_batches": 2,
    "learning_rate": 4e-3,
    "value_learning_rate": 7e-3,
    "kl_coef": 0.3,
    "cliprange": 0.04,
    "cliprange_value": 0.03,
    "vf_coef": 0.6,
    "gamma": 0.97,
    "lam": 0.9,
    "temperature": 0.7,
    "max_tokens_per_micro_batch": 50,
}
GRPO = {"advantage_estimator": "grpo", "num_generations": 4}
CASES = {
    "as TRL, the missing end priced": {"missing_eos_penalty": 1.5},
    "gradients clipped": {"max_grad_norm": 0.6, "kl_estimator": "k3", "reward_design": "minus"},
    "KL to the start in the loss": {"kl_in": "loss", "kl_estimator": "k3", "lr_scheduler_type": "constant"},
    "Eq. 12 to the letter": {"kl_in": "loss", "kl_against": "old", "reward_design": "none"},
    "value warm-up": {"value_warmup_iterations": 1, "kl_in": "loss"},
    "the label alone": {"reward_design": "label"},
    "GRPO": {**GRPO, "kl_in": "loss", "kl_estimator": "k3", "loss_type": "grpo"},
    "GRPO, KL in the reward": {**GRPO, "scale_rewards": "batch", "missing_eos_penalty": 1.5},
    "Dr. GRPO on the label": {
        **GRPO,
        "scale_rewards": "none",
        "loss_type": "dr_grpo",
        "reward_design": "label",
    },
    "RLOO": {"advantage_estimator": "rloo", "num_generations": 2},
}


Episode = tuple[int, int]
"""A row of QUERIES that is asked, and the row whose response it gets."""


def reward_of(settings: PpoTraining, r: float | None, row: Episode, label: str | None) -> tuple[float, float]:
    """Eq. 10 and 11 for an episode, and what is paid after the penalty."""
    _, _, end, answer = QUERIES[row[1]]
    if answer is None:
        reward = -5.0
    elif settings.reward_design == "label":
        reward = 1.0 if answer == label else 0.0
    elif label is None or answer == label or settings.reward_design == "none":
        reward = r
    else:
        reward = r - 1 if settings.reward_design == "minus" else min(r, 0.0)
    return reward, reward - (settings.missing_eos_penalty or 0.0) * (end is None)


def kl(p: float, q: float, estimator: str):
    """Schulman's k1 and k3 of one token, of floats or of scalars on a graph."""
    if estimator == "k1":
        return p - q
    ratio = torch.exp(q - p) if isinstance(p, torch.Tensor) else math.exp(q - p)
    return ratio - 1 - (q - p)


def gae(rewards: list[float], values: list[float], gamma: float, lam: float) -> list[float]:
    """A_t = sum over l of (gamma lam)^l delta_{t+l}; nothing comes after the last token."""
    after = [*values[1:], 0.0]
    deltas = [r + gamma * v1 - v for r, v1, v in zip(rewards, after, values, strict=True)]
    return [
        sum((gamma * lam) ** later * delta for later, delta in enumerate(deltas[t:]))
        for t in range(len(deltas))
    ]


def floats(scalars: list) -> list[float]:
    return [scalar.item() for scalar in scalars]


def mean(numbers) -> float:
    numbers = list(numbers)
    return sum(numbers) / len(numbers)


def variance(numbers) -> float:
    numbers = list(numbers)
    return mean((number - mean(numbers)) ** 2 for number in numbers)


@dataclass
class Adam:
    """AdamW of Loshchilov and Hutter without decay, and the clip before it; PyTorch's constants."""

    network: torch.nn.Module
    moments: dict = field(default_factory=dict)
    steps: int = 0

    def step(self, loss, rate: float, limit: float | None) -> float:
        """Returns the gradient's norm."""
        named = dict(self.network.named_parameters())
        found = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        pairs = zip(named.items(), found, strict=True)
        gradients = {name: torch.zeros_like(p) if g is None else g for (name, p), g in pairs}
        norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients.values()))
        scale = 1.0 if limit is None else min(1.0, limit / (norm + 1e-6))
        self.steps += 1
        for name, parameter in named.items():
            gradient = gradients[name] * scale
            first, second = self.moments.get(name, (0.0, 0.0))
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            self.moments[name] = first, second
            corrected = second / (1 - 0.999**self.steps)
            with torch.no_grad():
                parameter -= rate * first / (1 - 0.9**self.steps) / (corrected.sqrt() + 1e-8)
        return norm


class Golden:
    """The second computation: networks of its own, and every step of an iteration spelt out."""

    def __init__(self, folder, settings: PpoTraining, labels: list[str | None]):
        from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

        self.settings, self.labels = settings, labels
        student, judge = folder / "student", folder / "reward"
        if settings.reward_design == "label":
            self.judge = None
            critic = AutoModelForSequenceClassification.from_pretrained(student, num_labels=1)
            critic.score.weight.data.zero_()
        else:
            self.judge = AutoModelForSequenceClassification.from_pretrained(judge).double().eval()
            critic = AutoModelForSequenceClassification.from_pretrained(judge)
        self.critic = critic.double().eval()
        self.reference = AutoModelForCausalLM.from_pretrained(student).double().eval()
        self.policy = AutoModelForCausalLM.from_pretrained(student).double().eval()
        self.adams = {"policy": Adam(self.policy), "value": Adam(self.critic)}
        self.prompts, self.responses = prompts(), responses()

    def texts(self, row: Episode) -> tuple[list[int], list[int]]:
        """The prompt and the response of an episode."""
        return self.prompts[row[0]], self.responses[row[1]]

    def log_probs(self, model, row: Episode) -> list:
        """log pi of each token of a response at the temperature, scalars on the graph."""
        prompt, response = self.texts(row)
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0]
        found = []
        for t, token in enumerate(response):
            z = logits[len(prompt) - 1 + t] / self.settings.temperature
            found.append(z[token] - torch.log(torch.exp(z).sum()))
        return found

    def entropies(self, row: Episode) -> list[float]:
        prompt, response = self.texts(row)
        logits = self.policy(input_ids=torch.tensor([prompt + response])).logits[0].tolist()
        found = []
        for t in range(len(response)):
            powers = [math.exp(z / self.settings.temperature) for z in logits[len(prompt) - 1 + t]]
            found.append(-sum(x / sum(powers) * math.log(x / sum(powers)) for x in powers))
        return found

    def values(self, row: Episode) -> list:
        """V before each token of a response, scalars on the graph."""
        prompt, response = self.texts(row)
        hidden = self.critic.transformer(input_ids=torch.tensor([prompt + response])).last_hidden_state[0]
        found = self.critic.score(hidden)[:, 0]
        return [found[len(prompt) - 1 + t] for t in range(len(response))]

    def r(self, row: Episode) -> float | None:
        """R(q, a), read at the end token, which is always the tokenizer's, or where the text breaks off."""
        prompt, response = self.texts(row)
        if self.judge is None or QUERIES[row[1]][3] is None:
            return None
        if response[-1] == OTHER_END:
            response = [*response[:-1], EOS]
        return self.judge(input_ids=torch.tensor([prompt + response])).logits.item()

    def advantages(self, paid: dict, rewards: dict, before: dict, rows: list) -> tuple[dict, dict, float]:
        """Of every token and, where there is a critic, its returns; the share of queries paid alike."""
        s, raw, returns = self.settings, {}, {}
        if s.advantage_estimator == "gae":
            for row in rows:
                raw[row] = gae(rewards[row], before[row], s.gamma, s.lam)
                returns[row] = [a + v for a, v in zip(raw[row], before[row], strict=True)]
            tokens = [a for row in rows for a in raw[row]]
            middle, spread = mean(tokens), math.sqrt(variance(tokens) + 1e-8)
            return {row: [(a - middle) / spread for a in raw[row]] for row in rows}, returns, 0.0
        whole = {row: sum(rewards[row]) for row in rows}
        g, alike = s.num_generations, []
        groups = [rows[start : start + g] for start in range(0, len(rows), g)]
        batch = statistics.stdev(whole[row] for row in rows)
        for group in groups:
            alike.append(len({whole[row] for row in group}) == 1)
            for row in group:
                if s.advantage_estimator == "rloo":
                    one = whole[row] - mean(whole[other] for other in group if other != row)
                else:
                    spread = {"group": statistics.stdev(whole[each] for each in group), "batch": batch}
                    one = whole[row] - mean(whole[each] for each in group)
                    one /= spread[s.scale_rewards] + 1e-4 if s.scale_rewards != "none" else 1.0
                raw[row] = [one] * len(rewards[row])
        return raw, returns, mean(alike)

    def shares(self, batch: list) -> dict:
        """What each token of a response counts in the policy's loss of a mini-batch."""
        lengths = {row: len(self.texts(row)[1]) for row in batch}
        if self.settings.advantage_estimator == "rloo" or self.settings.loss_type == "grpo":
            return {row: 1 / len(batch) / length for row, length in lengths.items()}
        every = [16 if self.settings.loss_type == "dr_grpo" else lengths[row] for row in batch]
        return dict.fromkeys(batch, 1 / sum(every))

    def iterate(self, k: int) -> tuple[dict, list[dict], list[int]]:
        """Iteration k: its metrics, the weights after every step, the rows of QUERIES it asked."""
        s, g = self.settings, self.settings.num_generations
        critic = s.advantage_estimator == "gae"
        orders = [np.random.default_rng([SEED, 1, epoch]).permutation(10).tolist() for epoch in range(4)]
        asked = sum(orders, [])[(k - 1) * 8 // g : k * 8 // g]
        rows = [(row, (row + later) % 10) for row in asked for later in range(g)]
        rate = 1 - (k - 1) / 4 if s.lr_scheduler_type == "linear" else 1.0
        warm = k > s.value_warmup_iterations
        scores = {row: self.r(row) for row in rows}
        paid = {row: reward_of(s, scores[row], row, self.labels[row[0]]) for row in rows}
        old = {row: floats(self.log_probs(self.policy, row)) for row in rows}
        start = {row: floats(self.log_probs(self.reference, row)) for row in rows}
        before = {row: floats(self.values(row)) for row in rows}
        entropies = [entropy for row in rows for entropy in self.entropies(row)]
        given = {}
        for row in rows:
            rewards = given[row] = [0.0] * len(old[row])
            rewards[-1] = paid[row][1]
            if s.kl_in == "reward":
                for t, (p, q) in enumerate(zip(old[row], start[row], strict=True)):
                    rewards[t] -= s.kl_coef * kl(p, q, s.kl_estimator)
        tokens = [(row, t) for row in rows for t in range(len(old[row]))]
        advantage, returns, alike = self.advantages(paid, given, before, rows)
        anchor = old if s.kl_against == "old" else start

        sums: dict[str, float] = {}
        norms: dict[str, list[float]] = {"policy_grad_norm": [], "value_grad_norm": []}
        snapshots = []

        def add(name: str, number) -> None:
            sums[name] = sums.get(name, 0.0) + number.item()

        for epoch in range(s.num_ppo_epochs):
            order = np.random.default_rng([SEED, 2, k, epoch]).permutation(8).tolist()
            for part in (order[:4], order[4:]):
                batch = [rows[place] for place in part]
                n = sum(len(old[row]) for row in batch)
                if warm:
                    total, shares = torch.zeros(()), self.shares(batch)
                    for row in batch:
                        now = self.log_probs(self.policy, row)
                        whole = torch.exp(sum(p - q for p, q in zip(now, old[row], strict=True)))
                        for t, p in enumerate(now):
                            m = whole if s.advantage_estimator == "rloo" else torch.exp(p - old[row][t])
                            a, share = advantage[row][t], shares[row]
                            bounded = m.clamp(1 - s.cliprange, 1 + s.cliprange)
                            gain = torch.minimum(m * a, bounded * a)
                            add("policy_loss", -gain * share * n)
                            add("clip_fraction", bounded * a < m * a)
                            add("ratio", m)
                            add("approx_kl", (p - old[row][t]) ** 2 / 2)
                            total = total - gain * share
                            if s.kl_in == "loss":
                                divergence = m * kl(p, torch.tensor(anchor[row][t]), s.kl_estimator)
                                add("kl_loss", divergence * share * n)
                                total = total + s.kl_coef * divergence * share
                    norm = self.adams["policy"].step(total, s.learning_rate * rate, s.max_grad_norm)
                    norms["policy_grad_norm"].append(norm)
                    snapshots.append(weights(self.policy))
                if not critic:
                    continue
                total = torch.zeros(())
                for row in batch:
                    for t, v in enumerate(self.values(row)):
                        far = s.cliprange_value
                        near = v.clamp(before[row][t] - far, before[row][t] + far)
                        errors = (v - returns[row][t]) ** 2, (near - returns[row][t]) ** 2
                        add("value_loss", torch.maximum(*errors) / 2)
                        add("value_clip_fraction", errors[1] > errors[0])
                        total = total + torch.maximum(*errors) / 2
                loss = s.vf_coef * total / n
                norm = self.adams["value"].step(loss, s.value_learning_rate * rate, s.max_grad_norm)
                norms["value_grad_norm"].append(norm)
                snapshots.append(weights(self.critic))

        answers = {row: QUERIES[row[1]][3] for row in rows}
        labels = {row: self.labels[row[0]] for row in rows}
        agreed = [answers[row] == labels[row] for row in rows if labels[row] is not None]
        scored = [scores[row] for row in rows if scores[row] is not None]
        metrics = {
            "reward": mean(paid[row][0] for row in rows),
            "reward_model": mean(scored) if scored else None,
            "no_answer": mean(answers[row] is None for row in rows),
            "agreement": mean(agreed),
            "lowered": mean(scores[row] is not None and paid[row][0] < scores[row] for row in rows),
            "kl": mean(sum(old[row]) - sum(start[row]) for row in rows),
            "entropy": mean(entropies),
            "response_length": len(tokens) / 8,
            "truncated": mean(QUERIES[row[1]][2] is None for row in rows),
            "duplicates": 1 - len({row[1] for row in rows}) / len(set(rows)),
            "learning_rate": s.learning_rate * rate if warm else 0.0,
        }
        if critic:
            errors = [returns[row][t] - before[row][t] for row, t in tokens]
            gone = variance(errors) / variance(returns[row][t] for row, t in tokens)
            metrics |= {"explained_variance": 1 - gone, "value": mean(before[row][t] for row, t in tokens)}
        else:
            metrics["frac_reward_zero_std"] = alike
        metrics |= {name: total / (2 * len(tokens)) for name, total in sums.items()}
        metrics |= {name: mean(each) for name, each in norms.items() if each}
        return metrics, snapshots, [row for row, _ in rows]


def weights(model) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.named_parameters()}


def assert_same(ours: dict, golden: dict, where: str) -> None:
    """To nine digits: biases of keys have no gradient, and Adam makes steps of its rounding."""
    assert ours.keys() == golden.keys()
    for name, tensor in golden.items():
        assert torch.allclose(ours[name], tensor, rtol=0, atol=5e-9), (where, name)


@pytest.mark.parametrize("case", CASES)
def test_two_iterations_equal_their_recomputation(networks, doubles, monkeypatch, case):
    settings = PpoTraining(**SETTINGS | CASES[case])
    labels = [label or ("0" if settings.reward_design == "label" else None) for label, *_ in QUERIES]
    built = context(networks, settings, labels)
    golden = Golden(networks, settings, labels)
    # A policy that has moved already: the reference is not the old one, from the first iteration.
    torch.manual_seed(11)
    for ours, other in zip(built.policy.parameters(), golden.policy.parameters(), strict=True):
        noise = 0.05 * torch.randn(ours.shape)
        ours.data += noise
        other.data += noise

    steps, step = [], loop.step

    def watched(network, optimizer, max_grad_norm):
        norm = step(network, optimizer, max_grad_norm)
        steps.append(weights(network.model))
        return norm

    monkeypatch.setattr(loop, "step", watched)
    clock, seeds = Clock(Progress("iteration", 4, 0, True)), []
    for k in (1, 2):
        metrics, snapshots, rows = golden.iterate(k)
        found = loop.iterate(settings, built, k, clock)
        asked, own_seeds, temperature, max_tokens = built.rollout.asked[-1]
        assert asked == [prompts()[row] for row in rows] and (temperature, max_tokens) == (0.7, 16)
        seeds += own_seeds
        assert len(steps) == len(snapshots)
        for number, (ours, theirs) in enumerate(zip(steps, snapshots, strict=True)):
            assert_same(ours, theirs, f"iteration {k}, step {number}")
        assert found == {name: pytest.approx(value, abs=1e-9) for name, value in metrics.items()}
        assert_same(built.rollout.synced[-1], weights(golden.policy), "the sampler's weights")
        steps.clear()
    assert len(set(seeds)) == 16


def test_the_script_meets_every_branch(networks, doubles):
    """Wrong answers on both sides of 0, both clips within and beyond, gradients above the limit and below."""
    settings = PpoTraining(**SETTINGS | CASES["gradients clipped"])
    golden = Golden(networks, settings, [label for label, *_ in QUERIES])
    wrong = [
        golden.r((row, row))
        for row, (label, _, _, answer) in enumerate(QUERIES)
        if label and answer not in (label, None)
    ]
    assert min(wrong) < 0 < max(wrong)
    metrics, _, _ = golden.iterate(1)
    assert 0.1 < metrics["clip_fraction"] < 0.9 and 0.1 < metrics["value_clip_fraction"] < 0.9
    assert metrics["value_grad_norm"] < 0.6 < metrics["policy_grad_norm"]
