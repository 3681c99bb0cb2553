"""The embedded world is disjoint, right, readable, and one to one with its tokens."""

import json
import re

import polars as pl
import pytest

from scripts.lib.data.world import (
    HABIT_WEIGHTS,
    HABITS,
    PHRASES,
    Story,
    draw_completions,
    draw_splits,
    tokenizer_files,
    vocabulary,
)
from scripts.lib.tasks import task_of

STORY = Story("Ana", "pens", 7, (("buys", 5), ("loses", -3)), 0)


def test_texts_read_as_intended():
    assert STORY.question() == "Ana has 7 pens , buys 5 , loses 3 . How many now ?"
    assert STORY.completion("careful") == "Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 . The answer is 9 ."
    assert STORY.completion("hasty") == "Easy . The answer is 9 ."
    assert STORY.completion("trailing") == "Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 ."


@pytest.mark.parametrize(("habit", "value"), [("careful", "9"), ("hasty", "9"), ("trailing", None)])
def test_our_reader_reads_every_habit(habit, value):
    assert task_of("numeric").read(STORY.completion(habit)).value == value


def test_splits_share_no_question_nor_story_and_stay_in_range():
    splits = draw_splits(1, {"pretraining": 3000, "train": 500, "validation": 100, "test": 200})
    stories = [story for part in splits.values() for story in part]
    assert [len(part) for part in splits.values()] == [3000, 500, 100, 200]
    assert len({story.question() for story in stories}) == len({story.core for story in stories}) == 3800
    assert all(0 <= value <= 20 for story in stories for value in story.values)
    assert {len(story.changes) for story in stories} == {3, 4}
    for story in stories[:200]:
        total = story.first
        for sign, number in re.findall(r"([+-]) (\d+) =", story.completion("careful")):
            total += int(number) if sign == "+" else -int(number)
        assert str(total) == story.answer()


def test_a_seed_is_a_world():
    sizes = {"pretraining": 50, "train": 20}
    assert draw_splits(1, sizes) == draw_splits(1, sizes) != draw_splits(2, sizes)
    stories = draw_splits(1, sizes)["pretraining"]
    assert draw_completions(1, "teacher", stories) == draw_completions(1, "teacher", stories)
    assert draw_completions(1, "teacher", stories) != draw_completions(1, "student", stories)


def test_the_phrase_chooses_the_habit():
    stories = draw_splits(1, {"pretraining": 6000})["pretraining"]
    for model, rows in HABIT_WEIGHTS.items():
        texts = draw_completions(1, model, stories)
        for phrase, weights in enumerate(rows):
            assert sum(weights) == pytest.approx(1)
            mine = [text for text, story in zip(texts, stories, strict=True) if story.phrase == phrase]
            hasty = sum(text.startswith("Easy") for text in mine) / len(mine)
            assert hasty == pytest.approx(weights[HABITS.index("hasty")], abs=0.05)
    assert len(PHRASES) == len(HABIT_WEIGHTS["teacher"])


def test_no_tokens_spell_another_token():
    words = vocabulary()
    assert len(set(words)) == len(words)
    pieces = {word: word.split() for word in words}
    for word, parts in pieces.items():
        for cut in range(1, len(parts)):
            head, tail = " ".join(parts[:cut]), " ".join(parts[cut:])
            assert not (head in pieces and tail in pieces), word


def test_tokenizer_round_trip(tmp_path):
    transformers = pytest.importorskip("transformers")
    for name, content in tokenizer_files().items():
        (tmp_path / name).write_text(json.dumps(content))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    stories = draw_splits(1, {"pretraining": 500})["pretraining"]
    texts = [story.question() for story in stories]
    texts += [story.completion(habit) for story in stories for habit in HABITS]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert tokenizer.batch_decode(ids) == texts
    assert tokenizer.unk_token_id not in {token for row in ids for token in row}
    for odd in (
        [". The answer is", "9", "+", ".", "Easy"],
        ["pens", "Ana has", ".", "Step 1 :", ". Step 2 :"],
    ):
        row = tokenizer.convert_tokens_to_ids(odd)
        assert tokenizer(tokenizer.decode(row), add_special_tokens=False)["input_ids"] == row
    special = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id]
    assert len(set(special)) == 4
    shown = tokenizer.apply_chat_template(
        [{"role": "user", "content": texts[0]}], add_generation_prompt=True, tokenize=False
    )
    assert shown == f"<|begin|><|user|>{texts[0]}<|assistant|>"
    tokenizer.save_pretrained(tmp_path / "again")
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "again")(texts, add_special_tokens=False)[
        "input_ids"
    ] == list(ids)


def test_corpus_columns_are_text():
    from scripts.lib.data.world import CORPUS

    assert set(CORPUS.values()) == {pl.String()}
