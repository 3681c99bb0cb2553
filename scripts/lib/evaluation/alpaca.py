"""AlpacaEval 2's files: outputs in the standard form, in the reference's order, and annotations that fit
them.

Rows count by position: the package's length-controlled win rate looks up an instruction's difficulty by its
place, so a dropped or moved row gives a wrong number without a word (`metrics/glm_winrate.py` of alpaca_eval
0.6.6). Hence errors.
"""

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from scripts.lib.errors import UserError

ROWS = 805
"""AlpacaEval 2 has 805 instructions."""
OFFICIAL = "weighted_alpaca_eval_gpt4_turbo"
"""The annotator of the published leaderboard: gpt-4-1106-preview, weighted by the probabilities of its
verdict."""
REFERENCE = "gpt4_1106_preview"
"""The generator whose outputs the leaderboard compares with."""

Rows = list[dict[str, Any]]


class Verdicts(NamedTuple):
    """Whose verdicts a number rests on, and whose outputs it compares with."""

    judge: str
    reference: str

    @property
    def official(self) -> bool:
        """Whether the number compares with the published leaderboard's."""
        return self == (OFFICIAL, REFERENCE)

    @property
    def suffix(self) -> str:
        """What the names of such metrics end with: nothing for the official protocol."""
        return "" if self.official else f"_by_{self.judge}_against_{self.reference}_not_comparable"


def verdicts_of(metric: str) -> Verdicts:
    """The verdicts behind a metric, by its name's suffix."""
    own = re.search(r"_by_(.+)_against_(.+)_not_comparable$", metric)
    return Verdicts(*own.groups()) if own else Verdicts(OFFICIAL, REFERENCE)


def require_key(annotator: str) -> None:
    """Raise UserError for the official annotator without a key in the environment."""
    if annotator == OFFICIAL and not (os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_API_KEYS")):
        raise UserError(
            f"the annotator {OFFICIAL} needs OPENAI_API_KEY in the environment; set it, "
            "or name an own annotator's YAML file (its numbers do not compare with published ones)"
        )


def read_rows(path: Path, keys: Sequence[str]) -> Rows:
    """The rows of a JSON list. Raises UserError when the file is absent, no list of objects, or a key is
    missing."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; make it, or fetch it with `make prefetch`")
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}); make or fetch it again") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path} is not a list of objects; AlpacaEval's files are")
    for number, row in enumerate(rows):
        for key in keys:
            if key not in row:
                raise UserError(
                    f"{path} row {number}: {key!r} is missing; it was not made by AlpacaEval's rules"
                )
    return rows


def read_outputs(path: Path) -> Rows:
    """Outputs of one generator: instruction, output, generator (dataset where it is there)."""
    rows = read_rows(path, ("instruction", "output", "generator"))
    for number, row in enumerate(rows):
        if not isinstance(row["output"], str):
            raise UserError(f"{path} row {number}: the output is {type(row['output']).__name__}, not text")
    generators = sorted({str(row["generator"]) for row in rows})
    if len(generators) != 1:
        raise UserError(
            f"{path} has {len(generators)} generators ({', '.join(generators[:3])}); one is asked for"
        )
    return rows


def check_order(rows: Rows, reference: Rows, path: Path) -> None:
    """Raise UserError unless `rows` are the reference's 805 instructions in its order."""
    for name, found in (("the reference", len(reference)), (str(path), len(rows))):
        if found != ROWS:
            raise UserError(f"{name} has {found} rows; AlpacaEval 2 is defined on all {ROWS}")
    for number, (row, wanted) in enumerate(zip(rows, reference, strict=True)):
        if row["instruction"] != wanted["instruction"]:
            raise UserError(
                f"{path} row {number} is not the reference's instruction {number}; keep the reference's order"
            )


def check_annotations(annotations: Rows, outputs: Rows, reference: Rows, path: Path) -> None:
    """Raise UserError unless there is a preference in [1, 2] for every row, in order, about these very
    outputs."""
    check_order(annotations, reference, path)
    missing = []
    for number, (row, output, wanted) in enumerate(zip(annotations, outputs, reference, strict=True)):
        if row["output_2"] != output["output"] or row["output_1"] != wanted["output"]:
            raise UserError(
                f"{path} row {number} judges other outputs than those given; annotate these outputs"
            )
        preference = row["preference"]
        if not isinstance(preference, int | float) or math.isnan(preference):
            missing.append(number)
        elif preference != 0 and not 1 <= preference <= 2:
            raise UserError(f"{path} row {number}: the preference is {preference}; it lies in [1, 2]")
    if missing:
        raise UserError(
            f"{path}: {len(missing)} of {ROWS} preferences are missing, the first in row {missing[0]}; "
            "annotate again (finished rows are kept), a win rate over the rest would mislead"
        )
