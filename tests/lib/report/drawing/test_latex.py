"""Tables as LaTeX: balanced, escaped, and compiled where a TeX is installed."""

import re
import shutil
import subprocess

import pytest

from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.latex import escape, latex

NASTY = r"\input{/etc/passwd} 50 % of $x_1$ & #2 {a ~ b} ^ <c> 日本 é λ −1.5 ✓"


def nasty() -> str:
    rows = [[Cell(NASTY, NASTY, best=True, above_teacher=True), Cell("–")], [Cell("[1]"), Cell("− 2 %", "n")]]
    table = Table(NASTY, ["Method", NASTY], [Group(NASTY, rows), Group("", rows)], [NASTY])
    return latex("a\nb", [Section("results", "r", "l", [table, table])])


def letters() -> str:
    text = "".join(map(chr, range(0xA1, 0x250)))
    return latex("letters", [Section("results", "r", "l", [Table(text, [text], [], [text])])])


def many() -> str:
    table = Table("one", ["a"], [Group("", [[Cell("1")]] * 100)], [])
    return latex("many", [Section(f"s{place}", "r", "l", [table] * 20) for place in range(5)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5 % & $x_1$", r"5 \% \& \$x\_1\$"),
        (r"\input{a}", r"\textbackslash{}input\{a\}"),
        ("−1.5 to +2", "$-$1.5 to +2"),
        ("T⁺ ≻ S⁻", r"T$^+$ $\succ$ S$^-$"),
        ("Müller ŵ", "Müller ŵ"),
        ("日\x1b", r"\texttt{U+65E5}"),
        ("ﬁ […]", r"fi {[}\ldots{}{]}"),
        ("two\n lines", "two lines"),
    ],
)
def test_text_stays_text(text, expected):
    assert escape(text) == expected


def test_braces_and_environments_are_balanced_and_rows_complete():
    made = nasty()
    bare = re.sub(r"\\[\\{}%$&#_]", "", made)
    depth = 0
    for sign in bare:
        depth += (sign == "{") - (sign == "}")
        assert depth >= 0
    assert depth == 0 and bare.count("$") % 2 == 0
    assert "%" not in re.sub(r"^%.*$|\{%$", "", bare, flags=re.M) and "#" not in bare and "_" not in bare
    for name in ("table", "tabular", "document"):
        assert made.count(rf"\begin{{{name}}}") == made.count(rf"\end{{{name}}}") > 0
    rows = [line for line in made.splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
    assert len(rows) == 2 * (1 + 4) and {line.replace(r"\&", "").count("&") for line in rows} == {1}
    assert made.count(r"\label{tab:results-1}") == made.count(r"\label{tab:results-2}") == 1
    assert made.splitlines()[0].startswith("% ") and made.splitlines()[0].endswith(
        "a?b; each stands by itself."
    )


def test_a_table_longer_than_a_page_goes_on_in_the_next_one():
    groups = [
        Group(name, [[Cell(f"{name}{row}")] for row in range(rows)]) for name, rows in (("a", 30), ("b", 50))
    ]
    made = latex("long", [Section("costs", "r", "l", [Table("Costs", ["a"], groups, ["A note."])])])
    first, second, third = made.split(r"\begin{table}")[1:]
    for number, part in enumerate((first, second, third), start=1):
        assert rf"\caption{{Costs ({number} of 3)}}" in part
    assert r"\label{tab:costs-1-1}" in first and r"\label{tab:costs-1-3}" in third
    assert [each.count("A note.") for each in (first, second, third)] == [0, 0, 1]
    assert [r"\textit{b}" in each for each in (first, second, third)] == [True] * 3
    shown = re.findall(r"^([ab]\d+) ", made, re.M)
    assert shown == [f"a{row}" for row in range(30)] + [f"b{row}" for row in range(50)]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex on the PATH")
@pytest.mark.parametrize("made", [nasty(), letters(), many()], ids=["nasty", "letters", "many"])
def test_it_compiles(tmp_path, made):
    (tmp_path / "tables.tex").write_text(made, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "tables.tex"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert found.returncode == 0, found.stdout[-2000:]
    assert "Float too large" not in found.stdout
    assert (tmp_path / "tables.pdf").stat().st_size > 1000
