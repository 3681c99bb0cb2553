"""Studies side by side: what differs, with intervals that can be computed by hand."""

import json
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
    assert "b against a: 1 of 2 shared numbers differ beyond their intervals." in told
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


def test_studies_that_are_the_same_are_told_apart_by_their_place(two, capsys):
    folder, a, _ = two
    (folder / "run2").mkdir()
    (folder / "results").rename(folder / "run2/results")
    main([str(folder / "run2"), str(folder / "run2/results/reports/a")], folder / "page.html")
    assert "All settings are the same." in capsys.readouterr().out
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
