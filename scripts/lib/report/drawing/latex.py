"""The tables as LaTeX: a document that compiles by itself, of tables that a paper takes over one by one."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace

from scripts.lib.report.drawing.content import Cell, Group, Section, Table
from scripts.lib.report.drawing.text import MINUS, NARROW

HEAD = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{textcomp,booktabs,graphicx}
\usepackage[margin=2cm]{geometry}
\setlength{\abovecaptionskip}{0pt}
\setlength{\belowcaptionskip}{6pt}
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
CLEAR = "\\clearpage\n"
LONGEST = 36
"""Rows and headings that a page holds, with a caption and notes."""
UNDEFINED = "ĦħĸĿŀŉŦŧſ"
"""Letters of the two Latin blocks that the encoding T1 lacks."""


def latex(study: str, sections: Sequence[Section]) -> str:
    """A document of all tables, in the page's order, each with a label `tab:<section>-<number>`; of one that
    is longer than a page its parts, `tab:<section>-<number>-<part>`.

    Each section ends its page, and so does such a table: LaTeX holds no more than 52 floats in wait.
    """
    lines = [f"% The tables of the study {_comment(study)}; each stands by itself.\n{HEAD}"]
    for section in sections:
        shown = [block for block in section.content if isinstance(block, Table)]
        for place, table in enumerate(shown, start=1):
            label, (first, *others) = f"tab:{section.id}-{place}", _parts(table)
            lines.append(_table(first, f"{label}-1" if others else label))
            lines += [_table(part, f"{label}-{number}") for number, part in enumerate(others, start=2)]
            lines += [CLEAR] if others else []
        lines += [CLEAR] if shown else []
    return "\n".join([*lines, "\\end{document}\n"])


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


def _parts(table: Table) -> list[Table]:
    """The table, or as many tables as pages hold it, each group's heading over its rows in each."""
    parts: list[list[Group]] = [[]]
    room = LONGEST
    for group in table.groups:
        rows = group.rows
        while rows:
            if room < 2:
                parts.append([])
                room = LONGEST
            parts[-1].append(Group(group.heading, rows[: room - 1]))
            rest = rows[room - 1 :]
            room -= 1 + len(rows) - len(rest)
            rows = rest
    if len(parts) == 1:
        return [table]
    return [
        replace(
            table,
            caption=f"{table.caption} ({number} of {len(parts)})",
            groups=groups,
            notes=table.notes if number == len(parts) else [],
        )
        for number, groups in enumerate(parts, start=1)
    ]


def _table(table: Table, label: str) -> str:
    width = len(table.columns)
    lines = [
        r"\begin{table}", r"\centering", rf"\caption{{{escape(table.caption)}}}", rf"\label{{{label}}}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{{''.join('l' if words else 'r' for words in table.words)}}}", r"\toprule",
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
