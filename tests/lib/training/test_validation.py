"""What chooses checkpoints: which questions, how often they are asked, and what counts as right."""

from types import SimpleNamespace

import polars as pl
import pytest

from scripts.lib.data import tables
from scripts.lib.errors import UserError
from scripts.lib.models.thoughts import ThoughtForm
from scripts.lib.training import validation
from scripts.lib.training.flags import Validation
from scripts.lib.training.validation import answered, answers_to, asks, kept, metric_of

ASKED = pl.DataFrame({"query_id": ["a", "b", "c", "d"], "question": ["A?", "B?", "C?", "D?"]}).with_columns(
    options=pl.lit([], dtype=pl.List(pl.String)), group=pl.lit(""), shots=pl.lit(None)
)
VOTED = pl.DataFrame(
    {"query_id": ["a", "b", "c"], "label": ["1", None, "3"], "reason": ["ok", "tie", "ok"]}
).with_columns(share=0.8, votes=8, m=10)


def write(folder, golds=None, labels=None, task="numeric") -> Validation:
    tables.write(ASKED, folder / "asked.parquet", tables.QUERIES)
    files = {"validation": folder / "asked.parquet", "task": task}
    if golds is not None:
        tables.write(
            pl.DataFrame(golds, schema=tables.GOLDS, orient="row"), folder / "golds.parquet", tables.GOLDS
        )
        files["validation_golds"] = folder / "golds.parquet"
    if labels is not None:
        tables.write(labels, folder / "labels.parquet", tables.LABELS)
        files["validation_labels"] = folder / "labels.parquet"
    return Validation(**files)


def pairs(table: pl.DataFrame) -> list[tuple]:
    return table.select("query_id", "answer").rows()


def test_by_golds_every_question_counts_with_its_canonical_answer(tmp_path) -> None:
    flags = write(tmp_path, golds=[("d", "4.0"), ("c", "1,000"), ("b", "2"), ("a", "1"), ("gone", "9")])
    assert metric_of(flags) == "accuracy"
    assert flags.validation_files == [tmp_path / "asked.parquet", tmp_path / "golds.parquet"]
    assert pairs(answered(flags)) == [("a", "1"), ("b", "2"), ("c", "1000"), ("d", "4")]


def test_a_missing_gold_is_one_line(tmp_path) -> None:
    with pytest.raises(UserError, match="lacks answers to 2 questions"):
        answered(write(tmp_path, golds=[("a", "1"), ("b", "2")]))


def test_by_votes_only_labelled_questions_count(tmp_path) -> None:
    flags = write(tmp_path, labels=VOTED)
    assert metric_of(flags) == "agreement"
    assert flags.validation_files == [tmp_path / "asked.parquet", tmp_path / "labels.parquet"]
    assert pairs(answered(flags)) == [("a", "1"), ("c", "3")]


def test_a_vote_that_labels_nothing_is_one_line(tmp_path) -> None:
    nothing = VOTED.with_columns(label=pl.lit(None, dtype=pl.String))
    with pytest.raises(UserError, match="labels no question of .*asked.parquet"):
        answered(write(tmp_path, labels=nothing))


def test_judged_questions_have_valid_responses(tmp_path) -> None:
    flags = write(tmp_path, task="open")
    assert metric_of(flags) == "valid"
    assert pairs(answered(flags)) == [(name, "valid") for name in "abcd"]
    assert answers_to(flags, 4) == 1
    assert answers_to(write(tmp_path, labels=VOTED), 2) == 9


@pytest.mark.parametrize(
    ("total", "expected"),
    [(1, [1]), (3, [1, 2, 3]), (8, [*range(1, 9)]), (20, [3, 5, 8, 10, 13, 15, 18, 20])],
)
def test_a_judge_is_shown_eight_candidates_at_most_the_last_among_them(total, expected) -> None:
    assert [number for number in range(1, total + 1) if kept(number, total)] == expected


def many(count: int) -> pl.DataFrame:
    return pl.DataFrame({"query_id": [f"q{number}" for number in range(count)]})


def test_few_questions_are_asked_nine_times_each(tmp_path) -> None:
    asked = asks(many(99), 9)
    assert asked.height == 99 * 9
    assert asked["temperature"].to_list() == [0.0] * 99 + [0.7] * 99 * 8
    assert asked["query_id"].to_list() == many(99)["query_id"].to_list() * 9
    assert asked["seed"][99:].n_unique() == 99 * 8 and asked["seed"].min() >= 0


def test_many_questions_are_answered_greedily_once() -> None:
    asked = asks(many(100), 1)
    assert (asked.height, set(asked["temperature"])) == (100, {0.0})


def test_a_draw_depends_on_its_question_and_its_number_alone() -> None:
    first, second = (
        asks(table, 9).filter(pl.col("query_id") == "q5")["seed"].to_list()
        for table in (many(10), many(10).reverse())
    )
    assert first == second and len(set(first)) == 9


@pytest.mark.parametrize("ending", [[0], [4, 5]], ids=["end token", "stop string"])
@pytest.mark.parametrize("processes", [1, 2])
def test_the_share_of_right_answers_is_over_all_answers_of_all_questions(
    tmp_path, monkeypatch, capsys, processes, ending
) -> None:
    """What follows a stop string answers another question."""
    pytest.importorskip("torch")
    from scripts.lib.models import generation

    asked_for = {}

    def generate(model, prompts, seeds, *, temperature, max_tokens, eos_token_id, **rest):
        asked_for.update(seeds=seeds, temperature=temperature, max_tokens=max_tokens)
        # Question a is answered rightly, c wrongly, and the last answer, 3, is cut off: it may become 30.
        said = [[1, *ending] if prompt == ["a"] else [2, 0] for prompt in prompts]
        return [*said[:-1], [3]]

    monkeypatch.setattr(generation, "generate", generate)
    monkeypatch.setattr("scripts.lib.models.loading.end_token_ids", lambda *_: [0])
    monkeypatch.setattr(validation, "prompt_ids", lambda _, __, table: [[name] for name in table["query_id"]])
    monkeypatch.setattr(validation, "thought_form", lambda *_: ThoughtForm(opened=True))
    words = {1: "2?</think>The answer is 1.", 2: "1?</think>The answer is 2.", 3: "</think>The answer is 3"}
    words |= {0: "", 4: "\nQ", 5: ": The answer is 2."}
    tokenizer = SimpleNamespace(
        added_tokens_decoder={},
        batch_decode=lambda ids, **_: ["".join(words[token] for token in row) for row in ids],
    )
    accelerator = SimpleNamespace(
        num_processes=processes, process_index=0, is_main_process=True, device="cpu", reduce=lambda x: x
    )
    trainer = SimpleNamespace(accelerator=accelerator, model=SimpleNamespace(generation_config=None))
    template = SimpleNamespace(stops=("\nQ:",))
    measure = validation.measure_answers(write(tmp_path, labels=VOTED), 8, tokenizer, template, trainer)
    told = capsys.readouterr().err
    assert "chosen by agreement with the teacher's votes on 2 questions, 9 answers each" in told
    assert "warning: 2 validation questions" in told
    found = measure(None)
    if processes == 1:
        assert found == {"agreement": 9 / 18, "n": 2, "unparsed_rate": 1 / 18}
        assert asked_for["temperature"] == [0.0] * 2 + [0.7] * 16 and asked_for["max_tokens"] == 512
    else:
        assert found == {"agreement": 8 / 18, "n": 2, "unparsed_rate": 1 / 18}
        assert len(asked_for["seeds"]) == 9
