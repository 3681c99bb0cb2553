"""The tables as LaTeX: a document that compiles by itself, of tables that a paper takes over one by one."""

import re
import unicodedata
from collections.abc import Sequence

from scripts.lib.report.drawing.content import Cell, Section, Table
from scripts.lib.report.drawing.text import MINUS, NARROW

HEAD = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{textcomp,booktabs,graphicx}
\begin{document}
"""
SIGNS = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "_": r"\_",
    "%": r"\%", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}", "[": "{[}", "]": "{]}",
    MINUS: "$-$", NARROW: r"\,", "\u00a0": "~", "–": "--", "—": "---", "±": r"$\pm$", "×": r"$\times$",
    "→": r"$\rightarrow$", "≻": r"$\succ$", "⁺": "$^+$", "⁻": "$^-$", "▲": r"$^\uparrow$",
    "≤": r"$\leq$", "≥": r"$\geq$", "λ": r"$\lambda$", "ε": r"$\epsilon$", "Δ": r"$\Delta$", "…": r"\ldots{}",
}  # fmt: skip
"""What LaTeX reads as something else, or has another name for."""
UNDEFINED = "ĦħĸĿŀŉŦŧſ"
"""Letters of the two Latin blocks that the encoding T1 lacks."""


def latex(study: str, sections: Sequence[Section]) -> str:
    """A document of all tables, in the page's order, each with a label `tab:<section>-<number>`.

    Each section ends its page: LaTeX holds no more than 52 floats in wait.
    """
    parts = [f"% The tables of the study {_comment(study)}; each stands by itself.\n{HEAD}"]
    for section in sections:
        shown = [block for block in section.content if isinstance(block, Table)]
        parts += [_table(table, f"tab:{section.id}-{place}") for place, table in enumerate(shown, start=1)]
        parts += ["\\clearpage\n"] if shown else []
    return "\n".join([*parts, "\\end{document}\n"])


def escape(text: str) -> str:
    """Text as LaTeX shows it; a letter that its fonts lack is given by its base letter, else its number."""
    return "".join(_sign(each) for each in re.sub(r"\s*\n\s*", " ", text))


def _sign(sign: str) -> str:
    if sign in SIGNS:
        return SIGNS[sign]
    if sign.isascii():
        return sign if sign.isprintable() else ""
    if "\u00c0" <= sign <= "\u017f" and sign not in UNDEFINED:
        return sign
    base = "".join(each for each in unicodedata.normalize("NFKD", sign) if each.isascii())
    return base or rf"\texttt{{U+{ord(sign):04X}}}"


def _comment(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text)


def _table(table: Table, label: str) -> str:
    width = len(table.columns)
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{escape(table.caption)}}}", rf"\label{{{label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * (width - 1)}}}", r"\toprule",
        _row([escape(column) for column in table.columns]), r"\midrule",
    ]  # fmt: skip
    for place, group in enumerate(table.groups):
        lines += [r"\midrule"] if place else []
        if group.heading:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textit{{{escape(group.heading)}}}}} \\")
        lines += [_row([_cell(cell) for cell in row]) for row in group.rows]
    lines += [r"\bottomrule", r"\end{tabular}}"]
    if table.notes:
        lines.append(rf"\par\smallskip\footnotesize {escape(' '.join(table.notes))}")
    return "\n".join([*lines, r"\end{table}", ""])


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _cell(cell: Cell) -> str:
    text = escape(cell.text)
    text = rf"\textbf{{{text}}}" if cell.best else text
    text += r"$^\uparrow$" if cell.above_teacher else ""
    return rf"{text} {{\footnotesize {escape(cell.detail)}}}" if cell.detail else text
