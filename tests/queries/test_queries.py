import json
import os
from pathlib import Path

import polars as pl
import pytest

from scripts.lib.data.leakage import normalise
from scripts.lib.data.settings import Shots
from scripts.lib.data.tables import GOLDS, QUERIES, read
from scripts.lib.errors import UserError
from scripts.queries.queries import main, split_rows, units
from tests.support.steps import call

SHARED = os.environ.get("REDISTILL_SHARED_DATA", "")
real = pytest.mark.skipif(not SHARED, reason="real data: REDISTILL_SHARED_DATA is not set")


def rows(count, start=0):
    return [
        {"question": f"How many are {i} and {i}?", "answer": f"<<{i}+{i}={2 * i}>>\n#### {2 * i:,}"}
        for i in range(start, start + count)
    ]


def save(path, content):
    path.write_text("\n".join(json.dumps(row) for row in content))
    return path


def split(folder, source, task="numeric", **options):
    folder.mkdir(exist_ok=True)
    paths = {
        name: folder / f"{name}.parquet"
        for part in ("train", "validation", "test")
        for name in (part, f"{part}_golds")
    }
    call(main, input=source, task=task, **paths, **options)
    return {name: read(path, GOLDS if "golds" in name else QUERIES) for name, path in paths.items()}


def benchmark(folder, source, task, **options):
    paths = {"queries": folder / "q.parquet", "golds": folder / "g.parquet"}
    call(main, input=source, task=task, **paths, **options)
    return read(folder / "q.parquet", QUERIES), read(folder / "g.parquet", GOLDS)


def test_split_keeps_golds_apart(tmp_path):
    parts = split(
        tmp_path, save(tmp_path / "q.jsonl", rows(1000)), validation_fraction=0.2, test_fraction=0.1
    )
    assert parts["train"].columns == list(QUERIES)
    sizes = [parts[name].height for name in ("train", "validation", "test")]
    assert sum(sizes) == 1000 and 130 < sizes[1] < 230 and 70 < sizes[2] < 130
    for name in ("train", "validation", "test"):
        assert parts[name]["query_id"].to_list() == parts[f"{name}_golds"]["query_id"].to_list()
    golds = pl.concat(parts[f"{name}_golds"] for name in ("train", "validation", "test"))
    assert sorted(map(int, golds["answer"])) == [2 * i for i in range(1000)]


def test_more_questions_leave_the_old_ones_alone(tmp_path):
    before = split(tmp_path / "a", save(tmp_path / "a.jsonl", rows(500)), test_fraction=0.1)
    after = split(
        tmp_path / "b", save(tmp_path / "b.jsonl", rows(500, start=500) + rows(500)), test_fraction=0.1
    )
    for name, table in before.items():
        assert table.join(after[name], on=table.columns, how="anti", nulls_equal=True).is_empty()
    again = split(tmp_path / "c", tmp_path / "a.jsonl", test_fraction=0.1, seed=1)
    for part in ("validation", "test"):
        assert set(again[part]["query_id"]) != set(before[part]["query_id"])


def test_the_same_bytes_twice(tmp_path):
    source = save(tmp_path / "q.jsonl", rows(50))
    split(tmp_path / "a", source), split(tmp_path / "b", source)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_where_golds_choose_every_validation_question_needs_one(tmp_path):
    some = [row if at % 2 else row | {"answer": ""} for at, row in enumerate(rows(40))]
    source = save(tmp_path / "q.jsonl", some)
    with pytest.raises(
        UserError, match=r"\d+ of \d+ validation questions have no answer .* chosen_by: votes"
    ):
        split(tmp_path / "a", source, validation_fraction=0.5, chosen_by="golds")
    assert not (tmp_path / "a/train.parquet").exists()
    parts = split(tmp_path / "b", source, validation_fraction=0.5, chosen_by="votes")
    assert 0 < parts["validation_golds"].height < parts["validation"].height
    whole = split(tmp_path / "c", save(tmp_path / "w.jsonl", rows(40)), chosen_by="golds")
    assert whole["validation_golds"].height == whole["validation"].height
    without = split(tmp_path / "d", source, validation_fraction=0.0, chosen_by="golds")
    assert without["validation"].is_empty()


