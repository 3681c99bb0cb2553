"""What the tests of PPO's batches share."""

import pytest


@pytest.fixture(scope="session")
def networks(tmp_path_factory):
    """The folder of student/ and reward/; skips where torch is absent."""
    pytest.importorskip("torch")
    from tests.support.ppo_batch import write_networks

    return write_networks(tmp_path_factory.mktemp("networks"))


@pytest.fixture
def doubles(monkeypatch):
    """Tensors are made in float64, and what the code casts to float32 is cast there, too: the same arithmetic
    to fifteen digits."""
    import torch

    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)
