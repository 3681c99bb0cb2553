"""The trial itself: a fault that nobody notices is named, and so is one whose text has moved."""

from pathlib import Path

import pytest

from tests.faults.faults import faults
from tests.faults.trial import ROOT, Fault, file_of, try_all

CODE = "def share(votes, m):\n    return votes / m\n\n\ndef percent(share):\n    return 100 * share\n"
TEST = "from scripts.votes import share\n\n\ndef test_share():\n    assert share(7, 10) == 0.7\n"


@pytest.fixture
def project(tmp_path):
    for name, text in {"scripts/votes.py": CODE, "tests/test_votes.py": TEST}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
        (tmp_path / name).with_name("__init__.py").write_text("")
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["slow: not asked for"]\n')
    return tmp_path


def fault(old: str, new: str) -> Fault:
    return Fault("scripts/votes.py", old, new, "meaning", ("test_votes.py",))


@pytest.mark.slow
def test_survivors_and_moved_faults_are_named(project) -> None:
    tried = [
        fault("votes / m", "m / votes"),
        fault("votes / m", "(votes / m" + ")" * 2),
        fault("100 * share", "10 * share"),
        fault("votes // m", "m // votes"),
        fault("share", "shares"),
    ]
    told = []
    verdicts = try_all(tried, told.append, workers=1, root=project)
    assert [verdict.by for verdict in verdicts[:2]] == [
        "tests/test_votes.py::test_share",
        "tests/test_votes.py",
    ]
    assert [verdict.wrong.split(" ")[0] for verdict in verdicts[2:]] == ["SURVIVED", "MOVED:", "MOVED:"]
    assert told == verdicts and [verdict.fault for verdict in verdicts] == tried
    assert (project / "scripts" / "votes.py").read_text() == CODE


@pytest.mark.slow
def test_the_first_survivor_may_end_it(project) -> None:
    tried = [fault("100 * share", "10 * share"), fault("votes / m", "m / votes")]
    assert len(try_all(tried, print, workers=1, root=project, first=True)) == 1


@pytest.mark.slow
def test_what_fails_without_a_fault_proves_nothing(project) -> None:
    (project / "tests" / "test_votes.py").write_text(TEST.replace("0.7", "0.8"))
    (verdict,) = try_all([fault("votes / m", "m / votes")], print, workers=1, root=project)
    assert verdict.wrong == "fails without it: tests/test_votes.py::test_share"


def test_the_table_names_files_and_tests_that_are_there() -> None:
    found = faults()
    assert len(found) >= 80 and len({(each.file, each.meaning) for each in found}) == len(found)
    for each in found:
        assert each.meaning and each.old != each.new and (ROOT / each.file).is_file(), each
        assert each.tests and all(Path(ROOT, "tests", file_of(test)).exists() for test in each.tests)
        assert (ROOT / each.file).read_text(encoding="utf-8").count(each.old) == 1, each
