"""What is loaded: a model all of whose tokens learn, and one line for a model that cannot be read."""

import os
import shutil
import subprocess
import sys

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


SAVED = """
import sys
from scripts.lib.models.identity import content
from scripts.lib.models.loading import load_causal, load_tokenizer
from pathlib import Path
load_tokenizer(sys.argv[1]).save_pretrained(sys.argv[2])
load_causal(sys.argv[1]).save_pretrained(sys.argv[2])
print(content(Path(sys.argv[2])))
"""


def test_what_users_set_for_their_jobs_changes_no_byte_of_a_model(tiny, tmp_path):
    """Every variable that the documentation names, at once, and another place of the model."""
    cache = str(tmp_path / "cache")
    told = {"HF_HUB_OFFLINE": "1", "HF_TOKEN": "hf_a", "HF_HOME": cache, "XDG_CACHE_HOME": cache}
    told |= {"TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1"}
    plain = {key: value for key, value in os.environ.items() if key not in told} | {"OMP_NUM_THREADS": "1"}
    model, found = shutil.copytree(tiny, tmp_path / "elsewhere"), []
    for start, name, environment in ((tiny, "plain", plain), (model, "told", plain | told)):
        command = [sys.executable, "-c", SAVED, str(start), str(tmp_path / name)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout)
    assert found[0] == found[1]
    for file in (tmp_path / "plain").iterdir():
        assert file.read_bytes() == (tmp_path / "told" / file.name).read_bytes(), file.name
