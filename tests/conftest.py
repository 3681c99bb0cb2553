"""Fixtures that several tests share."""

import pytest

from tests.tiny import tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The folder of a tiny random Llama with a tokenizer; skips where torch is absent."""
    pytest.importorskip("torch")
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")
