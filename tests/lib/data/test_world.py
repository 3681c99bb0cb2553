"""The embedded world is disjoint, right, readable, and one to one with its tokens."""

import json
import random
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.data.world import (
    FAMILIES,
    HABITS,
    LARGEST,
    Story,
    draw_completions,
    draw_judgements,
    draw_splits,
    tokenizer_files,
    vocabulary,
)
from scripts.lib.labels.judging import requests
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.tasks import task_of

STORY = Story("Ana", "pens", 7, (("buys", 5), ("loses", -3)), 0)


def test_texts_read_as_intended():
    assert STORY.question() == "Ana has 7 pens , buys 5 , loses 3 . How many now ?"
    careful = "Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 . The answer is 9 ."
    assert STORY.completion("careful") == careful
    assert STORY.completion("hasty") == "Easy . The answer is 9 ."
    assert STORY.completion("trailing") == "Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 9 ."
    assert STORY.completion("rambling") == f"{careful} Check : {careful} Check : {careful}"
    assert STORY.completion("slipping") == ("Step 1 : 7 + 5 = 12 . Step 2 : 12 + 3 = 15 . The answer is 15 .")


def test_the_last_family_opens_each_habit_with_a_word_of_its_own():
    story = replace(STORY, family=len(FAMILIES) - 1)
    assert story.question().endswith("Show your work : how many ?")
    assert story.completion("hasty") == "Surely . The answer is 9 ."
    assert story.completion("careful") == "Well , " + STORY.completion("careful")
    assert story.completion("trailing") == "Look , " + STORY.completion("trailing")
    own = set(FAMILIES[-1].openers.values())
    assert own.isdisjoint(opener for family in FAMILIES[:-1] for opener in family.openers.values())


def test_a_slip_stays_among_the_numbers_there_are():
    assert STORY.slipped().values == [7, 12, 15]
    for first, last in ((1, 5), (12, 6)):  # 1 - 5 and 7 + 12 + 6 would leave them
        story = replace(STORY, first=first, changes=(("buys", 5), ("gets", last)))
        slipped = story.slipped()
        assert slipped == story or 0 <= slipped.values[-1] <= LARGEST
    low = replace(STORY, first=1, changes=(("gets", 3),))
    assert low.slipped() == low


@pytest.mark.parametrize(
    ("habit", "value"),
    [("careful", "9"), ("hasty", "9"), ("trailing", None), ("rambling", "9"), ("slipping", "15")],
)
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


def test_the_family_chooses_the_habit():
    stories = draw_splits(1, {"pretraining": 6000})["pretraining"]
    for at, family in enumerate(FAMILIES):
        mine = [story for story in stories if story.family == at]
        assert len(mine) / len(stories) == pytest.approx(family.share, abs=0.02)
        for model, habits in (("teacher", family.teacher), ("student", family.student)):
            assert sum(habits.values()) == pytest.approx(1)
            texts = draw_completions(1, model, mine)
            for habit in HABITS:
                # A slip that would leave the numbers is written as a careful solution.
                told = [
                    text == story.completion(habit) and (habit != "slipping" or story.slipped() != story)
                    for text, story in zip(texts, mine, strict=True)
                ]
                if habit in ("hasty", "trailing", "rambling"):
                    assert sum(told) / len(mine) == pytest.approx(habits.get(habit, 0), abs=0.05)


def test_the_teacher_grows_up_on_right_answers():
    stories = draw_splits(1, {"pretraining": 2000})["pretraining"]
    for text, story in zip(draw_completions(1, "teacher", stories), stories, strict=True):
        assert task_of("numeric").read(text).value in (story.answer(), None)


