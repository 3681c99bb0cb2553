"""Studies side by side: what differs, with intervals that can be computed by hand."""

import json
import math
from pathlib import Path

import pytest

from scripts.commands.compare import find, main
from scripts.lib.errors import UserError
from scripts.lib.report.comparison import apart
from scripts.lib.report.results_file import OfVariant

SETTING = {
    "dataset": "world",
    "teacher": "large",
    "student": "small",
    "benchmark": "world",
    "measure": "accuracy",
}


def variant(key: str, value: float, low: float, high: float) -> dict:
    head = {"variant": key, "name": key, "value": value, "low": low, "high": high, "n": 100, "unparsed": 0.0}
    return head | {"seeds": [{"seed": 0, "value": value, "unparsed": 0.0, "n": 100}], "against": None}


def results(path: Path, study: str, config: dict, variants: list[dict]) -> Path:
    found = {"format": 1, "study": study, "note": "", "headline": "", "shown": [], "sampled": [], "spent": []}
    found["provenance"] = {"commit": study * 40, "changed": [], "versions": {}, "questions": [], "models": []}
    path.mkdir(parents=True)
    found |= {"config": config, "settings": [SETTING | {"variants": variants}]}
    (path / "results.json").write_text(json.dumps(found), encoding="utf-8")
    return path


@pytest.fixture
def two(tmp_path):
    rate = {"variants": {"ours": {"kl": 0.05, "seed": 1}}}
    other = {"variants": {"ours": {"kl": "<b>|", "seed": 1, "clip": None}}}
    sft = variant("sft", 0.5, 0.4, 0.6)
    a = results(tmp_path / "results/reports/a", "a", rate, [sft, variant("ours", 0.8, 0.77, 0.84)])
    b = results(
        tmp_path / "b", "b", other, [sft, variant("ours", 0.9, 0.86, 0.93), variant("dpo", 0.6, 0.5, 0.7)]
    )
    return tmp_path, a, b


def test_what_differs_is_shown_with_intervals(two, monkeypatch, capsys):
    folder, _, b = two
    monkeypatch.chdir(folder)
    main(["a", str(b)])
    told = capsys.readouterr().out
    assert "b against a: 1 of 2 shared numbers differ beyond their intervals (not corrected for" in told
    assert (
        "| Ours | 80.0 (77.0 to 84.0, n = 100) | 90.0 (86.0 to 93.0, n = 100) | +10.0 (+4.3 to +14.2) |"
        in told
    )
    assert (
        "| SFT | 50.0 (40.0 to 60.0, n = 100) | 50.0 (40.0 to 60.0, n = 100) | ±0.0 (−14.1 to +14.1) |"
        in told
    )
    assert "| DPO | – | 60.0 (50.0 to 70.0, n = 100) | – |" in told
    assert f"| commit | {'a' * 40} | {'b' * 40} |" in told
    assert "variants.ours.kl" in told and "variants.ours.clip" in told and "ours.seed" not in told
    html = (folder / "compare.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;" in html and "<b>|" not in html and "Settings that differ" in html


def test_an_interval_of_a_difference_is_mover():
    """Of Zou and Donner: a side is the hypotenuse of one's distance up and the other's down, here 3-4-5."""
    one, two = (OfVariant("v", "v", *each, 9, 0.0, [], None) for each in ((0.5, 0.2, 0.8), (0.6, 0.2, 1.0)))
    assert apart(one, two) == pytest.approx((0.1, 0.1 - 0.5, 0.1 + 0.5))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ((0.5, 0.0, 1.0), (0.9, 0.85, 0.95), (-1.0, 1.0)),
        ((0.5, 0.45, 0.55), (0.9, 0.8, 1.0), (0.4 - math.hypot(0.1, 0.05), 0.4 + math.hypot(0.1, 0.05))),
        ((0.7, 0.3, 1.0), (0.8, 0.8, 0.8), (0.1 - 0.4, 0.1 + 0.4)),
        ((0.1, 0.0, 0.6), (0.8, 0.8, 0.8), (0.7 - 0.5, 1.0)),
    ],
)
def test_an_interval_that_0_and_1_cut_off_is_as_wide_as_before(low, high, expected):
    """On one side: the other tells; on both: nothing is known, and no difference is shown."""
    one, two = (OfVariant("v", "v", *each, 9, 0.0, [], None) for each in (low, high))
    assert apart(one, two)[1:] == pytest.approx(expected)


def behind(folder: Path, **change) -> None:
    """Change what a study's results say of what is behind them."""
    path = folder / "results.json"
    found = json.loads(path.read_text())
    found["provenance"] |= change.pop("provenance", {})
    path.write_text(json.dumps(found | change))


