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


SAME = {
    "an error's message": ("raise ValueError('no rows')", "raise ValueError(f'{x} has no rows')"),
    "with a cause": (
        "raise UserError('a') from None",
        "raise UserError(f'b {x.name!r}, ' + note(x)) from None",
    ),
    "text put together": ("raise TypeError('a' if x else 'b')", "raise TypeError('; '.join(['c', x]))"),
    "an error that is kept": ("found.append(UserError('a'))", "found.append(UserError('b'))"),
    "an assertion's message": ("assert x, f'{x} is empty'", "assert x"),
    "a line on the terminal": ("print('a')", "print(f'b {x:.2f}', file=sys.stderr, flush=True)"),
    "one more of it": ("y = 1", "y = 1\nprint('one more', end='')"),
    "the first of it": ("for y in x:\n    pass", "for y in x:\n    print('one')"),
    "a warning": ("warnings.warn('a', UserWarning)", "warnings.warn('b', UserWarning)"),
    "a log line": ("logger.info('a')", "logger.warning(f'b {x}')"),
    "where a default comes from": (
        "y: Annotated[int, Source('App. C')] = 1",
        "y: Annotated[int, Source('Table 2')] = 1",
    ),
    "an attribute's docstring": ("class A:\n    y = 1", "class A:\n    y = 1\n    'What y is.'"),
    "a docstring instead of a pass": ("def g():\n    pass", "def g():\n    'Do nothing.'"),
}
OTHER = {
    "a default": ("def g(y=1): ...", "def g(y=2): ..."),
    "a regex": ("y = re.compile('a+')", "y = re.compile('a*')"),
    "a column": ("y = pl.col('answer')", "y = pl.col('gold')"),
    "a prompt": ("PROMPT = 'Judge this.'", "PROMPT = 'Judge that.'"),
    "a text compared": ("if x == 'good': y = 1", "if x == 'best': y = 1"),
    "a text given back": ("def g(): return 'good'", "def g(): return 'best'"),
    "a text made": ("y = f'{x}: {y}'", "y = f'{x} {y}'"),
    "a key": ("y = x['a']", "y = x['b']"),
    "a flag's name": ("call('--samples', x)", "call('--graded', x)"),
    "what is asserted": ("assert x, 'a'", "assert not x, 'a'"),
    "when it is an error": ("if x: raise ValueError('a')", "if not x: raise ValueError('a')"),
    "which error": ("raise ValueError('a')", "raise KeyError('a')"),
    "an exit status": ("raise SystemExit(1)", "raise SystemExit(2)"),
    "what an own error carries": ("raise Failure('connection', x)", "raise Failure('status', x)"),
    "what a file is printed into": ("print('a', file=out)", "print('b', file=out)"),
    "what a file is written": ("write_text('a', out)", "write_text('b', out)"),
    "a value that is printed": ("print(step(x))", "print(leap(x))"),
    "a walrus in a message": ("print(f'{(y := x)}')", "print(f'{(y := 2 * x)}')"),
    "a warning for an error": ("warnings.warn('a')", "raise UserError('a')"),
    "a logarithm": ("y = math.log(2)", "y = math.log(3)"),
    "a tracker's line": ("tracker.log('loss', x)", "tracker.log('reward', x)"),
}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        pytest.param(*pair, changes, id=name)
        for cases, changes in ((SAME, False), (OTHER, True))
        for name, pair in cases.items()
    ],
)
def test_words_do_not_count_and_meaning_does(project: Path, before: str, after: str, changes: bool) -> None:
    seen = set()
    for text in (before, after):
        body = text.replace("\n", "\n    ")
        (project / "scripts/lib/helper.py").write_text(f"def f(x, y, out, found):\n    {body}\n")
        forget_in_process()
        seen.add(fingerprint("scripts.step", project))
    assert (len(seen) == 2) is changes


def test_what_is_kept_is_not_parsed_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("scripts.step", project)
    forget_in_process()
    with monkeypatch.context() as patched:
        patched.setattr(module, "_parse", None)
        assert fingerprint("scripts.step", project) == before
    (project / "scripts/lib/helper.py").write_text("def add(a, b):\n    return b + a\n")
    forget_in_process()
    assert fingerprint("scripts.step", project) != before


@pytest.mark.parametrize("text", ["", "{", "[1]", "null"])
def test_what_is_kept_and_damaged_is_made_anew(project: Path, text: str) -> None:
    before = fingerprint("scripts.step", project)
    kept = {path: path.read_text() for path in (project / ".snakemake/code").iterdir()}
    for path in kept:
        path.write_text(text)
    forget_in_process()
    assert fingerprint("scripts.step", project) == before
    assert {path: path.read_text() for path in kept} == kept


def test_a_module_is_looked_for_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint("scripts.step", project)
    monkeypatch.setattr(Path, "is_file", lambda path: pytest.fail(f"{path} is looked for again"))
    assert fingerprint("scripts.step", project) == before


def test_another_python_s_facts_are_others(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint("scripts.step", project)
    kept = set((project / ".snakemake/code").iterdir())
    forget_in_process()
    monkeypatch.setattr(module.platform, "python_version", lambda: "4.0.0")
    fingerprint("scripts.step", project)
    assert len(set((project / ".snakemake/code").iterdir())) == 2 * len(kept)


def forget_in_process() -> None:
    """As if another process asked."""
    for kept in (module._maker, module._facts_of, module._file, module.is_module):
        kept.cache_clear()
