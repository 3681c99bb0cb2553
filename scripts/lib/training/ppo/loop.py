"""The PPO loop, top to bottom: rollouts, rewards (Eq. 10, 11), advantages, clipped updates (Eq. 12),
validation, save. GRPO and RLOO are this loop with other advantages and no value network.

Every process holds the whole batch's token lists and per-token tables (they are small) and computes its share
of the passes through the networks, so whitening, mini-batches and metrics are the batch's own, whatever the
world size.
"""

import json
import math
from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from scripts.lib.process.alarms import Alarms, Bell
from scripts.lib.process.metrics_log import MetricsLog
from scripts.lib.process.progress import Progress
from scripts.lib.process.stop import StopSignal
from scripts.lib.training.ppo import checkpoint, losses
from scripts.lib.training.ppo.clock import Clock
from scripts.lib.training.ppo.context import Context
from scripts.lib.training.ppo.judge import Unjudged
from scripts.lib.training.ppo.model import (
    Episodes,
    at_last_tokens,
    gradient_sync,
    micro_batches,
    per_token,
    weights,
)
from scripts.lib.training.ppo.responses import (
    Replies,
    as_read,
    draw,
    duplicates,
    evaluate,
    judge,
    read,
    replies,
    sample,
    score,
)
from scripts.lib.training.ppo.reward import augmented_rewards, penalised, reward_parts
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.training.validation import kept

_MINI_BATCHES, _DEMONSTRATIONS = 2, 3
_SHOWN = ("iteration", "reward", "agreement", "kl", "response_length", "validation")


def train(
    settings: PpoTraining,
    context: Context,
    folder: Path,
    stop: StopSignal,
    report_to: Sequence[str] = (),
    logging_dir: Path | None = None,
    alarms: Alarms = Alarms(),  # noqa: B008
) -> Path:
    """Train until the episodes are spent or patience is; returns the best policy's folder, inside `folder`.

    `folder` keeps checkpoints, best policies and metrics.jsonl, one line per iteration from 0;
    a run that finds it filled goes on from there. The initial policy is iteration 0:
    it is evaluated and is a candidate, so the result is never worse on validation. Where a judge has to
    choose (`context.judged`) the candidates stay, and patience, which cannot see the judge, stops nothing.
    Exits after a save when told to stop; raises UserError after one where an alarm says so, or the judge of
    its responses gives no more scores.
    """
    accelerator, trained = context.accelerator, context.trained
    last = checkpoint.last(folder, accelerator)
    counters = checkpoint.load(last, trained) if last else None
    done = counters["iteration"] if counters else 0
    log = bell = None
    if accelerator.is_main_process:
        rows = history(last) if last else []
        bell = Bell(alarms, rows)
        log = MetricsLog(folder / checkpoint.METRICS, rows, "iteration", report_to, logging_dir)
        precision = "bfloat16" if accelerator.mixed_precision == "bf16" else "float32"
        print(f"training from iteration {done}; {precision}; metrics grow in {log.path}", flush=True)
    silent = not accelerator.is_main_process
    with (
        closing(log) if log else nullcontext(),
        Progress("iteration", settings.iterations, done, silent) as progress,
    ):
        clock = Clock(progress)
        if context.judge and accelerator.is_main_process:
            context.judge.resume(folder, done)
        context.rollout.sync(weights(context.policy))
        if counters is None:
            with clock("evaluate"):
                outcome = evaluate(settings, context)
            counters = {
                "iteration": 0,
                "best": 0,
                "best_value": outcome["validation"],
                "waited": 0,
                "finished": False,
            }
            checkpoint.save_policy(
                folder / "best=0", accelerator, context.policy, context.tokenizer, context.export_dtype
            )
            tell(log, {"iteration": 0, "episodes": 0, **outcome}, clock)

        while counters["iteration"] < settings.iterations and not counters["finished"]:
            k = counters["iteration"] + 1
            try:
                metrics = {
                    "iteration": k,
                    "episodes": k * settings.batch_size,
                    **iterate(settings, context, k, clock),
                }
            except Unjudged:  # nothing has been learnt of this iteration
                checkpoint.save(folder, accelerator, trained, counters)
                raise
            counters["iteration"] = progress.done = k
            if k > settings.value_warmup_iterations and (
                k % settings.eval_every == 0 or k == settings.iterations
            ):
                with clock("evaluate"):
                    metrics |= choose(settings, context, folder, counters)
            tell(log, metrics, clock)
            if bell:
                stop.reason = bell.hear(metrics)
            stopping = stop.agreed(accelerator)
            if stopping or k % settings.save_every == 0:
                with progress.phase("save"):
                    checkpoint.save(folder, accelerator, trained, counters)
                    if not context.judged:
                        checkpoint.drop_other_policies(folder, accelerator)
            if stopping:
                stop.reason = broadcast_object_list([stop.reason])[0]
                stop.leave()
    return folder / f"best={counters['best']}"


