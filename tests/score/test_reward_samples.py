"""Rewards of samples: each text's own, whatever stands beside it in a batch."""

import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("trl")

from scripts.lib.data import tables
from scripts.lib.models.loading import load_tokenizer
from scripts.lib.training.reward import load_reward
from scripts.score.reward_samples import main
from tests.support.tiny import tiny_model
from tests.support.training_data import write_training_data
from tests.train.test_evaluate_reward import scored_alone


def test_each_sample_gets_the_reward_of_its_text_and_equal_texts_the_same(tmp_path):
    model = tiny_model(tmp_path / "tiny")
    network, tokenizer = load_reward(str(model), None, seed=1), load_tokenizer(model)
    network.save_pretrained(tmp_path / "rm")
    tokenizer.save_pretrained(tmp_path / "rm")
    data = tmp_path / "data"
    given = write_training_data(data) | {"model": str(tmp_path / "rm"), "samples": data / "student.parquet"}
    table = tables.read(given["samples"], tables.SAMPLES)
    again = table.filter(pl.col("sample_id") == 0).with_columns(sample_id=pl.lit(7, pl.Int32))
    tables.write(pl.concat([table, again]), given["samples"], tables.SAMPLES)
    main(**given, output=tmp_path / "rewards.parquet", tokens_per_batch=40)
    files = given | {f"{source}_samples": [data / f"{source}.parquet"] for source in ("teacher", "student")}
    alone = scored_alone(network, tokenizer, files)
    rewards = tables.read(tmp_path / "rewards.parquet", tables.REWARDS)
    for query, number, reward in rewards.iter_rows():
        assert reward == pytest.approx(alone[query, "student", number], abs=1e-6)
