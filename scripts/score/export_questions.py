"""Write a benchmark's questions with their answers as JSONL, for tools that ask a model themselves
(config/lm_eval)."""

import sys
from pathlib import Path

from scripts.lib.data.files import write_json_lines
from scripts.lib.data.tables import GOLDS, QUERIES, read
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli


def main(queries: Path, golds: Path, output: Path) -> None:
    """Write query_id, question, options where there are some, and answer, one object a line.

    Args:
        queries: The benchmark's questions.
        golds: Their answers.
        output: JSONL.
    """
    table = read(queries, QUERIES).join(read(golds, GOLDS), on="query_id", how="inner", maintain_order="left")
    if table.is_empty():
        raise UserError(f"{golds} has no answers to questions of {queries}; a benchmark needs them")
    rows = table.select("query_id", "question", "options", "answer").iter_rows(named=True)
    stated = ({key: value for key, value in row.items() if value not in (None, [])} for row in rows)
    write_json_lines(stated, output)
    print(f"{table.height} questions", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
