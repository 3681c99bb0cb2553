"""The fingerprint follows imports and sees meaning only."""

from pathlib import Path

import pytest

from scripts.lib.workflow import fingerprint as module
from scripts.lib.workflow.fingerprint import fingerprint


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "scripts/lib").mkdir(parents=True)
    for folder in ("scripts", "scripts/lib"):
        (tmp_path / folder / "__init__.py").write_text("")
    (tmp_path / "scripts/step.py").write_text("from scripts.lib.helper import add\n\nprint(add(1, 2))\n")
    (tmp_path / "scripts/lib/helper.py").write_text('def add(a, b):\n    """Add."""\n    return a + b\n')
    (tmp_path / "scripts/lib/other.py").write_text("x = 1\n")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text", "changes"),
    [
        ("helper", 'def add(a, b):\n    """Sum of two."""\n    # why\n    return a   +   b\n', False),
        ("helper", "def add(a, b):\n    return b + a\n", True),
        ("other", "x = 2\n", False),
    ],
)
def test_only_reachable_meaning_counts(project: Path, file: str, text: str, changes: bool) -> None:
    before = fingerprint("scripts.step", project)
    (project / f"scripts/lib/{file}.py").write_text(text)
    assert (fingerprint("scripts.step", project) != before) is changes


def test_imports_inside_functions_and_of_modules_count(project: Path) -> None:
    (project / "scripts/step.py").write_text(
        "def f():\n    from scripts.lib import other\n    return other.x\n"
    )
    before = fingerprint("scripts.step", project)
    (project / "scripts/lib/other.py").write_text("x = 3\n")
    assert fingerprint("scripts.step", project) != before


def test_a_package_counts_with_its_init(project: Path) -> None:
    before = fingerprint("scripts.step", project)
    (project / "scripts/lib/__init__.py").write_text("y = 1\n")
    assert fingerprint("scripts.step", project) != before


def test_what_is_remembered_is_not_parsed_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("scripts.step", project)
    forget_in_process()
    with monkeypatch.context() as patched:
        patched.setattr(module, "_parse", None)
        assert fingerprint("scripts.step", project) == before
    (project / "scripts/lib/helper.py").write_text("def add(a, b):\n    return b + a\n")
    forget_in_process()
    assert fingerprint("scripts.step", project) != before


@pytest.mark.parametrize("text", ["", "[]", '{"maker": ["3.9", ""], "files": {}}', '{"files": 1}'])
def test_a_memory_that_is_damaged_or_anothers_is_made_anew(project: Path, text: str) -> None:
    before = fingerprint("scripts.step", project)
    kept = (project / ".snakemake/code.json").read_text()
    forget_in_process()
    (project / ".snakemake/code.json").write_text(text)
    assert fingerprint("scripts.step", project) == before
    assert (project / ".snakemake/code.json").read_text() == kept


def forget_in_process() -> None:
    """As if another process asked."""
    module._memory.cache_clear()
    module._facts_of.cache_clear()