def history(last: Path) -> list[dict]:
    """The lines of metrics.jsonl up to a checkpoint, which it holds; later ones are made again."""
    return [json.loads(line) for line in (last / checkpoint.METRICS).read_text().splitlines()]


def tell(log: MetricsLog | None, metrics: dict, clock: Clock) -> None:
    """Write an iteration's line, and say the gist."""
    seconds = clock.read()
    if log:
        log.write(
            {**metrics, "seconds": seconds}, **{f"seconds/{name}": spent for name, spent in seconds.items()}
        )
        print(
            " ".join(f"{name}={metrics[name]:.4g}" for name in _SHOWN if metrics.get(name) is not None),
            flush=True,
        )


def choose(settings: PpoTraining, context: Context, folder: Path, counters: dict) -> dict[str, float]:
    """Validate the policy and keep it when it is the best so far, or a candidate for a judge; `counters`
    learn of it."""
    outcome, k = evaluate(settings, context), counters["iteration"]
    number, total = (math.ceil(at / settings.eval_every) for at in (k, settings.iterations))
    if kept(number, total) if context.judged else outcome["validation"] > counters["best_value"]:
        counters |= {"best": k, "best_value": outcome["validation"], "waited": 0}
        checkpoint.save_policy(
            folder / f"best={k}",
            context.accelerator,
            context.policy,
            context.tokenizer,
            context.export_dtype,
        )
    else:
        counters["waited"] += 1
    patience = 0 if context.judged else settings.patience
    counters["finished"] = 0 < patience <= counters["waited"]
    return outcome


def iterate(settings: PpoTraining, context: Context, k: int, clock: Clock) -> dict:
    """One iteration, k from 1: sample a batch, reward it, estimate advantages, update the networks,
    refresh the sampler."""
    accelerator, world = context.accelerator, context.accelerator.num_processes
    rows, seeds = draw(settings, context.seed, k, len(context.train.prompts))
    prompts = [context.train.prompts[row] for row in rows]
    with clock("rollout"):
        responses = sample(context, prompts, seeds, settings.temperature, context.max_tokens)
    with clock("reward"):
        labels = [context.train.targets[row] for row in rows]
        said = replies(context, responses)
        answers = read(context, said, [context.train.options[row] for row in rows], labels)
        told: dict[str, float] = {}
        if context.judge is None:
            scores = score(settings, context, prompts, responses, said, answers)
        else:
            scores, told = judge(context, context.judge, k, rows, said, answers)
        rewards = augmented_rewards(scores, answers, labels, settings.reward_design)  # Eq. 10, 11
        paid = penalised(rewards, said.cut_off, settings.missing_eos_penalty)
        metrics = reward_parts(scores, answers, labels, rewards) | told
    with clock("forward"):
        episodes = Episodes.of(prompts, responses, accelerator.device)
        groups = micro_batches(episodes.lengths, range(len(rows)), settings.max_tokens_per_micro_batch, world)
        # The trainer's own log-probabilities, never the sampler's: the ratio m_t must start at 1.
        old, entropy = per_token(
            accelerator, episodes, groups, lambda *batch: context.policy(*batch, entropy=True)
        )
        (reference,) = per_token(accelerator, episodes, groups, lambda *batch: context.reference(*batch)[:1])
        critic, values = context.value, None
        if critic is not None:
            (values,) = per_token(accelerator, episodes, groups, lambda *batch: (critic(*batch),))
    mask = episodes.mask
    kl = losses.kl_estimate(old, reference, settings.kl_estimator)
    final = torch.tensor(paid, device=accelerator.device)
    token_rewards = losses.token_rewards(
        final, mask, kl if settings.kl_in == "reward" else None, settings.kl_coef
    )
    tables, told = estimate(settings, token_rewards, values, mask)
    metrics |= told | {
        "kl": float((old - reference).sum(1).mean()),
        "entropy": float(entropy[mask].mean()),
        "response_length": sum(episodes.response_lengths) / len(rows),
        "truncated": sum(said.cut_off) / len(rows),
        "duplicates": duplicates(rows, responses),
        "learning_rate": settings.learning_rate * settings.rate(k) * (k > settings.value_warmup_iterations),
    }
    anchor = reference if settings.kl_against == "ref" else old
    with clock("update"):
        metrics |= update(settings, context, k, episodes, tables | {"old": old, "anchor": anchor})
    if settings.adversarial:
        with clock("discriminate"):
            metrics |= discriminate(settings, context, k, rows, responses, said)
    with clock("sync"):
        context.rollout.sync(weights(context.policy))
    return metrics


