"""The world's files: their columns, their gate, and that no answer is in the queries."""

import json

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.data.hashing import content_id
from scripts.lib.data.leakage import leaks
from scripts.lib.data.settings import World
from scripts.lib.data.world import CORPUS, draw_splits
from scripts.lib.errors import UserError
from scripts.world.world import check_disjoint, main

SIZES = {"pretraining": 300, "train": 60, "validation": 20, "test": 30}


def test_files(tmp_path):
    for name in "ab":
        main(tmp_path / name, seed=1, sizes=World(**SIZES))
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert [str(path) for path in files] == [
        "corpus.parquet",
        "test.parquet",
        "test_golds.parquet",
        "tokenizer/tokenizer.json",
        "tokenizer/tokenizer_config.json",
        "train.parquet",
        "train_golds.parquet",
        "validation.parquet",
        "validation_golds.parquet",
    ]
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
    corpus = tables.read(tmp_path / "a/corpus.parquet", CORPUS)
    assert corpus["model"].value_counts().sort("model").rows() == [("student", 300), ("teacher", 300)]
    parts = {}
    for split in ("train", "validation", "test"):
        parts[split] = tables.read(tmp_path / f"a/{split}.parquet", tables.QUERIES)
        golds = tables.read(tmp_path / f"a/{split}_golds.parquet", tables.GOLDS)
        assert parts[split].height == SIZES[split]
        assert golds["query_id"].to_list() == parts[split]["query_id"].to_list()
        assert not set(parts[split]["question"]) & set(corpus["prompt"])
    held_out = pl.concat([parts["validation"], parts["test"]])
    assert leaks(parts["train"], held_out).is_empty()


def test_a_world_is_what_it_was(tmp_path):
    """Studies rest on it to the last bit: what is added leaves its texts and its tokens as they are."""
    main(tmp_path, seed=1, sizes=World(**SIZES))
    corpus = tables.read(tmp_path / "corpus.parquet", CORPUS)
    words = json.loads((tmp_path / "tokenizer/tokenizer.json").read_text(encoding="utf-8"))
    test = tables.read(tmp_path / "test.parquet", tables.QUERIES)
    found = [json.dumps(each) for each in (corpus.rows(), words, test["question"].to_list())]
    assert [content_id(each) for each in found] == [
        "104ee355a99d5532",
        "4910fd2a9e91a610",
        "96fdf2f39ed5af06",
    ]


def test_a_world_with_judgements_is_the_same_world(tmp_path):
    """Its questions, and what the student grows up on; the teacher learns to judge other questions, too."""
    for name, judgements in (("plain", 0), ("judged", 200)):
        main(tmp_path / name, seed=1, sizes=World(**SIZES, judgements=judgements))
    names = [f"{split}{golds}" for split in ("train", "validation", "test") for golds in ("", "_golds")]
    for name in names:
        assert (tmp_path / "plain" / f"{name}.parquet").read_bytes() == (
            tmp_path / "judged" / f"{name}.parquet"
        ).read_bytes()
    plain, judged = (tables.read(tmp_path / name / "corpus.parquet", CORPUS) for name in ("plain", "judged"))
    asked = judged["prompt"].str.ends_with("Right ?")
    assert judged.filter(~asked).equals(plain)
    judgements = judged.filter(asked)
    assert judgements["model"].to_list() == ["teacher"] * 200
    assert set(judgements["completion"]) == {"yes", "no"}
    others = pl.concat(
        [
            plain["prompt"],
            *(
                tables.read(tmp_path / f"plain/{split}.parquet", tables.QUERIES)["question"]
                for split in ("train", "validation", "test")
            ),
        ]
    )
    assert not set(judgements["prompt"].str.split(" Response :").list.first()) & set(others)


def test_ids_tell_seeds_apart(tmp_path):
    for seed in (1, 2):
        main(tmp_path / str(seed), seed=seed, sizes=World(**SIZES))
    one, other = (tables.read(tmp_path / f"{seed}/test.parquet", tables.QUERIES) for seed in (1, 2))
    assert one["query_id"][0] == "1-test-00000"
    assert not set(one["query_id"]) & set(other["query_id"])


@pytest.mark.parametrize("change", ["question", "names"])
def test_the_gate_stops_a_shared_story(change):
    splits = draw_splits(1, {"train": 5, "test": 5})
    story = splits["train"][0]
    if change == "names":
        story = type(story)("Nobody", "pens", story.first, story.changes, story.family)
    splits["test"][0] = story
    with pytest.raises(UserError, match="occur twice"):
        check_disjoint(splits)
