"""Write a benchmark's questions with their answers as JSONL, for tools that ask a model themselves (config/lm_eval)."""

import json
import sys
from pathlib import Path

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
    lines = []
    for row in table.select("query_id", "question", "options", "answer").iter_rows(named=True):
        lines.append(json.dumps({key: value for key, value in row.items() if value not in (None, [])}) + "\n")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("".join(lines))
    print(f"{len(lines)} questions", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