def estimate(
    settings: PpoTraining, rewards: Tensor, values: Tensor | None, mask: Tensor
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """From a batch's rewards and values [N, R]: its advantages and what the value network learns, by name,
    each [N, R]; and metrics.

    Without a value network each token has the advantage of its response. TRL's `frac_reward_zero_std` is the
    share of queries whose responses were all paid the same, which teach nothing.
    """
    if values is not None:
        advantages, returns = losses.gae(rewards, values, mask, settings.gamma, settings.lam)
        metrics = {
            "explained_variance": losses.explained_variance(values[mask], returns[mask]),
            "value": float(values[mask].mean()),
        }
        return {"advantages": losses.whiten(advantages, mask), "values": values, "returns": returns}, metrics
    paid, group = rewards.sum(1), settings.num_generations
    if settings.whole_responses:
        advantages = losses.leave_one_out_advantages(paid, group)
    else:
        advantages = losses.group_advantages(paid, group, settings.scale_rewards)
    least, most = paid.view(-1, group).aminmax(dim=1)
    same = torch.isclose(least, most, atol=1e-5)  # a response's score depends on its batch, by rounding
    metrics = {"frac_reward_zero_std": float(same.double().mean())}
    return {"advantages": advantages[:, None] * mask}, metrics


def update(
    settings: PpoTraining, context: Context, k: int, episodes: Episodes, tables: dict[str, Tensor]
) -> dict:
    """`num_ppo_epochs` passes over the batch in mini-batches; the policy stays as it is in the value warm-up.

    Losses are means over a mini-batch's tokens, over all processes and micro-batches, the policy's weighed by
    `loss_type`. The value network has its own optimizer, so `vf_coef` only scales a gradient that Adam
    rescales (and the clip bounds): nearly without effect.
    """
    accelerator, world = context.accelerator, context.accelerator.num_processes
    warm = k > settings.value_warmup_iterations
    rates = {"policy": settings.learning_rate, "value": settings.value_learning_rate}
    learning = {name: context.trained[name] for name in rates if name in context.trained}
    for name, (_, optimizer) in learning.items():
        for group in optimizer.param_groups:
            group["lr"] = rates[name] * settings.rate(k)
    size = settings.batch_size // settings.num_mini_batches
    names = ["policy_loss", "clip_fraction", "approx_kl", "ratio"] if warm else []
    names += ["kl_loss"] if warm and settings.kl_in == "loss" else []
    names += ["value_loss", "value_clip_fraction"] if context.value is not None else []
    totals = dict.fromkeys(names, torch.zeros((), dtype=torch.float64, device=accelerator.device))
    norms: dict[str, list[float]] = {f"{name}_grad_norm": [] for name in learning}
    counts = torch.tensor(episodes.response_lengths, device=accelerator.device)
    weights_of = torch.ones(len(counts), device=accelerator.device)
    averaged = "grpo" if settings.whole_responses else settings.loss_type

    def add(name: str, tensor: Tensor) -> None:
        totals[name] = totals[name] + tensor.detach().sum().double()

    for epoch in range(settings.num_ppo_epochs):
        order = np.random.default_rng([context.seed, _MINI_BATCHES, k, epoch]).permutation(
            settings.batch_size
        )
        for start in range(0, settings.batch_size, size):
            rows = order[start : start + size].tolist()
            scale = world / sum(
                episodes.response_lengths[row] for row in rows
            )  # processes average their gradients
            weights_of[rows] = losses.response_weights(counts[rows], averaged, context.max_tokens)
            groups = micro_batches(episodes.lengths, rows, settings.max_tokens_per_micro_batch, world)
            for group in groups:
                mine = group[accelerator.process_index :: world]
                batch, mask = episodes.batch(mine), episodes.mask[mine]
                own = {name: table[mine][mask] for name, table in tables.items()}
                last = group is groups[-1]
                if warm:
                    with gradient_sync(accelerator, context.policy, last), accelerator.autocast():
                        log_probs, _ = context.policy(*batch)
                        log_ratio = log_probs - own["old"]
                        add("approx_kl", 0.5 * log_ratio**2)
                        if settings.whole_responses:
                            log_ratio = losses.whole_responses(log_ratio, counts[mine])
                        loss, clips = losses.policy_loss(log_ratio, own["advantages"], settings.cliprange)
                        weight = weights_of[mine].repeat_interleave(counts[mine])
                        add("policy_loss", loss * weight)
                        add("clip_fraction", clips)
                        add("ratio", log_ratio.detach().exp())
                        if settings.kl_in == "loss":
                            divergence = losses.kl_loss(
                                log_probs, own["old"], own["anchor"], settings.kl_estimator
                            )
                            add("kl_loss", divergence * weight)
                            loss = loss + settings.kl_coef * divergence
                        accelerator.backward((loss * weight).sum() * scale)
                if context.value is None:
                    continue
                with gradient_sync(accelerator, context.value, last), accelerator.autocast():
                    loss, clips = losses.value_loss(
                        context.value(*batch), own["values"], own["returns"], settings.cliprange_value
                    )
                    add("value_loss", loss)
                    add("value_clip_fraction", clips)
                    accelerator.backward(settings.vf_coef * loss.sum() * scale)
            for name, (network, optimizer) in learning.items():
                if warm or name != "policy":
                    norms[f"{name}_grad_norm"].append(step(network, optimizer, settings.max_grad_norm))
    tokens = settings.num_ppo_epochs * sum(episodes.response_lengths)
    summed = accelerator.reduce(torch.stack([totals[name] for name in names]), "sum") / tokens
    means = {name: float(total) for name, total in zip(names, summed, strict=True)}
    return means | {name: sum(each) / len(each) for name, each in norms.items() if each}


def discriminate(
    settings: PpoTraining,
    context: Context,
    k: int,
    rows: list[int],
    responses: list[list[int]],
    said: Replies,
) -> dict[str, float]:
    """Let the reward model tell the teacher's answers from a batch's responses to the queries `rows` (Eq. 8):
    one pass in mini-batches, a teacher's answer against each response, as GAD (Ye et al. 2025).

    Which of a query's answers that is follows from seed and iteration. `reward_model_accuracy` is the share
    of responses below it, before the step that learns from them; one that is that answer, token for token,
    counts half.
    """
    accelerator, world = context.accelerator, context.accelerator.num_processes
    network, optimizer = context.trained["reward"]
    for group in optimizer.param_groups:
        group["lr"] = (settings.reward_learning_rate or 0.0) * settings.rate(k)
    random = np.random.default_rng([context.seed, _DEMONSTRATIONS, k])
    prompts = [context.train.prompts[row] for row in rows]
    shown = [context.train.demonstrations[row] for row in rows]
    chosen = [
        prompt + answers[int(place * len(answers))]
        for prompt, answers, place in zip(prompts, shown, random.random(len(rows)), strict=True)
    ]
    rejected = as_read(context, prompts, responses, said)
    lengths = [2 * max(len(one), len(other)) for one, other in zip(chosen, rejected, strict=True)]
    parts = np.split(random.permutation(len(rows)), settings.num_mini_batches)
    totals, norms = torch.zeros(2, dtype=torch.float64, device=accelerator.device), []
    for picked in (part.tolist() for part in parts):
        groups = micro_batches(lengths, picked, settings.max_tokens_per_micro_batch, world)
        for group in groups:
            mine = group[accelerator.process_index :: world]
            both = [chosen[row] for row in mine] + [rejected[row] for row in mine]
            with gradient_sync(accelerator, network, group is groups[-1]), accelerator.autocast():
                scores = network(*at_last_tokens(both, accelerator.device))
                margin = scores[: len(mine)] - scores[len(mine) :]
                loss = nn.functional.softplus(-margin)
                accelerator.backward(loss.sum() * world / len(picked))
            alike = torch.tensor([chosen[row] == rejected[row] for row in mine], device=margin.device)
            right = torch.where(alike, 0.5, (margin > 0).double())
            totals += torch.stack([loss.detach().sum(), right.sum()])
        norms.append(step(network, optimizer, settings.max_grad_norm))
    loss, right = (accelerator.reduce(totals, "sum") / len(rows)).tolist()
    return {
        "reward_model_loss": loss,
        "reward_model_accuracy": right,
        "reward_model_grad_norm": sum(norms) / len(norms),
    }


def step(network: nn.Module, optimizer: torch.optim.Optimizer, max_grad_norm: float | None) -> float:
    """Clip one network's gradient, step, clear. Returns the norm before the clip."""
    limit = float("inf") if max_grad_norm is None else max_grad_norm
    norm = nn.utils.clip_grad_norm_(network.parameters(), limit)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return float(norm.full_tensor() if hasattr(norm, "full_tensor") else norm)
