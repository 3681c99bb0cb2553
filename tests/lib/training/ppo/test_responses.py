"""Which queries are asked with which seeds, what a response states, where it is scored, how it is
validated."""

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")
pytest.importorskip("trl")

from scripts.lib.models.thoughts import ThoughtForm
from scripts.lib.training.examples import Pairs, completion_ids, ragged
from scripts.lib.training.ppo.questions import Exam
from scripts.lib.training.ppo.responses import (
    draw,
    duplicates,
    evaluate,
    read,
    replies,
    sample,
    score,
)
from scripts.lib.training.settings.ppo import PpoTraining
from tests.support.ppo_batch import EOS, OTHER_END, QUERIES, context, prompts, responses

SETTINGS = PpoTraining(
    batch_size=4, num_mini_batches=2, total_episodes=40, temperature=0.7, max_tokens_per_micro_batch=60
)
LABELS = [label for label, *_ in QUERIES]
ANSWERS = [answer for *_, answer in QUERIES]
CUT = [end is None for _, _, end, _ in QUERIES]


@pytest.fixture
def batch(networks, doubles):
    return context(networks, SETTINGS)


def test_every_query_is_asked_once_an_epoch_and_every_response_has_a_seed_of_its_own():
    drawn = [draw(SETTINGS, 5, k, 10) for k in range(1, 6)]
    rows = [row for some, _ in drawn for row in some]
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10)) and rows[:10] != rows[10:]
    assert rows[:10] == np.random.default_rng([5, 1, 0]).permutation(10).tolist()
    seeds = [seed for _, some in drawn for seed in some]
    assert len(set(seeds)) == 20 and all(0 <= seed < 2**63 for seed in seeds)
    assert draw(SETTINGS, 5, 2, 10) == drawn[1]
    assert not set(seeds) & set(draw(SETTINGS, 6, 1, 10)[1])


def test_a_querys_responses_stand_side_by_side():
    grouped = replace(SETTINGS, batch_size=8, num_mini_batches=1, total_episodes=80, num_generations=4)
    drawn = [draw(grouped, 5, k, 10) for k in range(1, 6)]
    rows = [row for some, _ in drawn for row in some]
    once = [row for k in range(1, 4) for row in draw(SETTINGS, 5, k, 10)[0]]
    assert rows == [row for row in once[:10] for _ in range(4)]
    assert len({seed for _, some in drawn for seed in some}) == 40


def test_a_cut_off_response_states_only_what_is_whole(batch):
    """ "The answer is 1", cut off, may have become 12."""
    said = replies(batch, responses())
    assert read(batch, said, batch.train.options, LABELS) == ANSWERS and said.cut_off == CUT


def test_sampling_asks_for_what_it_is_told(batch):
    assert sample(batch, prompts()[:2], [7, 8], 0.7, 5) == responses()[:2]
    assert batch.rollout.asked == [(prompts()[:2], [7, 8], 0.7, 5)]


def test_the_reward_model_is_read_where_its_own_evaluation_reads_it(batch, networks):
    """At the end token, whichever the policy chose, and where there is none at the last token of the text."""
    from scripts.lib.training.reward import rewards

    found = score(SETTINGS, batch, prompts(), responses(), replies(batch, responses()), ANSWERS)
    assert [math.isnan(one) for one in found] == [answer is None for answer in ANSWERS]
    reasons = pl.Series(["length" if cut else "stop" for cut in CUT])
    at = np.arange(len(QUERIES))
    texts = pl.Series([text for _, text, _, _ in QUERIES])
    pairs = Pairs(
        prompts=ragged(prompts()),
        completions=completion_ids(batch.tokenizer, texts, reasons),
        query=at,
        chosen=at,
        rejected=at,
        chosen_hit=at,
        rejected_hit=at,
        table=pl.DataFrame(),
    )
    model = read_reward_model(networks)
    expected, _ = rewards(model, pairs)
    kept = [row for row, answer in enumerate(ANSWERS) if answer is not None]
    assert [found[row] for row in kept] == pytest.approx([float(expected[row]) for row in kept], abs=1e-5)
    bodies = [[token for token in tokens if token not in (EOS, OTHER_END)] for tokens in responses()]
    for row in kept:
        ids = prompts()[row] + bodies[row] + [EOS] * (not CUT[row])
        assert found[row] == pytest.approx(read_at_the_end(model, ids), abs=1e-9)
    assert found[4] != pytest.approx(read_at_the_end(model, prompts()[4] + bodies[4] + [EOS]), abs=0.01)


def test_a_response_ends_with_its_stop_string_and_is_worth_what_stands_before_it(networks, doubles):
    """It is whole, like one with an end token, and scored as the text that a user of the student reads."""
    row = next(row for row, (_, text, _, _) in enumerate(QUERIES) if text == "The answer is 2 . How many")
    stopped = context(networks, SETTINGS, stop=("How",))
    (tokens,) = sample(stopped, [prompts()[row]], [7], 0.7, 16)
    assert tokens == responses()[row][:-1]
    said = replies(stopped, [tokens])
    answers = read(stopped, said, [[]], [None])
    assert (answers, said.cut_off) == (["2"], [False])
    model = read_reward_model(networks)
    (found,) = score(SETTINGS, stopped, [prompts()[row]], [tokens], said, answers)
    assert found == pytest.approx(read_at_the_end(model, prompts()[row] + tokens[:-1] + [EOS]), abs=1e-9)