@pytest.mark.parametrize(
    ("count", "shares", "message"),
    [
        (
            1,
            {"validation_fraction": 0.99},
            "is left to learn from; bring more, or lower validation_fraction$",
        ),
        (1, {"validation_fraction": 0.01}, "is left to choose checkpoints by; .* set validation_fraction to"),
        (1, {"validation_fraction": 0.0, "test_fraction": 0.01}, "is left to test on; .* set test_fraction"),
        (2, {"validation_fraction": 0.99, "test_fraction": 0.1}, "learn from; .*_fraction or test_fraction"),
    ],
)
def test_a_part_that_is_asked_for_has_a_question(tmp_path, count, shares, message):
    source = save(tmp_path / "few.jsonl", [{"question": name} for name in ("How many?", "Who?")[:count]])
    with pytest.raises(UserError, match=rf"few\.jsonl: no question .*{message}"):
        split(tmp_path / "out", source, **shares)


def test_one_question_may_be_learnt_where_nothing_is_held_out(tmp_path):
    parts = split(tmp_path, save(tmp_path / "q.jsonl", rows(1)), validation_fraction=0.0)
    assert parts["train"].height == 1


def test_questions_alone_are_enough(tmp_path):
    parts = split(tmp_path, save(tmp_path / "q.jsonl", [{"prompt": f"Question {i}?"} for i in range(40)]))
    assert parts["train"].height + parts["validation"].height == 40
    assert parts["validation"].height and parts["validation_golds"].is_empty() and parts["test"].is_empty()


def test_what_belongs_together_stays_together():
    long = (
        "A farmer has some sheep and some goats in a field behind the old mill near the river , "
        "and he counts {} legs . How many ?"
    )
    questions = ["What is it?", "what IS it", "a", "b", "c", long.format(12), long.format(48)]
    groups = ["", "x", "x", "", "y", "", ""]
    table = pl.DataFrame({"question": questions, "group": groups})
    found = units(table).to_list()
    assert found[0] == found[1] == found[2] and found[5] == found[6]
    assert len(set(found)) == 4
    many = pl.DataFrame(
        {"question": [f"Q{i}" for i in range(300)], "group": [f"g{i % 30}" for i in range(300)]}
    )
    parts = many.with_columns(split_rows(many, 0.3, 0.3, 0))
    assert parts.group_by("group").agg(pl.col("split").n_unique())["split"].max() == 1
    assert parts["split"].n_unique() == 3


def test_given_ids_options_and_groups(tmp_path):
    content = [
        {"id": 7, "query": "Which?", "choices": [" one", "two "], "answer": "(b)", "kind": "k"},
        {"id": 8, "query": "What?", "choices": None, "answer": None, "kind": None},
    ]
    questions, golds = benchmark(tmp_path, save(tmp_path / "q.jsonl", content), "choice", group_column="kind")
    assert questions.rows() == [("7", "Which?", ["one", "two"], "k", []), ("8", "What?", [], "", [])]
    assert golds.rows() == [("7", "B")]


def test_repeated_questions(tmp_path, capsys):
    source = save(tmp_path / "q.jsonl", rows(20) + rows(5))
    parts = split(tmp_path, source)
    assert parts["train"].height + parts["validation"].height == 20
    assert "5 repeated questions are left out" in capsys.readouterr().err
    questions, golds = benchmark(tmp_path, source, "numeric")
    assert questions.height == golds.height == 25 and questions["query_id"].n_unique() == 25


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ([{"question": "a"}, {"question": " "}], {}, "row 2: the question .question. is empty"),
        ([{"question": "a"}, {"other": 1}], {}, "row 2: the question .question. is missing"),
        ([{"question": ["a"]}], {}, "row 1: the question .question. is not text"),
        ([{"text": "a"}], {}, "no column question, prompt, instruction or query"),
        ([{"question": "a"}], {"question_column": "qestion"}, "did you mean 'question'"),
        ([{"question": "a", "answer": "no idea"}], {}, "row 1: the answer .answer.: .*not a number"),
        (
            [{"id": 1, "question": "a"}, {"id": "1", "question": "b"}],
            {},
            "1 ids occur twice, the first is '1'",
        ),
        ([{"id": 1, "question": "a"}, {"question": "b"}], {}, "row 2: the id .id. is missing"),
        ([{"question": "a", "answer": ["5"]}], {}, "row 1: the answer .answer.: .'5'. is neither text nor a"),
        ([{"id": {"a": 1}, "question": "a"}], {}, "row 1: the id .id. {'a': 1} is neither text nor a whole"),
        ([{"id": False, "question": "a"}], {}, "row 1: the id .id. False is neither"),
        ([{"id": [1], "question": "a"}], {}, "row 1: the id .id. .1. is neither"),
        ([{"id": 1.5, "question": "a"}], {}, "row 1: the id .id. 1.5 is neither"),
        (
            [{"question": "a", "gold": "5"}, {"question": "b", "answer": "6"}],
            {},
            "row 1: the answer stands in 'gold', that of other rows in 'answer'",
        ),
        ([{"id": float("nan"), "question": "a"}], {}, "row 1: the id .id. is missing"),
        ([{"question": float("nan")}], {}, "row 1: the question .question. is missing"),
        ([{"question": "a", "options": ["x", None]}], {}, "row 1: option 2 .options. is None, no text"),
        ([{"question": "a", "options": [float("nan")]}], {}, "row 1: option 1 .options. is None, no text"),
        ([{"question": "a", "choices": [{"text": "x"}]}], {}, "row 1: option 1 .choices. is {'text': 'x'}"),
        ([{"question": "a", "options": "A or B"}], {}, "row 1: the options .options. are not a list"),
        (
            [{"question": "a", "options": [str(n) for n in range(27)]}],
            {"task": "choice"},
            "row 1: the options .options. are 27, and letters name 26",
        ),
        ([{"question": "a"}], {"validation_fraction": 1.5}, "validation_fraction is 1.5"),
    ],
)
def test_bad_input_is_named_in_one_line(tmp_path, content, options, message):
    with pytest.raises(UserError, match=message) as caught:
        split(tmp_path, save(tmp_path / "q.jsonl", content), **options)
    assert "\n" not in str(caught.value)