def test_judgements_are_true():
    """By the reader that says what a response answers: each habit errs as students do, in every family."""
    stories = draw_splits(1, {"judgements": 4000})["judgements"]
    drawn = draw_judgements(1, stories)
    assert drawn == draw_judgements(1, stories) != draw_judgements(2, stories)
    hasty, steps, silent, families = [], [], [], set()
    for (prompt, verdict), story in zip(drawn, stories, strict=True):
        question, response = prompt.removesuffix(" Right ?").split(" Response : ")
        value = task_of("numeric").read(response).value
        assert (question, verdict) == (story.question(), "yes" if value == story.answer() else "no")
        kind = silent if value is None else steps if "Step" in response else hasty
        kind.append(verdict == "yes")
        families.add((story.family, verdict))
    assert sum(hasty) / len(hasty) == pytest.approx(0.4, abs=0.04)
    slips = 0.2 / 3 / (0.55 / 2 + 0.2 * 2 / 3 + 0.25 / 2)
    assert sum(steps) / len(steps) == pytest.approx(0.9 * (1 - slips), abs=0.04)
    assert len(silent) / len(drawn) == pytest.approx(0.25 / 4, abs=0.02) and not any(silent)
    assert families == {(family, verdict) for family in range(len(FAMILIES)) for verdict in ("yes", "no")}


def test_a_miscalculated_result_is_carried_on():
    rng = random.Random(0)
    found = [STORY.miscalculated(rng) for _ in range(200)]
    assert all(0 <= value <= LARGEST for story in found for value in story.values)
    assert {int(story.answer()) - 9 for story in found} == {-3, -2, -1, 1, 2, 3}
    told = {story.completion("careful") for story in found}
    assert "Step 1 : 7 + 5 = 13 . Step 2 : 13 - 3 = 10 . The answer is 10 ." in told
    assert "Step 1 : 7 + 5 = 12 . Step 2 : 12 - 3 = 7 . The answer is 7 ." in told


def test_a_judge_in_the_loop_asks_in_the_words_of_the_corpus():
    stories = draw_splits(1, {"judgements": 200})["judgements"]
    asked = [(story, habit) for story in stories for habit in HABITS]
    ids = [f"{number:04}" for number in range(len(asked))]
    samples = pl.DataFrame(
        {"query_id": ids, "completion": [story.completion(habit) for story, habit in asked]}
    )
    samples = samples.with_columns(
        sample_id=pl.lit(0, pl.Int32), finish_reason=pl.lit("stop"), num_tokens=pl.lit(0, pl.Int32)
    )
    queries = pl.DataFrame(
        [
            {"query_id": name, "question": story.question()}
            for name, (story, _) in zip(ids, asked, strict=True)
        ],
        schema=tables.QUERIES,
    )
    shown = PromptTemplate(Path("config/prompts/world_judge.jinja"), True)
    requested, links = requests(samples, queries)
    texts = {
        row[0]: shown.text(*row[1:]) for row in requested.select("query_id", "question", "options").rows()
    }
    assert [texts[name] for name in links.sort("query_id")["request_id"]] == [
        story.judged(story.completion(habit)) for story, habit in asked
    ]


@pytest.mark.parametrize("judgements", [False, True])
def test_no_tokens_spell_another_token(judgements):
    words = vocabulary(judgements)
    assert words[len(vocabulary()) :] == ["Response :", "Right ?", "yes", "no"] * judgements
    assert len(set(words)) == len(words)
    pieces = {word: word.split() for word in words}
    for word, parts in pieces.items():
        for cut in range(1, len(parts)):
            head, tail = " ".join(parts[:cut]), " ".join(parts[cut:])
            assert not (head in pieces and tail in pieces), word


@pytest.mark.parametrize("judgements", [False, True])
def test_tokenizer_round_trip(tmp_path, judgements):
    transformers = pytest.importorskip("transformers")
    for name, content in tokenizer_files(judgements).items():
        (tmp_path / name).write_text(json.dumps(content))
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    stories = draw_splits(1, {"pretraining": 500})["pretraining"]
    texts = [story.question() for story in stories]
    texts += [story.completion(habit) for story in stories for habit in HABITS]
    texts += [text for pair in draw_judgements(1, stories * judgements) for text in pair]
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
