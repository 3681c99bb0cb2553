"""Cards of a small study's models: the page's own numbers, or that there are none."""

import re
from pathlib import Path

import pytest

from scripts.lib.data import tables
from scripts.lib.errors import UserError
from scripts.lib.report.drawing.text import percent
from scripts.lib.training.export import card
from scripts.report.cards import NEVER, main
from scripts.report.report import main as report
from tests.support.report_fixture import make_study

CHAIN = "dataset=world/teacher=tiny/student=tiny"
MODELS = {
    "ours": f"checkpoints/{CHAIN}/variant=ours/seed=1",
    "unknown": f"checkpoints/{CHAIN}/variant=mine/seed=1",
    "reward": f"rewards/{CHAIN}/reward=ours/seed=1",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A study's report, and a card beside each of MODELS."""
    folder = tmp_path_factory.mktemp("cards")
    accuracy = {"sft": 0.6, "ours": 0.9, "teacher": 0.7}
    manifest = make_study(folder, (0, 1), 20, 40, accuracy=accuracy)
    names = ("report.html", "report.md", "tables.tex", "results.json", "metrics.parquet")
    report(manifest, *(folder / name for name in names))
    for place in MODELS.values():
        model = folder / "results" / place / "checkpoint"
        model.mkdir(parents=True)
        (model / "README.md").write_text(
            card("Student", "About.", "base/model", [], {}, []), encoding="utf-8"
        )
    return folder


def cards(made: Path) -> dict[str, str]:
    models = [made / "results" / place / "checkpoint" for place in MODELS.values()]
    main(made / "results.json", models, made / "out")
    files = {name: made / "out" / place / "README.md" for name, place in MODELS.items()}
    return {name: file.read_text(encoding="utf-8") for name, file in files.items()}


def rows(text: str, first: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_students_card_has_the_pages_numbers(made):
    """Mean, interval and difference are the words of the report's own table; the seed's is beside them."""
    page = rows((made / "report.md").read_text(encoding="utf-8"), "Ours")
    benchmark, measure, own, questions, mean, against = rows(cards(made)["ours"], "world")
    assert (benchmark, measure, questions) == ("world", "accuracy", "40")
    assert mean == f"{re.sub('[*▲ ]+', ' ', page[1]).strip()[:-1]}; 2 seeds)"
    assert against == f"sft: {page[2]}"
    metrics = tables.read(made / "metrics.parquet", tables.METRICS).filter(variant="ours", metric="accuracy")
    first, second = (percent(metrics.filter(seed=seed)["value"].item()) for seed in (0, 1))
    assert own == second != first


def test_a_reward_models_card_has_the_measures_of_its_seed(made):
    page = (made / "report.md").read_text(encoding="utf-8")
    found = rows(cards(made)["reward"], "T+ over S−, %")[1]
    lines = [line for line in page.splitlines() if line.startswith("| world: tiny → tiny (ours) | 1 |")]
    assert f"| {found} |" in lines[-1]


def test_what_no_row_asks_for_is_said_to_be_not_evaluated(made):
    assert NEVER in cards(made)["unknown"]
    for text in cards(made).values():
        assert text.startswith("---\nlibrary_name: transformers") and "Not evaluated here" not in text


def test_a_card_without_a_place_for_numbers_is_refused(made):
    model = made / "other"
    model.mkdir()
    with pytest.raises(UserError, match="README.md is no card of this version"):
        main(made / "results.json", [model], made / "none")