TEN = [str(n) for n in range(10)]


def test_halves_of_characters_are_replaced(tmp_path):
    """In questions, ids, options and golds: valid JSON, which no table, prompt or page can hold."""
    options = ["\ud800 x", 1, 2.5]
    half = [
        {"id": f"{i} \ud83d", "question": f"a {i} \ude00?", "options": options, "group": "\udfff"}
        for i in range(3)
    ]
    queries, golds = benchmark(
        tmp_path, save(tmp_path / "q", [row | {"answer": "\ud83d x"} for row in half]), "exact"
    )
    assert queries["query_id"].to_list() == [f"{i} \ufffd" for i in range(3)]
    assert queries["question"][0] == "a 0 \ufffd?" and queries["options"][0].to_list() == [
        "\ufffd x",
        "1",
        "2.5",
    ]
    assert queries["group"][0] == "\ufffd" and golds.height == 3


def test_numbers_of_parquet_are_no_groups_where_they_are_none(tmp_path):
    table = pl.DataFrame({"question": ["a b c", "d e f"], "group": [float("nan"), 2.0]})
    table.write_parquet(tmp_path / "q.parquet")
    queries, _ = benchmark(tmp_path / "out", tmp_path / "q.parquet", "numeric")
    assert sorted(queries["group"]) == ["", "2.0"]


@pytest.mark.parametrize(
    ("answers", "options", "message"),
    [
        ("CK", TEN, r"row 2: the answer \(answer\): K is none of the question's 10 options, A to J; mend it"),
        (
            "AED",
            ["x", "y", "z"],
            r"row 2: .*E is none of .* 3 options, A to C;.* \(2 of 3 rows are wrong\)",
        ),
        ("AK", [], "row 2: .*K is none of the question's 10 options, A to J"),
        ([10], TEN, "row 1: .*'10' is not an option letter"),
        (["none of these"], TEN, "row 1: .*'none of these' is not an option letter"),
    ],
)
def test_a_gold_that_no_answer_can_equal_is_refused(tmp_path, answers, options, message):
    content = [
        {"question": f"Which {i}?", "options": options, "answer": each} for i, each in enumerate(answers)
    ]
    with pytest.raises(UserError, match=message) as caught:
        benchmark(tmp_path, save(tmp_path / "q.jsonl", content), "choice")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "answer", "options", "message"),
    [
        ("exact", "maybe", ["Yes", "no"], "row 1: .*'maybe' is none of the question's 2 options; mend it"),
        ("exact", "yes", ["Yes", "yes"], "row 1: .*the option 'Yes' is there twice, but for case"),
        ("exact", "yes", ["yes", "no", "**No**"], "row 1: .*the option 'no' is there twice"),
    ],
)
def test_a_gold_is_one_option_and_one_alone(tmp_path, task, answer, options, message):
    source = save(tmp_path / "q.jsonl", [{"question": "Which?", "options": options, "answer": answer}])
    with pytest.raises(UserError, match=message) as caught:
        benchmark(tmp_path, source, task)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("task", "answer", "options", "gold"),
    [
        ("exact", "**Yes**.", ["yes", "no"], "yes"),
        ("exact", "Paris", [], "paris"),
        ("choice", "A", ["Bb", "BB", "N/A", "N/A"], "A"),
        ("choice", "A", ["", "", ""], "A"),
    ],
)
def test_options_of_like_texts_are_told_apart(tmp_path, task, answer, options, gold):
    source = save(tmp_path / "q.jsonl", [{"question": "Which?", "options": options, "answer": answer}])
    assert benchmark(tmp_path, source, task)[1]["answer"].to_list() == [gold]


