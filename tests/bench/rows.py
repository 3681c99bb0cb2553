"""What the benchmarks measured: each row printed where it is measured, and kept in the file that
REDISTILL_BENCH names. `python -m tests.bench.rows bench.jsonl` prints the rows as a table for the docs."""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

KEPT = "REDISTILL_BENCH"
_headings: list[str] = []
"""Parts that were begun."""


class Row(NamedTuple):
    """A measurement, and what it is held against."""

    part: str
    what: str
    value: float
    unit: str
    beside: str = ""
    """The alternative, or the floor."""
    other: float | None = None
    """What that took, in the same unit."""
    more: str = ""
    bar: str = ""

    @property
    def ratio(self) -> str:
        """To the other one."""
        return f"{self.value / self.other:.2f}" if self.other else ""


def tell(
    part: str,
    what: str,
    value: float,
    unit: str,
    beside: str = "",
    other: float | None = None,
    more: str = "",
    bar: str = "",
) -> None:
    """Print a row and keep it."""
    row = Row(part, what, value, unit, beside, other, more, bar)
    held = f"{beside} {written(other)}, ratio {row.ratio}" if other else ""
    if part not in _headings:
        _headings.append(part)
        print(f"\n{part}")
    said = ", ".join(filter(None, (held, more, bar and f"bar {bar}")))
    print(f"  {what:44}{written(value):>11} {unit:18} {said}", flush=True)
    if file := os.environ.get(KEPT):
        with Path(file).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row._asdict()) + "\n")


def written(value: float | None) -> str:
    """A number with as many digits as say something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown(rows: list[Row]) -> str:
    """One table for each part."""
    lines = []
    for part in dict.fromkeys(row.part for row in rows):
        lines += ["", f"**{part}**", "", "| what | measured | beside | ratio | |", "|---|---|---|---|---|"]
        for row in (row for row in rows if row.part == part):
            more = ", ".join(filter(None, (row.more, row.bar and f"bar {row.bar}")))
            measured, beside = f"{written(row.value)} {row.unit}", f"{row.beside} {written(row.other)}"
            lines.append(f"| {row.what} | {measured} | {beside} | {row.ratio} | {more} |")
    return "\n".join(" ".join(line.split()) for line in lines)


if __name__ == "__main__":
    kept = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    print(markdown([Row(**json.loads(line)) for line in kept]))
