"""Tables that hold the paper's own numbers beside ours, in columns of their own."""

from collections.abc import Sequence

from scripts.lib.report.drawing.content import Group, Table

PAPER = "Paper"
"""What the name of such a column begins with."""
NONE = "–"
NOT_RUN = "not run"
NOTE = (
    "Paper: its own number, where data, models, method and benchmark are the same; settings are not "
    "compared, and nothing is computed from it. Not run: only the paper has it."
)


def beside(caption: str, columns: Sequence[str], groups: Sequence[Group], notes: Sequence[str]) -> Table:
    """The table, its columns of the paper explained, or left out where none of their cells has a number."""
    rows = [row for group in groups for row in group.rows]
    paper = [index for index, column in enumerate(columns) if column.startswith(PAPER)]
    empty = {index for index in paper if all(row[index].text == NONE for row in rows)}
    kept = [index for index in range(len(columns)) if index not in empty]
    return Table(
        caption,
        [columns[index] for index in kept],
        [Group(group.heading, [[row[index] for index in kept] for row in group.rows]) for group in groups],
        [*notes, NOTE] if len(empty) < len(paper) else list(notes),
    )