@pytest.mark.parametrize(
    ("opened", "thinking", "read_by_the_reward_model"),
    [(False, "<think> 2 + 3 = 4 . </think> ", ""), (True, "2 + 3 = 4 . </think> ", "</think> ")],
)
def test_a_thought_is_no_answer_and_the_reward_model_reads_the_reply(
    networks, doubles, opened, thinking, read_by_the_reward_model
):
    """As in its own training, where a prompt that opens a thought has it closed at once."""
    import torch

    form = ThoughtForm("" if opened else "<think> ", "</think> ", opened)
    thinks = replace(context(networks, SETTINGS), form=form)
    words, prompt, reply = thinks.tokenizer, prompts()[0], "The answer is 5 ."
    words.add_tokens(["<think>", "</think>"])
    for network in (thinks.reward_model.model, model := read_reward_model(networks)):
        torch.manual_seed(4)
        network.resize_token_embeddings(len(words), mean_resizing=False)
    ids = [words(text, add_special_tokens=False)["input_ids"] for text in (
        thinking + reply, thinking.replace("2 + 3 = 4 .", "The answer is 4 .").split(" </think>")[0],
        read_by_the_reward_model + reply,
    )]  # fmt: skip
    whole, cut_off, expected = ids[0] + [EOS], ids[1], ids[2] + [EOS]
    said = replies(thinks, [whole, cut_off])
    answers = read(thinks, said, [[], []], [None, None])
    assert (said.text.to_list(), answers, said.cut_off) == ([reply, ""], ["5", None], [False, True])
    first, second = score(SETTINGS, thinks, [prompt, prompt], [whole, cut_off], said, answers)
    assert math.isnan(second)
    assert first == pytest.approx(read_at_the_end(model, prompt + expected), abs=1e-9)
    assert first != pytest.approx(read_at_the_end(model, prompt + whole), abs=0.01)


def test_a_batch_of_one_response_for_all_queries_is_told_from_one_query_asked_often():
    a, b, c = [5, 6, 2], [5, 2], [7, 2]
    assert duplicates([0, 1, 2, 3], [a, a, a, a]) == 0.75
    assert duplicates([0, 1, 2, 3], [a, b, c, a]) == 0.25
    assert duplicates([0, 0, 0, 1], [a, a, a, b]) == 0.0


def read_reward_model(networks):
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(networks / "reward").double()


def read_at_the_end(model, ids: list[int]) -> float:
    import torch

    return model(input_ids=torch.tensor([ids])).logits.item()


def test_without_a_reward_model_nothing_is_scored(networks, doubles):
    settings = PpoTraining(reward_design="label", max_tokens_per_micro_batch=60)
    unscored, drawn = context(networks, settings), responses()
    found = score(settings, unscored, prompts(), drawn, replies(unscored, drawn), ANSWERS)
    assert all(map(math.isnan, found))


def test_validation_of_many_questions_is_greedy(batch):
    found = evaluate(SETTINGS, batch)
    ((asked, _, temperature, max_tokens),) = batch.rollout.asked
    assert (asked, temperature, max_tokens) == (prompts(), 0.0, 16)
    assert found["validation_accuracy"] == found["validation"] == 0.2
    assert found["validation_no_answer"] == 0.3


@pytest.mark.parametrize("metric", ["accuracy", "agreement"])
def test_validation_is_the_share_of_right_answers_greedy_and_drawn(batch, metric, monkeypatch):
    """No reward model chooses, and none is asked but where golds say what it is worth."""
    scores = {
        "accuracy": lambda *_: [0.0, 9.0, 9.0, -9.0],
        "agreement": lambda *_: pytest.fail("it was asked"),
    }
    monkeypatch.setattr("scripts.lib.training.ppo.responses.score", scores[metric])
    two = Exam(
        [*prompts()[:2], *prompts()[:2]],
        [[]] * 4,
        ["3", "5", "3", "6"],
        temperatures=[0.0, 0.0, 0.7, 0.7],
        seeds=[1, 2, 3, 4],
        metric=metric,
        n=2,
    )
    found = evaluate(SETTINGS, replace(batch, validation=two))
    errors = {name: found.pop(name) for name in list(found) if "pseudo" in name}
    assert found == {
        "validation": 0.75,
        f"validation_{metric}": 0.75,
        "validation_n": 2,
        "validation_no_answer": 0.0,
    }
    sure = 1 / (1 + math.exp(-9))
    assert errors == (
        {}
        if metric == "agreement"
        else {
            "validation_pseudo_reward": pytest.approx((0.5 + 1 - sure + 2 * sure) / 4),
            "validation_pseudo_error": pytest.approx((0.5 + sure + 1 - sure + sure) / 4),
            "validation_pseudo_error_max": pytest.approx(sure),
        }
    )
    assert [asked[1:3] for asked in batch.rollout.asked] == [([1, 2], 0.0), ([3, 4], 0.7)]