def test_the_last_option_is_a_gold(tmp_path):
    content = [{"question": f"Which {i}?", "options": TEN[: 3 + i], "answer": "CDE"[i]} for i in range(3)]
    content.append({"question": "And which?", "answer": "J"})
    _, golds = benchmark(tmp_path, save(tmp_path / "q.jsonl", content), "choice", id_column="row")
    assert golds["answer"].to_list() == ["C", "D", "E", "J"]


def worked(kind, count, options=()):
    """Worked examples of a kind, as MMLU-Pro's validation split has them."""
    return [
        {
            "question": f"Why {kind} {n}?",
            "options": [*options],
            "category": kind,
            "cot": f" Since {kind} {n}. ",
        }
        for n in range(count)
    ]


FOUR = ["law 0", "law 1", "law 2", "art 0"]
SHOWN = {"n": 2, "group_column": "category", "answer_column": "cot"}


def test_a_question_is_shown_the_first_examples_of_its_own_kind(tmp_path):
    examples = save(tmp_path / "shots.jsonl", worked("law", 3) + worked("art", 2, [" x ", "y"]))
    kinds = ["art", "law", "law"]
    source = save(
        tmp_path / "q.jsonl",
        [{"id": n, "question": f"Q{n}?", "category": kind} for n, kind in enumerate(kinds)],
    )
    table, _ = benchmark(tmp_path, source, "exact", shots=Shots(file=examples, **SHOWN))
    law = [{"question": f"Why law {n}?", "options": [], "answer": f"Since law {n}."} for n in (0, 1)]
    art = [{"question": f"Why art {n}?", "options": ["x", "y"], "answer": f"Since art {n}."} for n in (0, 1)]
    assert table["shots"].to_list() == [art, law, law]
    assert table["group"].to_list() == ["", "", ""]
    table, _ = benchmark(tmp_path, source, "exact", shots=Shots(file=examples, n=4, answer_column="cot"))
    assert [each["answer"] for each in table["shots"][2]] == [f"Since {kind}." for kind in FOUR]


def test_the_kind_of_an_example_has_no_say_in_the_split(tmp_path):
    content = [row | {"category": "one" if n % 2 else "two"} for n, row in enumerate(rows(60))]
    source = save(tmp_path / "q.jsonl", content)
    examples = save(tmp_path / "shots.jsonl", worked("one", 2) + worked("two", 2))
    plain = split(tmp_path / "a", source, test_fraction=0.2)
    shown = split(tmp_path / "b", source, test_fraction=0.2, shots=Shots(file=examples, **SHOWN))
    for name in plain:
        assert plain[name]["query_id"].to_list() == shown[name]["query_id"].to_list()
    assert plain["test"]["shots"].list.len().sum() == 0
    assert set(shown["test"]["shots"].list.len()) == {2}


@pytest.mark.parametrize(
    ("examples", "shown", "message"),
    [
        (
            worked("law", 2),
            {},
            "has 0 worked examples for the questions of category 'art', and shots.n is 2 .1 of 2",
        ),
        (
            worked("law", 2) + worked("art", 1),
            {},
            "has 1 worked examples for the questions of category 'art'",
        ),
        (
            worked("law", 2),
            {"group_column": None, "n": 3},
            "has 2 worked examples for the questions, and shots.n is 3",
        ),
        (
            [*worked("law", 3), {"question": "q0 ?", "options": ["A", "b"], "category": "art", "cot": "x"}],
            {},
            "shots.jsonl: 1 of 4 worked examples are among the questions, first 'q0 .'; show",
        ),
        (worked("law", 2), {"answer_column": "why"}, "no column 'why' for the worked answer"),
        (worked("law", 2), {"group_column": "kind"}, "q.jsonl has no column 'kind' for the kind"),
        ([{"question": "a", "category": "law", "cot": " "}], {}, "row 1: the worked answer .cot. is no text"),
        ([{"question": "", "category": "law", "cot": "b"}], {}, "row 1: the question .question. is empty"),
    ],
)
def test_examples_that_cannot_be_shown_are_named_in_one_line(tmp_path, examples, shown, message):
    content = [
        {"question": f"Q{n}?", "options": ["a", "b"], "category": kind}
        for n, kind in enumerate(["art", "law"])
    ]
    shots = Shots(file=save(tmp_path / "shots.jsonl", examples), **SHOWN | shown)
    with pytest.raises(UserError, match=message) as caught:
        benchmark(tmp_path, save(tmp_path / "q.jsonl", content), "choice", shots=shots)
    assert "\n" not in str(caught.value)


