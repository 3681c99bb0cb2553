"""Pretraining: batches, schedule, determinism and a folder that loads."""

import json

import pytest

from scripts.lib.data.settings import World
from scripts.lib.models.settings import FromScratch
from scripts.world.pretrain import main, order, scale, token_weights
from scripts.world.world import main as make_world


def test_order_is_shuffled_passes():
    batches = list(order(10, 4, 5, seed=1))
    assert [len(batch) for batch in batches] == [4] * 5
    assert len({row for batch in batches[:2] for row in batch}) == 8
    assert batches == list(order(10, 4, 5, seed=1)) != list(order(10, 4, 5, seed=2))


def test_scale_warms_up_and_fades():
    values = [scale(step, 100) for step in range(100)]
    assert values[0] < values[10] < values[19]
    assert values[99] < 0.01


def test_the_first_token_weighs_as_one_habit_and_a_judgement_as_half_a_row():
    """Rows of four, three and two tokens, the end token among them; the last is a judgement."""
    torch = pytest.importorskip("torch")
    known = torch.tensor([[0, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 1, 0]], dtype=torch.bool)
    third = 1 / 3
    expected = [[0, 0.1, 0.25, 0.25, 0.25], [0, 0.1, third, third, 0], [0, 0, 0.5, 0.5, 0]]
    torch.testing.assert_close(token_weights(known), torch.tensor(expected))


def test_a_model_from_scratch(tmp_path):
    pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    make_world(tmp_path / "world", seed=1, sizes=World(pretraining=200, train=5, validation=5, test=5))
    (tmp_path / "prompt.jinja").write_text("{{ question }}\n")
    given = {"corpus": tmp_path / "world/corpus.parquet", "tokenizer": tmp_path / "world/tokenizer"}
    given |= {"prompt": tmp_path / "prompt.jinja"}
    given["made"] = FromScratch(
        role="student", hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=160,
        max_steps=30, batch_size=16, learning_rate=4e-3,
    )  # fmt: skip
    for name in "ab":
        main(**given, output=tmp_path / name, metrics=tmp_path / f"{name}.jsonl")
        assert {path.name for path in (tmp_path / name).iterdir()} >= {"model.safetensors", "README.md"}
    for path in [*(tmp_path / "a").iterdir(), tmp_path / "a.jsonl"]:
        other = tmp_path / str(path.relative_to(tmp_path)).replace("a", "b", 1)
        assert path.read_bytes() == other.read_bytes()
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 30
    assert rows[-1]["loss"] < rows[0]["loss"]
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "a")
    assert model.config.head_dim == 32
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "a").eos_token == "<|end|>"
