"""What is no plain data is refused as a config, in one line, without waiting."""

import os
from pathlib import Path

import pytest

from scripts.lib.config.plain import load
from scripts.lib.errors import UserError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 10)
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"__use_yte__: true\nmax_hours: ?1 + 1\n", "__use_yte__ makes a config a program"),
        (b"__definitions__:\n- import os\n", "__definitions__ makes a config a program"),
        (b"a: !!python/object/apply:os.system [id]\n", "no YAML: line 1, column 4: could not determine"),
        (BOMB.encode(), "values with all that its aliases repeat; at most 100,000"),
        (b"a: &a\n  b: *a\n", "blocks within one another"),
        (b"a: " + b"[" * 99 + b"]" * 99, "blocks within one another"),
        (b"a: " + b"[" * 99999, "nesting that is too large|no YAML"),
        (b"a: 1\nb:\n  c: 1\n  c: 2\n", "no YAML: line 4, column 3: 'c' stands twice"),
        (b"a: [\n", "no YAML: line 2, column 1: "),
        (b"a: \xe9\n", "not UTF-8; save it as UTF-8"),
        ("a: 1\n".encode("utf-16"), "not UTF-8; save it as UTF-8"),
        (b"- a\n", "no keys; a config is blocks"),
        (b"", "no keys; a config is blocks"),
        (b"a: " + b"9" * 5000, "a number or a nesting that is too large"),
        (b"a: 99999999999999999999", "a: a whole number of over 64 bits"),
        (b'a: {b: "x\\ey"}', r"a\.b: 'x\\x1by' holds U\+001B, a control character"),
        (b'a: "x\\0y"', r"holds U\+0000"),
        (b'a: {"x\\ay": 1}', r"holds U\+0007"),
        (b"a: " + b"x" * 10_001, r"a: 'x{50,60}\.\.\.x{50,60}' has 10,001 characters"),
        (b"a: !!set {b, c}", "a: set is no plain data"),
        (b"a: !!binary eA==", "a: bytes is no plain data"),
    ],
)
def test_what_is_no_plain_data_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        load(file)
    assert str(error.value).isprintable() and len(str(error.value)) < 400 + len(str(file))


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("pipe", "no file"), (".", "no file"), ("none", "No such file or directory")):
        with pytest.raises(UserError, match=message):
            load(tmp_path / name)


def test_plain_data_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("a: &a {b: é $(x), c: [1, .5, null, 2020-01-01]}\nd: *a\n?e: ?1 + 1\n")
    found = load(file)
    assert found["a"] == found["d"] and found["a"]["b"] == "é $(x)" and found["?e"] == "?1 + 1"
