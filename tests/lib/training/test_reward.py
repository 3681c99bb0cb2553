"""The reward model's criteria weigh every pair alike; rewards do not depend on the batch."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

import torch

from scripts.lib.training import reward
from scripts.lib.training.examples import Pairs, ragged
from scripts.lib.training.reward import criteria, load_reward, rewards


def some_pairs() -> Pairs:
    """Four pairs of two queries, with answers of different lengths; 7 texts in all."""
    return Pairs(
        prompts=ragged([[1, 5, 6], [1, 7]]),
        completions=ragged([[8, 2], [9, 10, 2], [11, 12, 13], [14, 2]]),
        query=np.array([0, 0, 1, 1]),
        chosen=np.array([0, 1, 0, 3]),
        rejected=np.array([2, 3, 2, 2]),
        chosen_hit=np.array([True, True, False, True]),
        rejected_hit=np.array([False, True, False, False]),
        table=None,
    )


def test_criteria_by_hand():
    found = criteria(some_pairs(), np.float32([1, -1, 0, 2]), np.float32([3, -2, 0, 0.5]))
    margins = [-2, 1, 0, 1.5]
    sides = [1, -1, -0.0, 2, -3, -2, -0.0, -0.5]
    assert found == pytest.approx(
        {
            "accuracy": 2 / 4,
            "margin": 0.5 / 4,
            "preference_loss": sum(math.log(1 + math.exp(-margin)) for margin in margins) / 4,
            "cls_loss": sum(math.log(1 + math.exp(-side)) for side in sides) / 8,
            "cls_accuracy": 4 / 8,
        }
    )


@pytest.fixture(scope="module")
def network(tiny):
    return load_reward(tiny, None, seed=1).eval()


def one_by_one(network, pairs: Pairs) -> list[list[float]]:
    with torch.inference_mode():
        return [
            [
                network(input_ids=torch.tensor([pairs.prompts[q] + pairs.completions[c]])).logits.item()
                for q, c in zip(pairs.query, side, strict=True)
            ]
            for side in (pairs.chosen, pairs.rejected)
        ]


@pytest.mark.parametrize("tokens", [1, 10, 16_384])
def test_a_reward_is_that_of_its_text_alone(network, tokens):
    chosen, rejected = rewards(network, some_pairs(), tokens)
    expected = one_by_one(network, some_pairs())
    assert chosen.tolist() == pytest.approx(expected[0], rel=1e-5)
    assert rejected.tolist() == pytest.approx(expected[1], rel=1e-5)
    assert len({*chosen, *rejected}) == 7


def test_processes_share_the_answers(network):
    seen, shares = [], []

    def counted(input_ids, use_cache):
        seen.append(len(input_ids))
        return network(input_ids=input_ids, use_cache=use_cache)

    for process in range(2):
        alone = SimpleNamespace(process_index=process, num_processes=2, reduce=lambda found: found)
        shares.append(np.stack(rewards(calling(counted), some_pairs(), 10, alone)))
    whole = np.stack(rewards(network, some_pairs(), 10))
    assert (shares[0] + shares[1]).tolist() == whole.tolist()
    assert sum(seen) == 7, "each text is scored once, by one of them"


def calling(function):
    """A model on the CPU whose forward pass is `function`."""

    class Model:
        device = torch.device("cpu")

        def __call__(self, **given):
            return function(**given)

    return Model()


def test_memory_that_runs_out_halves_a_batch(network, monkeypatch):
    monkeypatch.setattr(reward, "free_memory", lambda: None)
    sizes, largest = [], 1

    def scarce(input_ids, use_cache):
        sizes.append(len(input_ids))
        if len(input_ids) > largest:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return network(input_ids=input_ids, use_cache=use_cache)

    found = rewards(calling(scarce), some_pairs())
    assert max(sizes) > 1
    assert np.allclose(found, one_by_one(network, some_pairs()), rtol=1e-5)
    largest = 0
    with pytest.raises(torch.OutOfMemoryError):
        rewards(calling(scarce), some_pairs())


def test_a_new_head_starts_from_its_seed_alone(tiny):
    heads = []
    for before, seed in ((5, 3), (6, 3), (5, 4)):
        torch.manual_seed(before)
        heads.append(load_reward(tiny, None, seed=seed).score.weight)
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


@pytest.mark.parametrize("padding", [0, 2, 7])
def test_a_reward_is_read_where_the_mask_ends_whatever_the_tokens_are(tiny, padding):
    """Also where the padding token, as configured or as filled in, is the last one of a text."""
    network = load_reward(tiny, None, seed=1).eval()
    network.config.pad_token_id = padding
    text = [1, 5, 6, 8, padding]
    with torch.inference_mode():
        alone = network(input_ids=torch.tensor([text])).logits.item()
        mask = torch.tensor([[1] * 5 + [0] * 2, [1] * 7])
        filled = torch.tensor([[*text, padding, padding], [1, *[5] * 6]])
        padded = network(input_ids=filled, attention_mask=mask).logits[0].item()
        hidden = network.model(input_ids=torch.tensor([text])).last_hidden_state
        last = (hidden[0, 4] @ network.score.weight[0]).item()
    assert alone == pytest.approx(last, rel=1e-5)
    assert padded == pytest.approx(last, rel=1e-5)
