"""Files that a config names are looked at before anything runs; what is wrong with one is one line."""

import os
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.files import check_files, read_table
from scripts.lib.errors import UserError
from tests.workflow import hostile

HEAD = "dataset\tteacher\tstudent\tvariant\tseed\n"


def broken(folder: Path) -> None:
    """Files of every kind that is no file of rows."""
    os.mkfifo(folder / "pipe")
    (folder / "empty").touch()
    (folder / "folder").mkdir()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("latin", (HEAD + "é\tt\ts\tours\t0\n").encode("latin-1"), "not UTF-8; save it as UTF-8"),
        ("utf16", HEAD.encode("utf-16"), "not UTF-8; save it as UTF-8"),
        ("huge", (HEAD + "x" * 200_000 + "\tt\ts\tours\t0\n").encode(), "no table .field larger than"),
        ("columns", b"data set,teacher\n", "columns are 'data set,teacher'; they must be dataset, teacher"),
        ("wide", b"x" * 9999, r"columns are 'x{50,60}\.\.\.x{50,60}'; they must be"),
        ("nul", (HEAD + "a\0b\n").encode(), "line 2: 1 fields; there must be 5|no table"),
        ("pipe", None, "pipe is no file; name one"),
        ("empty", None, "empty is empty; it needs a row"),
        ("folder", None, "folder is no file; name one"),
        ("none", None, "none does not exist"),
    ],
)
def test_a_broken_table_is_one_line(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    broken(tmp_path)
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        read_table(tmp_path / name)
    assert str(error.value).isprintable() and len(str(error.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "given", "message"),
    [
        (
            "datasets.asked.queries",
            "none",
            "datasets.asked.queries: none does not exist and is not in `downl",
        ),
        ("datasets.asked.queries", "pipe", "datasets.asked.queries: pipe is no file"),
        ("datasets.asked.queries", "empty", "datasets.asked.queries: empty is empty"),
        ("datasets.asked.queries", "folder", "datasets.asked.queries: folder holds no .parquet, .jsonl"),
        ("datasets.asked.shots.file", "none", "datasets.asked.shots.file: none does not exist"),
        ("benchmarks.open.queries", "none", "benchmarks.open.queries: none does not exist"),
        ("benchmarks.open.gamed", "empty", "benchmarks.open.gamed: empty is empty"),
        ("benchmarks.open.annotator", "none.yaml", "benchmarks.open.annotator: none.yaml does not exist"),
        (
            "benchmarks.open.annotator",
            "weighted",
            "annotator: 'weighted' is no YAML file and no annotator of",
        ),
        ("teachers.stored.samples.0.path", "none", r"teachers.stored.samples\[0\].path: none does not exist"),
        ("students.stored.samples.0.path", "pipe", r"students.stored.samples\[0\].path: pipe is no file"),
    ],
)
def test_a_file_that_would_stop_the_run_stops_its_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, given: str, message: str
) -> None:
    raw = hostile.every()
    *parents, last = path.split(".")
    block = raw
    for name in parents:
        block = block[int(name)] if isinstance(block, list) else block[name]
    prompts = Path("config/prompts").absolute()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/prompts").symlink_to(prompts)
    broken(tmp_path)
    for name in ("said.jsonl", "shots.jsonl", "reference.json", "judge.yaml"):
        (tmp_path / name).write_text(hostile.ROW)
    check_files(parse(raw))
    block[last] = given
    with pytest.raises(UserError, match=message) as error:
        check_files(parse(raw))
    assert "\n" not in str(error.value)
