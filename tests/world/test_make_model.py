"""The byte-level base: any text survives a round trip, and the weights follow the seed."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from scripts.lib.models.settings import Untrained
from scripts.world.make_model import byte_tokenizer, main


def test_any_text_survives() -> None:
    tokenizer = byte_tokenizer()
    text = "naïve — 5 × 3 = 15 💡\n\tdone"
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(text.encode())
    assert tokenizer.decode(ids) == text


def test_the_folder_loads_as_a_classifier(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    made = Untrained(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=1, intermediate_size=64,
        max_position_embeddings=128,
    )  # fmt: skip
    main(made, 3, tmp_path / "model")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model", num_labels=1)
    assert model.config.pad_token_id == 0
