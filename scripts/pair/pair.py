"""Pair good answers with worse ones: grades, answers -> preference pairs.

Those of Eq. 5 and 6, or of one model's answers alone (Table 6), without the queries that are held out.
"""

import sys
from pathlib import Path

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import LABELS, PAIRS, ids_of, read, write_sorted
from scripts.lib.errors import UserError
from scripts.lib.labels.graded import Graded, paired
from scripts.lib.labels.pairs import Funnel, divide
from scripts.lib.labels.settings import Pairing
from scripts.lib.process.cli import cli

METHOD = Pairing()


def why_nothing(funnel: Funnel, sampled: str = "student") -> str:
    """One line for a funnel that lets nothing through: its counts, and the setting to turn of the model
    `sampled`."""
    counts = ", ".join(
        f"{funnel[name]} {name.replace('_', ' ')}"
        for name in ("labelled", "sampled", "all_right", "all_wrong", "kept")
    )
    reasons = ", ".join(f"{count} {reason}" for reason, count in funnel["reasons"].items())
    if not funnel["labelled"]:
        mend = "lower the vote threshold or m, or sample the teacher again"
    elif not funnel["sampled"]:
        mend = f"the {sampled}'s grades hold none of the labelled queries: sample the {sampled} on them"
    elif not funnel["kept"] and funnel["all_right"] >= funnel["all_wrong"]:
        mend = f"raise the {sampled}'s temperature or its n, or bring harder queries"
    elif not funnel["kept"]:
        mend = "raise the student's n or temperature, or train the warm student for longer"
    else:
        mend = (
            "every pair was of equal texts, capped away or held out: "
            f"raise the {sampled}'s temperature, the caps, or the number of queries"
        )
    return f"no pairs are left: {funnel['queries']} queries ({reasons}), {counts}; {mend}"


def count_queries(labels: Path | None, graded: Graded) -> Funnel:
    """queries, reasons (counts of `LABELS`' reason) and labelled; without labels all graded queries are
    labelled."""
    if labels is None:
        number = graded.queries()
        return {"queries": number, "reasons": {}, "labelled": number}
    table = read(labels, {name: LABELS[name] for name in ("query_id", "label", "reason")})
    reasons = dict(table["reason"].value_counts().sort("reason").iter_rows())
    return {"queries": table.height, "reasons": reasons, "labelled": table["label"].count()}


def split_counts(*parts: pl.DataFrame) -> Funnel:
    """Queries and pairs of each part that there is a pair of, and of train and validation."""
    found = {
        name: [part.filter(pl.col("split") == name)["query_id"] for part in parts]
        for name in ("train", "validation", "test")
    }
    return {
        name: {"queries": sum(ids.n_unique() for ids in of), "pairs": sum(map(len, of))}
        for name, of in found.items()
    }


def main(
    graded: OmitArgPrefixes[Graded],
    held_out: Path,
    output: Path,
    funnel: Path,
    labels: Path | None = None,
    pairing: OmitArgPrefixes[Pairing] = METHOD,
    seed: int = 0,
) -> None:
    """Pair answers of equal queries: the teacher's best over the student's best, the student's better over
    its worse.

    Args:
        graded: The samples to pair.
        held_out: Pairs whose queries no reward learns (`pair.hold_out`).
        output: The pairs, as ids.
        funnel: What was dropped at each step, as JSON.
        labels: The labels, to count the queries without one and why.
        pairing: Which pairs; test_fraction is that of the held-out ones.
        seed: Of the choices under the caps and of the split.
    """
    pairs, found = paired(graded, pairing, seed)
    counts: Funnel = count_queries(labels, graded) | found
    test = read(held_out, PAIRS)
    pairs, counts["pairs"] = divide(pairs, test, pairing, seed, found["pairs"])
    counts["pairs"]["total"], counts["split"] = pairs.height, split_counts(pairs, test)
    write_json(counts, funnel)
    if not pairs.height:
        raise UserError(why_nothing(counts, "teacher" if pairing.answers == "teacher" else "student"))
    write_sorted(pairs.sort(ids_of(PAIRS)).iter_slices(100_000), output, PAIRS)
    print(f"{pairs.height} pairs of {pairs['query_id'].n_unique()} queries", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
