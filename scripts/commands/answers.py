"""Read the answers out of responses: JSONL on standard input -> JSONL on standard output, in the same order.

A row in: `response` (or `completion`, as in tables of samples), and optionally `options` (the texts of a
multiple-choice question) and `finish_reason`.
A row out: `answer` (canonical text or null) and `status` (ok, none, ambiguous, truncated).
"""

import json
import sys
from collections.abc import Iterable

import polars as pl

from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli
from scripts.lib.tasks.bulk import read_answers


def parse(lines: Iterable[bytes]) -> pl.DataFrame:
    """Rows of JSON to the columns `response`, `options`, `finish_reason`. Blank lines are skipped.

    Raises UserError with the number of the first line that is not such a row.
    """
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append(_row(line, f"line {number} of standard input"))
    return pl.DataFrame(
        rows,
        schema={"response": pl.String(), "options": pl.List(pl.String()), "finish_reason": pl.String()},
        orient="row",
    )


def _row(line: bytes, where: str) -> tuple[str, list[str], str]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON ({error}); write one JSON object a line") from None
    said = row.get("response", row.get("completion")) if isinstance(row, dict) else None
    if not isinstance(said, str):
        raise UserError(f'{where} has no text under "response"; write {{"response": "..."}}')
    options, reason = row.get("options") or [], row.get("finish_reason") or "stop"
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise UserError(
            f'{where} has "options" that are not a list of texts; write {{"options": ["...", "..."]}}'
        )
    if not isinstance(reason, str):
        raise UserError(f'{where} has a "finish_reason" that is not text; write "stop" or "length"')
    return _encodable(said), [_encodable(option) for option in options], reason


def _encodable(text: str) -> str:
    """The text without lone surrogates, which JSON allows and no file does."""
    return text.encode("utf-8", "replace").decode()


def main(task: str) -> None:
    """Read answers from standard input.

    Args:
        task: what kind of answer the responses give.
    """
    table = parse(sys.stdin.buffer)
    answers = read_answers(task, table["response"], table["finish_reason"], table["options"])
    for answer, status in answers.iter_rows():
        print(json.dumps({"answer": answer, "status": status}))


if __name__ == "__main__":
    cli(main)
