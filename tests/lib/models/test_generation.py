import random

import pytest

torch = pytest.importorskip("torch")

from scripts.lib.errors import UserError  # noqa: E402
from scripts.lib.models.generation import Batch, _batches, generate, pick, uniforms  # noqa: E402
from scripts.lib.models.loading import load_causal  # noqa: E402
from scripts.lib.models.truncation import Truncation  # noqa: E402
from tests.support.scarce import ration  # noqa: E402


@pytest.fixture(scope="module")
def model(tiny):
    return load_causal(tiny)


def prompts(count, lengths=(5, 9), seed=0):
    draw = random.Random(seed)
    return [[1] + [draw.randrange(4, 47) for _ in range(draw.choice(lengths) - 1)] for _ in range(count)]


SETTINGS = {"max_tokens": 12, "eos_token_id": 2}


def peers(model, prompt, tokens=12):
    out = model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=tokens, eos_token_id=2, pad_token_id=0
    )
    return out[0, len(prompt) :].tolist()


@pytest.mark.parametrize("lengths", [(6,), (3, 4, 5, 6, 7, 8, 9, 10)])
def test_greedy_equals_transformers_with_and_without_padding(model, lengths):
    rows = prompts(20, lengths)
    assert generate(model, rows, range(20), temperature=0, **SETTINGS) == [peers(model, row) for row in rows]


def test_grouped_heads_and_sliding_windows_equal_transformers():
    from transformers import MistralConfig, MistralForCausalLM

    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=47,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=6,
        initializer_range=0.4,
        eos_token_id=2,
    )
    windowed, rows = MistralForCausalLM(config).eval(), prompts(20, (4, 7, 11))
    assert generate(windowed, rows, range(20), temperature=0, **SETTINGS) == [
        peers(windowed, row) for row in rows
    ]


def shared(model, prompts) -> list[int]:
    """Run them; widths of the passes over prompts."""
    widths, forward = [], model.forward

    def seen(input_ids, **given):
        widths.append(tuple(input_ids.shape))
        return forward(input_ids=input_ids, **given)

    model.forward = seen
    try:
        done = generate(model, prompts, range(len(prompts)), temperature=0, **SETTINGS)
    finally:
        del model.forward
    assert done == [peers(model, prompt) for prompt in prompts]
    return [width for width in widths if width[1] > 1]


