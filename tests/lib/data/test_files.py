"""Files and folders appear whole or not at all, and nothing writes a result in another way."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.lib.data.files import whole_file, whole_folder, write_json, write_json_lines, write_text

SCRIPTS = Path(__file__).parents[3] / "scripts"
ELSEWHERE = {
    ("lib/data/files.py", "write_text"): "the draft itself",
    ("lib/data/files.py", "replace"): "the draft itself",
    ("lib/data/files.py", "rename"): "the draft itself",
    ("lib/data/tables.py", "write_parquet"): "into a draft",
    ("lib/data/tables.py", "sink_parquet"): "into a draft",
    ("lib/process/metrics_log.py", "open"): "rows at the end of a file that was written whole",
    ("lib/training/ppo/judge.py", "open"): "rows at the end of a file that was written whole",
    ("lib/samples/claims.py", "open"): "into a draft, which is there as long as its start is",
    ("lib/samples/store.py", "write_parquet"): "into memory, for the hash in a part's name",
    ("lib/samples/store.py", "write_bytes"): "into a draft",
    ("lib/samples/store.py", "replace"): "moves a damaged part aside",
    ("lib/runs/lock.py", "write_text"): "into a draft, whose inode it names",
    ("lib/runs/lock.py", "open"): "who holds the lock of a run, which the next one overwrites",
}
"""Places that write in another way, and why."""


def test_a_file_that_fails_leaves_what_was_there(tmp_path):
    path = tmp_path / "made/here/a.json"
    write_json({"a": 1}, path)
    with pytest.raises(KeyboardInterrupt), whole_file(path) as draft:
        draft.write_text("half")
        assert json.loads(path.read_text()) == {"a": 1}
        raise KeyboardInterrupt
    assert [item.name for item in path.parent.iterdir()] == ["a.json"]
    assert path.read_text() == '{\n "a": 1\n}\n'


def test_a_folder_that_fails_leaves_what_was_there(tmp_path):
    output = tmp_path / "model"
    for text in ("0", "1"):
        with whole_folder(output, durable=True) as draft:
            write_text(text, draft / "part" / text)
    with pytest.raises(ValueError), whole_folder(output) as draft:
        raise ValueError
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert [str(path.relative_to(output)) for path in output.rglob("*")] == ["part", "part/1"]


def test_a_killed_folder_is_swept_up_by_the_next(tmp_path):
    with whole_folder(tmp_path / "model") as draft:
        left = tmp_path / ".model.tmp"
        assert draft == left
    left.mkdir()
    write_text("half", left / "weights")
    with whole_folder(tmp_path / "model"):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["model"]


def test_several_may_write_one_file(tmp_path):
    path = tmp_path / "a"
    with whole_file(path, durable=True) as first, whole_file(path) as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert path.read_text() == "1"


def test_a_draft_is_found_by_no_glob(tmp_path):
    for name, pattern in (("part-1.parquet", "part-*.parquet"), ("metrics.jsonl", "metrics.jsonl")):
        with whole_file(tmp_path / name) as draft:
            draft.touch()
            assert not list(tmp_path.rglob(pattern))
    with whole_folder(tmp_path / "iteration=3"):
        assert not list(tmp_path.glob("iteration=*"))


def test_lines(tmp_path):
    write_json_lines(({"a": text} for text in ("é", "b")), tmp_path / "a.jsonl", ensure_ascii=False)
    assert (tmp_path / "a.jsonl").read_text(encoding="utf-8") == '{"a": "é"}\n{"a": "b"}\n'


def writes(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Calls that put a file where it is found: the method's name and the line."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = [item.value for item in node.args if isinstance(item, ast.Constant)]
        modes = {text for text in texts if isinstance(text, str) and 0 < len(text) < 4}
        moved = (
            name in {"replace", "rename"} and len(node.args) == 1 and not isinstance(node.args[0], ast.Dict)
        )
        method = isinstance(node.func, ast.Attribute) and name in {
            "write_text",
            "write_bytes",
            "write_parquet",
            "sink_parquet",
        }
        opened = name == "open" and any(set(mode) & set("wax") for mode in modes)
        if method or (moved and isinstance(node.func, ast.Attribute)) or opened:
            yield name, node.lineno


def test_results_are_written_in_one_place():
    found = {}
    for path in SCRIPTS.rglob("*.py"):
        for name, line in writes(ast.parse(path.read_text())):
            found.setdefault((str(path.relative_to(SCRIPTS)), name), line)
    more = [
        f"scripts/{path}:{line}: {name}"
        for (path, name), line in found.items()
        if (path, name) not in ELSEWHERE
    ]
    assert not more, f"{more}: write by scripts/lib/data/files.py"
    assert not set(ELSEWHERE) - set(found), "an exception that nothing needs"


def test_tables_are_read_in_one_place():
    """What reads Parquet in another way asks for no checksum."""
    reading = {
        str(path.relative_to(SCRIPTS))
        for path in SCRIPTS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in {"scan_parquet", "read_parquet", "read_table"}
    }
    assert reading == {
        "lib/data/tables.py",
        "lib/data/sources.py",  # a user's file
        "lib/samples/store.py",  # a part's name holds the hash of its bytes
    }