def test_an_example_with_other_options_is_another_question(tmp_path):
    content = [{"question": "Which of these?", "options": ["a", "b"]}]
    other = [{"question": "Which of these?", "options": ["c", "d"], "answer": "c"}]
    shots = Shots(file=save(tmp_path / "shots.jsonl", other), n=1)
    table, _ = benchmark(tmp_path, save(tmp_path / "q.jsonl", content), "choice", shots=shots)
    assert table["shots"].list.len().to_list() == [1]


def test_outputs_must_make_sense(tmp_path):
    source = save(tmp_path / "q.jsonl", rows(3))
    with pytest.raises(UserError, match="give train and validation"):
        main(source, "numeric")
    with pytest.raises(UserError, match="a split needs train and validation"):
        main(source, "numeric", train=tmp_path / "t.parquet")


@real
def test_gsm8k(tmp_path):
    parts = split(tmp_path, Path(SHARED, "gsm8k/train.jsonl"))
    assert parts["train"].height + parts["validation"].height == 7473
    assert 670 < parts["validation"].height < 825
    golds = pl.concat([parts["train_golds"], parts["validation_golds"]])
    assert golds.height == 7473 and not golds["answer"].str.contains(",").any()
    assert golds["answer"].str.starts_with("-").sum() == 3


@real
def test_gsm_plus(tmp_path):
    questions, golds = benchmark(tmp_path, Path(SHARED, "gsm_plus/testmini.jsonl"), "gsm_plus")
    assert questions.height == golds.height == 2400
    critical = questions.filter(pl.col("group") == "critical thinking").join(golds, on="query_id")
    assert critical["answer"].to_list() == ["None"] * 300
    assert questions["group"].n_unique() == 8


@real
def test_mmlu_pro(tmp_path):
    source = Path(SHARED, "mmlu_pro/test_2025-08-25.json")
    parts = split(tmp_path, source, "choice", test_fraction=0.15)
    sizes = {name: parts[name].height for name in ("train", "validation", "test")}
    assert sum(sizes.values()) == 12032
    assert sizes["test"] == pytest.approx(1805, abs=120) and sizes["validation"] == pytest.approx(
        1023, abs=100
    )
    texts = [set(normalise(parts[name]["question"])) for name in sizes]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])
    validation = Path(SHARED, "mmlu_pro/validation_2025-08-25.json")
    shots = Shots(file=validation, n=2, group_column="category", answer_column="cot_content")
    shown = split(tmp_path / "shown", source, "choice", test_fraction=0.15, shots=shots)
    examples = json.loads(validation.read_text(encoding="utf-8"))
    kinds = {
        str(row["question_id"]): row["category"] for row in json.loads(source.read_text(encoding="utf-8"))
    }
    for name in sizes:
        assert shown[name]["query_id"].to_list() == parts[name]["query_id"].to_list()
    for query, each in shown["test"].select("query_id", "shots").iter_rows():
        own = [row["cot_content"].strip() for row in examples if row["category"] == kinds[query]]
        assert [shot["answer"] for shot in each] == own[:2]
    options = parts["train"]["options"].explode()
    assert (options == options.str.strip_chars()).all() and parts["train"]["options"].list.len().min() >= 3


def test_rows_may_be_named_by_their_number(tmp_path: Path) -> None:
    source = tmp_path / "questions.jsonl"
    source.write_text("".join(json.dumps({"question": f"What is {n} ?"}) + "\n" for n in range(12)))
    benchmark(tmp_path, source, "numeric", id_column="row")
    table = read(tmp_path / "q.parquet", QUERIES)
    assert set(table["query_id"]) == {str(n) for n in range(12)}
    assert table.filter(pl.col("query_id") == "7")["question"].item() == "What is 7 ?"