SAME = {
    "commit": "c" * 40,
    "changed": [],
    "versions": {"polars": "1"},
    "questions": [{"file": "queries/test.parquet", "sha256": "1" * 64}],
    "models": [{"chain": "d: t → s", "model": "Teacher", "seed": 0, "identity": "sha256:" + "2" * 64}],
}
LEDGER = {"engine": "vllm", "model": "sha256:" + "2" * 64, "versions": {"torch": "2.13"}}


@pytest.mark.parametrize(
    ("change", "rows"),
    [
        ({}, []),
        ({"provenance": {"changed": ["a.py"]}}, ["commit | c", "changed since | nothing | a.py"]),
        ({"provenance": {"versions": {"polars": "2"}}}, ["version of polars | 1 | 2"]),
        (
            {"provenance": {"questions": [{"file": "queries/test.parquet", "sha256": "3" * 64}]}},
            ["queries/test.parquet | 111111111111… | 333333333333…"],
        ),
        (
            {"provenance": {"models": [SAME["models"][0] | {"identity": "large@" + "4" * 40}]}},
            [
                "d: t → s, Teacher | seed 0: sha256:222222222222… | seed 0: large@444444444444…",
                "model of judge | – | sha256:222222222222…",
            ],
        ),
        (
            {"sampled": [{"rule": "judge", "ledger": LEDGER | {"versions": {"torch": "2.14"}}}]},
            ["engine of judge | vllm (torch 2.13) | vllm (torch 2.14)"],
        ),
        ({"sampled": [{"rule": "judge", "ledger": LEDGER | {"model": "x"}}]}, ["model of judge | – | x"]),
    ],
)
def test_whatever_is_behind_the_numbers_is_compared(tmp_path, capsys, change, rows):
    folders = [results(tmp_path / name, name, {"kl": 0.05}, []) for name in ("a", "b")]
    for folder in folders:
        behind(folder, provenance=SAME, sampled=[{"rule": "judge", "ledger": LEDGER}])
    behind(folders[1], **change)
    main(list(map(str, folders)), tmp_path / "page.html")
    told = capsys.readouterr().out
    assert ("versions are the same." in told) == (not rows)
    assert all(f"| {row}" in told for row in rows)
    assert told.split("## Settings that differ")[1].count("\n| ") == len(rows) + bool(rows)


def test_code_that_no_commit_holds_is_never_the_same(tmp_path, capsys):
    """The same file differs from the same commit in both, or no commit is known."""
    for unknown in ({"changed": ["a.py"]}, {"commit": ""}):
        folders = [results(tmp_path / name, name, {}, []) for name in ("a", "b")]
        for folder in folders:
            behind(folder, provenance=SAME | unknown)
        main(list(map(str, folders)), tmp_path / "page.html")
        told = capsys.readouterr().out
        shown = "a.py" if "changed" in unknown else "not known"
        assert "versions are the same." not in told and f"| changed since | {shown} | {shown} |" in told
        assert "What code holds that is no commit's is not known" in told
        for folder in folders:
            (folder / "results.json").unlink()
            folder.rmdir()


def test_long_settings_are_compared_whole_and_shown_where_they_part(tmp_path, capsys):
    start = "the same words " * 20
    folders = [results(tmp_path / name, name, {"prompt": start + name}, []) for name in ("a", "b")]
    for folder in folders:
        behind(folder, provenance=SAME)
    main(list(map(str, folders)), tmp_path / "page.html")
    told = capsys.readouterr().out
    assert '| prompt | …the same words the same words a" | …the same words the same words b" |' in told


def test_studies_that_are_the_same_are_told_apart_by_their_place(two, capsys):
    folder, a, _ = two
    (folder / "run2").mkdir()
    (folder / "results").rename(folder / "run2/results")
    main([str(folder / "run2"), str(folder / "run2/results/reports/a")], folder / "page.html")
    assert "Code, settings, questions, models and versions are the same." in capsys.readouterr().out
    with pytest.raises(UserError, match="stands there more than once"):
        main([str(folder / "run2")] * 2)


def test_what_is_no_study_is_said_in_a_line(two, monkeypatch):
    folder, _, b = two
    monkeypatch.chdir(folder)
    assert find("a") == Path("results/reports/a/results.json") and find(str(b)) == b / "results.json"
    assert find(".") == Path("results/reports/a/results.json")
    with pytest.raises(UserError, match="none: no study's results; make run STUDY=none"):
        find("none")
    results(folder / "results/reports/c", "c", {}, [])
    with pytest.raises(UserError, match=r"several studies \(a, c\); name one, such as results/reports/a"):
        find(".")
    with pytest.raises(UserError, match="nothing to be compared with"):
        main(["a"])
