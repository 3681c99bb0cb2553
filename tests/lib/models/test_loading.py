"""What is loaded: a model all of whose tokens learn, and one line for a model that cannot be read."""

import shutil

import pytest

torch = pytest.importorskip("torch")

from scripts.lib.errors import UserError  # noqa: E402
from scripts.lib.models.loading import load_causal  # noqa: E402
from scripts.lib.training.ppo.model import load  # noqa: E402
from scripts.lib.training.reward import load_reward  # noqa: E402
from tests.support.tiny import tiny_model  # noqa: E402


@pytest.mark.parametrize("loaded", [load_causal, lambda model: load("policy", model, torch.float32)])
def test_an_end_token_that_pads_learns_like_any_other(tmp_path, loaded):
    """Its embedding's gradient is that of a model which pads with another one."""
    found = []
    for name, padding in (("end", 2), ("own", 0)):
        model = loaded(str(tiny_model(tmp_path / name, pad_token_id=padding)))
        model.load_state_dict(load_causal(str(tmp_path / "end")).state_dict())
        ids = torch.tensor([[1, 5, 2, 6, 7]])
        model(input_ids=ids, labels=ids).loss.backward()
        found.append(model.get_input_embeddings().weight.grad[2])
    assert torch.equal(*found) and found[0].abs().max() > 0


@pytest.mark.parametrize(
    "read",
    [
        load_causal,
        lambda model: load_reward(model, None, seed=0),
        lambda model: load("policy", model, torch.float32),
        lambda model: load("reward", model, torch.float32),
    ],
    ids=["causal", "reward", "policy", "rewarder"],
)
@pytest.mark.parametrize("left", [0, 40, 2000])
def test_weights_that_are_cut_off(tiny, tmp_path, read, left):
    model = shutil.copytree(tiny, tmp_path / "model")
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:left])
    with pytest.raises(UserError, match="model"):
        read(str(model))
