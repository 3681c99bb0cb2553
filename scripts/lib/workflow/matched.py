"""Trainings that are given as many GPU-hours as another variant costs (`matches`), by the hours expected.

The student's side counts: warm-up, student samples, reward model and policy. What teacher and vote cost, both
share. The number of updates follows, and stands in the config as an override with its reason.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scripts.lib.config.methods import REWARD_RULE, rule_of
from scripts.lib.config.variants import Sft
from scripts.lib.config.whole import Config, Override
from scripts.lib.training.settings.ppo import PpoTraining
from scripts.lib.workflow.costs import Costs
from scripts.lib.workflow.sizes import check_model

PLACE = ("dataset", "teacher", "student")


def matched(config: Config, rows: list[dict]) -> Config:
    """The `sized` config with an override for each of the rows' trainings that match another variant and
    whose `max_steps` is left open."""
    places = dict.fromkeys(
        (row["variant"], *(row[key] for key in PLACE))
        for row in rows
        if getattr(config.variants[row["variant"]], "matches", None)
    )
    found = [_override(config, dict(zip(("variant", *PLACE), place, strict=True))) for place in places]
    return config.model_copy(update={"overrides": [*config.overrides, *filter(None, found)]})


def hours(costs: Costs, row: dict[str, str]) -> float:
    """GPU-hours expected of the student's side of a row (processor-hours where it needs no GPU)."""
    jobs = [costs.whole(rule, names) for rule, names in _jobs(costs.config, row)]
    return sum(job.seconds * max(1, job.gpu) for job in jobs) / 3600


def _jobs(config: Config, row: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    """The student's side of a row as (rule, wildcards), each job once."""
    variant: Any = config.variants[row["variant"]]
    place = {key: row[key] for key in PLACE}
    jobs = []
    if hasattr(variant, "training"):
        jobs.append((rule_of(variant.method), place | {"variant": row["variant"]}))
    sampled = getattr(variant, "samples_of", None)
    if reward := getattr(variant, "reward", None):
        sampled = config.rewards[reward].warmup
        jobs += [] if variant.training.without_reward_model else [(REWARD_RULE, place | {"reward": reward})]
    jobs += [("sample_student", place | {"warmup": sampled})] if sampled else []
    before = {sampled: None, getattr(variant, "warmup", None): None}
    jobs += [job for name in before if name for job in _jobs(config, place | {"variant": name})]
    return [job for at, job in enumerate(jobs) if job not in jobs[:at]]


def _override(config: Config, row: dict[str, str]) -> Override | None:
    """The updates of a row's training: as many as cost what `matches` does, to two digits; validated as
    often, so that both are the best of about as many checkpoints.

    By the hours of the paper's GPU and the rows of files that are known before they are fetched: neither the
    site's GPU nor what has been fetched trains anything again.
    """
    variant = config.variants[row["variant"]]
    assert isinstance(variant, Sft) and variant.matches is not None
    check_model(config.students[row["student"]], f"students.{row['student']}")
    config = config.model_copy(update={"gpu": Config.model_fields["gpu"].default})
    costs = Costs(config, counted=False)
    training = costs.training(row)
    if training.max_steps > 0:
        return None
    wanted = hours(costs, row | {"variant": variant.matches})
    one, two = (_with(config, row, max_steps=steps, eval_steps=training.eval_steps) for steps in (1000, 2000))
    first, second = (hours(replace(costs, config=each), row) for each in (one, two))
    steps = int(float(f"{1000 + 1000 * (wanted - first) / (second - first):.2g}"))
    settings = {"max_steps": steps, "eval_steps": training.eval_steps}
    policy = costs.training(row | {"variant": variant.matches})
    if isinstance(policy, PpoTraining):
        validations = max(1, policy.iterations // policy.eval_every)
        settings["eval_steps"] = max(training.eval_steps, steps // validations)
    given = hours(replace(costs, config=_with(config, row, **settings)), row)
    reason = f"{given:.3g} GPU-hours, {variant.matches} {wanted:.3g}, by the plan's model of an H100"
    return Override(where=dict(row), training=settings, reason=reason)


def _with(config: Config, row: dict[str, str], **settings: int) -> Config:
    """The config with these settings of a row's training."""
    own = Override(where=dict(row), training=settings)
    return config.model_copy(update={"overrides": [*config.overrides, own]})
