"""Responses: which prompts and seeds, sampling them, reading their answers, scoring and validating them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from accelerate.utils import broadcast_object_list

from scripts.lib.data.hashing import mix
from scripts.lib.models.thoughts import split_thought
from scripts.lib.tasks.bulk import as_written, read_answers
from scripts.lib.training.examples import closed, completion_ids
from scripts.lib.training.ppo.context import Context
from scripts.lib.training.ppo.judge import Judge, Unjudged
from scripts.lib.training.ppo.model import last_token_scores
from scripts.lib.training.ppo.reward import pseudo_reward_error
from scripts.lib.training.settings.ppo import PpoTraining

_ORDER = 1


def draw(settings: PpoTraining, seed: int, k: int, count: int) -> tuple[list[int], list[int]]:
    """The queries of iteration k (from 1) and a seed for each response: functions of (seed, k) alone.

    The i-th query of the run, asked `num_generations` times in a row, is at place i mod `count` of the
    permutation of epoch i div `count`.
    """
    episodes = np.arange((k - 1) * settings.batch_size, k * settings.batch_size)
    asked = episodes // settings.num_generations
    orders = {
        epoch: np.random.default_rng([seed, _ORDER, epoch]).permutation(count)
        for epoch in np.unique(asked // count).tolist()
    }
    rows = [int(orders[epoch][place]) for epoch, place in zip(asked // count, asked % count, strict=True)]
    seeds = mix(np.full_like(episodes, seed), np.full_like(episodes, k), np.arange(len(episodes)))
    return rows, (seeds >> np.uint64(1)).tolist()


def sample(
    context: Context, prompts: Sequence[list[int]], seeds: Sequence[int], temperature: float, max_tokens: int
) -> list[list[int]]:
    """Responses to all prompts, each process sampling its share; every process gets them all.

    A response that says a stop string ends with the token that completes it: what follows was never needed,
    and is neither paid nor learnt.
    """
    accelerator = context.accelerator
    mine = range(accelerator.process_index, len(prompts), accelerator.num_processes)
    drawn = context.rollout(
        [prompts[row] for row in mine], [seeds[row] for row in mine], temperature, max_tokens
    )
    own = [context.endings.whole(tokens) for tokens in drawn]
    if accelerator.num_processes == 1:
        return own
    table = torch.zeros(len(prompts), max_tokens + 1, dtype=torch.long)
    for row, tokens in zip(mine, own, strict=True):
        table[row, : len(tokens) + 1] = torch.tensor([len(tokens), *tokens])
    table = accelerator.reduce(table.to(accelerator.device), "sum").tolist()
    return [tokens[1 : length + 1] for tokens in table for length in tokens[:1]]


def duplicates(queries: Sequence[int], responses: Sequence[list[int]]) -> float:
    """The share of responses that say, token for token, what one to another query of the batch says; of equal
    responses to one query one counts."""
    said = {(query, tuple(tokens)) for query, tokens in zip(queries, responses, strict=True)}
    return 1 - len({tokens for _, tokens in said}) / len(said)


@dataclass(frozen=True)
class Replies:
    """What responses say to whoever reads them, columns of equal length: `text`, the reply without a thought
    before it ("" where the thought was cut off, or ended without one); `finish_reason`, "length" where
    neither an end token nor a stop string ended it; `whole`, whether the reply is all of the response."""

    text: pl.Series
    finish_reason: pl.Series
    whole: pl.Series

    @property
    def cut_off(self) -> list[bool]:
        return (self.finish_reason == "length").to_list()


def replies(context: Context, responses: Sequence[list[int]]) -> Replies:
    """The replies of responses, each decoded once."""
    ended = context.endings.read(responses)
    texts = [split_thought(each.text, context.form.opened).reply for each in ended]
    whole = [each.stop_reason is None and text == each.text for each, text in zip(ended, texts, strict=True)]
    reasons = [each.finish_reason for each in ended]
    return Replies(
        pl.Series(texts, dtype=pl.String),
        pl.Series(reasons, dtype=pl.String),
        pl.Series(whole, dtype=pl.Boolean),
    )


def read(
    context: Context, said: Replies, options: Sequence[list[str]], targets: Sequence[str | None]
) -> list[str | None]:
    """The answer of each reply (None: none).

    One that is the same as its target, a label or a gold, is written as that is.
    """
    choices = pl.Series(list(options), dtype=pl.List(pl.String))
    found = read_answers(context.task, said.text, said.finish_reason, choices)
    return as_written(context.task, found["answer"], pl.Series(targets, dtype=pl.String)).to_list()


def as_read(
    context: Context, prompts: Sequence[list[int]], responses: Sequence[list[int]], said: Replies
) -> list[list[int]]:
    """Prompts with their responses as the reward model was trained to read them, at their last token.

    It knows replies: behind a thought, or before a stop string, the reply is written as in its training
    (`completion_ids`); any other response is as it was sampled, `closed`, whichever end token the policy
    chose.
    """
    parts = (~said.whole).arg_true()
    words, cut_off = context.tokenizer, said.cut_off
    written = completion_ids(words, said.text[parts], said.finish_reason[parts], context.form)
    bodies = [
        closed(response if cut else response[:-1], not cut, words.eos_token_id)
        for response, cut in zip(responses, cut_off, strict=True)
    ]
    for at, row in enumerate(parts):
        bodies[row] = written[at]
    return [prompt + body for prompt, body in zip(prompts, bodies, strict=True)]


def score(
    settings: PpoTraining,
    context: Context,
    prompts: Sequence[list[int]],
    responses: Sequence[list[int]],
    said: Replies,
    answers: Sequence[str | None],
) -> list[float]:
    """r of each response with an answer, NaN elsewhere ("terminate the evaluation") and without a reward
    model."""
    scores = [float("nan")] * len(responses)
    if context.reward_model is None:
        return scores
    rows = [row for row, answer in enumerate(answers) if answer is not None]
    sequences = as_read(context, prompts, responses, said)
    found = last_token_scores(
        context.accelerator,
        context.reward_model,
        [sequences[row] for row in rows],
        settings.max_tokens_per_micro_batch,
    )
    for row, value in zip(rows, found, strict=True):
        scores[row] = value
    return scores


def judge(
    context: Context, asked: Judge, k: int, rows: Sequence[int], said: Replies, answers: Sequence[str | None]
) -> tuple[list[float], dict[str, float]]:
    """r of each response with an answer by the teacher's score, NaN elsewhere, in iteration k; and metrics.

    `rows`: the queries. `judgements` counts those of the training; `unread` is the share of the batch whose
    score could not be read. Raises Unjudged in every process.
    """
    wanted = [at for at, stated in enumerate(answers) if stated is not None]
    outcome: list = [[], {}, ""]
    if context.accelerator.is_main_process:
        try:
            texts = said.text.gather(wanted).to_list()
            outcome[0], unread = asked.score(k, [rows[at] for at in wanted], texts)
            outcome[1] = {"judgements": asked.taken["judgements"], "unread": unread}
        except Unjudged as error:
            outcome[2] = str(error)
    found, told, reason = broadcast_object_list(outcome)
    if reason:
        raise Unjudged(reason)
    scores = [float("nan")] * len(answers)
    for at, value in zip(wanted, found, strict=True):
        scores[at] = value
    return scores, told


def evaluate(settings: PpoTraining, context: Context) -> dict[str, float]:
    """`validation`, by which policies are chosen: the share of right answers (`metric_of` says what is
    right).

    Where golds say what is right, the reward model's scores of the same responses are held against them
    (App. A).
    """
    exam, n = context.validation, len(context.validation.prompts)
    responses: list[list[int]] = [[]] * n
    for temperature in dict.fromkeys(exam.temperatures):
        rows = [row for row in range(n) if exam.temperatures[row] == temperature]
        prompts, seeds = [exam.prompts[row] for row in rows], [exam.seeds[row] for row in rows]
        drawn = sample(context, prompts, seeds, temperature, context.max_tokens)
        for row, response in zip(rows, drawn, strict=True):
            responses[row] = response
    said = replies(context, responses)
    answers = read(context, said, exam.options, exam.targets)
    found = {"validation_n": exam.n, "validation_no_answer": answers.count(None) / n}
    pairs = zip(answers, exam.targets, strict=True)
    right = [answer is not None and answer == target for answer, target in pairs]
    if exam.metric == "accuracy" and context.reward_model is not None:
        scores = score(settings, context, exam.prompts, responses, said, answers)
        measured = pseudo_reward_error(scores, answers, right, settings.reward_design)
        found |= {f"validation_{name}": value for name, value in measured.items()}
    return {"validation": sum(right) / n, f"validation_{exam.metric}": sum(right) / n, **found}