def gemma():
    """Five layers of windows of eight, one that attends to all."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    config = Gemma3TextConfig(
        vocab_size=47,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=6,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        sliding_window=8,
        initializer_range=0.3,
        eos_token_id=2,
        pad_token_id=0,
    )
    return Gemma3ForCausalLM(config).eval()


@pytest.mark.parametrize(
    ("window", "prefix", "lengths", "passes"),
    [
        (False, 40, (6,), [(1, 41), (20, 5)]),
        (False, 40, (3, 9, 14), [(1, 41), (20, 13)]),
        (False, 10, (6,), [(20, 16)]),
        (True, 40, (6,), [(1, 41), (20, 5)]),
        (True, 40, (3, 9, 14), [(20, 54)]),
    ],
)
def test_what_prompts_begin_with_runs_once_and_the_tokens_are_those_without(
    model, window, prefix, lengths, passes
):
    """Of 20 prompts that share `prefix` tokens and their own first, before rests of these lengths. In padded
    batches windows would count the padding."""
    draw = random.Random(3)
    common = [draw.randrange(4, 47) for _ in range(prefix)]
    rows = [common + row for row in prompts(20, lengths)]
    assert len({tuple(row) for row in rows}) == 20
    assert shared(gemma() if window else model, rows) == passes


def test_a_prompt_that_begins_another_one_is_no_prefix_of_all(model):
    """Its last token has to be read for what follows it."""
    rows = [list(range(4, 4 + length)) for length in (18, 25, 30)]
    assert shared(model, rows) == [(1, 17), (3, 13)]


def test_a_row_depends_on_its_prompt_seed_and_temperature_alone(model):
    rows, temperatures = prompts(60, (4, 5, 9, 11)), [0, 0.5, 1.0] * 20
    whole = generate(model, rows, range(60), temperature=temperatures, **SETTINGS)
    order = random.Random(1).sample(range(60), 60)
    shuffled = generate(
        model,
        [rows[i] for i in order],
        order,
        temperature=[temperatures[i] for i in order],
        batch=Batch(7),
        **SETTINGS,
    )
    assert shuffled == [whole[i] for i in order]
    assert generate(model, rows, range(60), temperature=temperatures, **SETTINGS) == whole
    assert generate(model, rows, range(1, 61), temperature=temperatures, **SETTINGS) != whole


def test_completions_end_with_the_end_token_or_at_the_limit(model):
    rows = [prompts(1)[0]] * 200
    done = generate(model, rows, range(200), temperature=2.0, **SETTINGS)
    assert {row[-1] == 2 or len(row) == 12 for row in done} == {True}
    assert all(2 not in row[:-1] for row in done)
    assert {len(row) for row in done} > {12} and len({tuple(row) for row in done}) > 150


def test_first_tokens_follow_the_models_distribution(model):
    prompt, count = prompts(1)[0], 20_000
    drawn = generate(
        model,
        [prompt] * count,
        range(count),
        temperature=0.7,
        max_tokens=1,
        eos_token_id=2,
        batch=Batch(5_000),
    )
    with torch.inference_mode():
        expected = (model(torch.tensor([prompt])).logits[0, -1] / 0.7).softmax(-1)
    found = torch.bincount(torch.tensor(drawn)[:, 0], minlength=len(expected)) / count
    assert (found - expected).abs().sum() < 0.05


def test_an_empty_call_and_wrong_lengths(model):
    assert generate(model, [], [], temperature=1.0, **SETTINGS) == []
    with pytest.raises(ValueError, match="differ in length"):
        generate(model, [[1]], [1, 2], temperature=1.0, **SETTINGS)
    with pytest.raises(ValueError, match="no tokens"):
        generate(model, [[]], [1], temperature=1.0, **SETTINGS)


def test_stop_ends_rows_early(model):
    calls = []

    def stop(rows):
        calls.append(len(rows))
        return [True] * len(rows)

    done = generate(
        model,
        prompts(9),
        range(9),
        temperature=1.0,
        max_tokens=40,
        eos_token_id=46,
        stop=stop,
    )
    assert calls and max(map(len, done)) == 8


def test_pick_ranks_by_inverse_transform():
    logits = torch.log(torch.tensor([[0.1, 0.6, 0.3]])).repeat(4, 1)
    u = torch.tensor([0.05, 0.5, 0.95, 0.999999], dtype=torch.float64)
    assert pick(logits, u, torch.ones(4)).tolist() == [0, 1, 2, 2]
    assert pick(logits, u, torch.zeros(4)).tolist() == [1, 1, 1, 1]
    impossible = torch.tensor([[0.0, float("-inf"), float("-inf")]])
    assert pick(impossible, torch.tensor([1 - 2**-32], dtype=torch.float64), torch.ones(1)).tolist() == [0]


@pytest.mark.parametrize(
    ("given", "drawn"),
    [
        ({}, {0, 1, 2, 3}),
        ({"top_p": 0.8}, {1, 2}),
        ({"top_p": 0.45}, {1}),
        ({"top_k": 3}, {0, 1, 2}),
        ({"top_k": 9}, {0, 1, 2, 3}),
        ({"min_p": 0.25}, {1, 2}),
        ({"min_p": 1.0}, {1}),
        ({"top_k": 2, "top_p": 0.7}, {1, 2}),  # 0.5 is 0.63 of what top_k leaves
        ({"top_k": 2, "top_p": 0.6}, {1}),
        ({"min_p": 0.25, "top_k": 3, "top_p": 0.6}, {1}),
    ],
)
def test_what_truncation_leaves_out_is_never_drawn(given, drawn):
    probabilities = torch.tensor([[0.12, 0.5, 0.3, 0.08]])
    u = torch.arange(0, 1, 1 / 64, dtype=torch.float64)
    logits, ones = torch.log(probabilities).repeat(64, 1), torch.ones(64)
    assert set(pick(logits, u, ones, Truncation(**given)).tolist()) == drawn
    assert set(pick(logits, u, ones * 0, Truncation(**given)).tolist()) == {1}


def test_uniforms_are_uniform_and_belong_to_seed_and_position():
    u = uniforms([0, 1, 2**64 + 1, -1], 1000)
    assert ((u >= 0) & (u < 1)).all() and (u.mean(1) - 0.5).abs().max() < 0.05
    assert torch.equal(u[1], u[2]) and not torch.equal(u[0], u[1])
    assert torch.equal(uniforms([0], 10)[0], u[0, :10])
    assert len(set(uniforms(range(1000), 1)[:, 0].tolist())) == 1000


def test_batches_pad_only_where_a_length_is_rare():
    lengths = [3] * 10 + [4] * 1 + [5] * 1 + [6] * 4
    assert list(_batches(list(range(16)), lengths, 4)) == [
        [0, 1, 2, 3],
        [4, 5, 6, 7],
        [8, 9],
        [10],
        [11],
        [12, 13, 14, 15],
    ]


def test_bfloat16_runs(tiny):
    rows = prompts(8)
    model = load_causal(tiny, dtype="bfloat16")
    assert len(generate(model, rows, range(8), temperature=1.0, **SETTINGS)) == 8


def test_less_memory_runs_fewer_side_by_side_and_stays_so(model, monkeypatch, capsys):
    rows, batch = prompts(60, (4, 5, 9, 11)), Batch(32)
    whole = generate(model, rows, range(60), temperature=0.5, **SETTINGS)
    refused = ration(60, monkeypatch.setattr)
    assert generate(model, rows, range(60), temperature=0.5, batch=batch, **SETTINGS) == whole
    assert batch.size < 16 and refused
    assert "out of memory with" in capsys.readouterr().err
    refused.clear()
    assert generate(model, rows, range(60), temperature=0.5, batch=batch, **SETTINGS) == whole
    assert not refused


def test_one_row_that_does_not_fit_is_an_error_and_others_are_not_hidden(model, monkeypatch):
    with monkeypatch.context() as patch:
        ration(3, patch.setattr)
        with pytest.raises(UserError, match="out of memory with one completion at a time"):
            generate(model, prompts(4), range(4), temperature=0, **SETTINGS)
    monkeypatch.setattr(type(model), "forward", lambda *args, **keywords: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        generate(model, prompts(4), range(4), temperature=0, **SETTINGS)
