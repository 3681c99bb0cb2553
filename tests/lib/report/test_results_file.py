"""results.json is read as it was written, and a wrong one is refused in a line."""

import json
from pathlib import Path

import pytest

from scripts.lib.errors import UserError
from scripts.lib.report.drawing.content import Headline
from scripts.lib.report.results_file import read_results, results_file, write
from scripts.lib.report.study import Study


def written(folder: Path) -> Path:
    found = results_file(Study("s", "n", {"a": 1}, [], [], [], []), Headline("Nothing."), [], [])
    write(found, folder / "results.json")
    return folder / "results.json"


def test_it_is_read_as_written(tmp_path):
    found = read_results(written(tmp_path))
    assert (found.study, found.note, found.headline, found.config) == ("s", "n", "Nothing.", {"a": 1})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format: Input should be 1"),
        ({"extra": 1}, "extra: Unexpected"),
        ({"settings": 3}, "settings: Input should be a valid array"),
    ],
)
def test_another_format_is_refused_by_its_first_wrong_key(tmp_path, change, message):
    path = written(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=f"results.json: {message}.*make the study's report again"):
        read_results(path)


def test_a_missing_one_is_named(tmp_path):
    with pytest.raises(UserError, match="results.json does not exist"):
        read_results(tmp_path / "results.json")
