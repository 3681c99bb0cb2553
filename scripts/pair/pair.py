"""Pair good answers with worse ones: grades, answers -> preference pairs.

Those of Eq. 5 and 6, or of one model's answers alone (Table 6).
"""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import GRADES, LABELS, PAIRS, read, write
from scripts.lib.errors import UserError
from scripts.lib.labels.pairs import KINDS, TEACHERS_OWN, Funnel, build, contrast, split_queries
from scripts.lib.labels.settings import Pairing
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import gather

Source = Literal["teacher", "student"]
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
            f"every pair was of equal texts or was capped away: raise the {sampled}'s temperature or the caps"
        )
    return f"no pairs are left: {funnel['queries']} queries ({reasons}), {counts}; {mend}"


def read_grades(path: Path, best_score: float) -> pl.DataFrame:
    """`GRADES` of a file. Raises UserError where a score is not from 0 to `best_score`."""
    grades = read(path, GRADES)
    outside = grades.filter(~pl.col("score").is_between(0, best_score))
    if outside.height:
        raise UserError(
            f"{path} has the score {outside['score'][0]:g}; set best_score, which is {best_score:g}"
        )
    return grades


def count_queries(labels: Path | None, grades: Iterable[pl.DataFrame]) -> Funnel:
    """queries, reasons (counts of `LABELS`' reason) and labelled; without labels all graded queries are
    labelled."""
    if labels is None:
        graded = pl.concat(each.select("query_id") for each in grades).n_unique()
        return {"queries": graded, "reasons": {}, "labelled": graded}
    table = read(labels, {name: LABELS[name] for name in ("query_id", "label", "reason")})
    reasons = dict(table["reason"].value_counts().sort("reason").iter_rows())
    return {"queries": table.height, "reasons": reasons, "labelled": table["label"].count()}


def with_texts(grades: pl.DataFrame, answers: list[Path], source: Source) -> pl.DataFrame:
    """Graded samples beside what tells equal texts: query_id, sample_id, score, text (`ANSWERS`).

    Raises UserError when samples were graded that the answers files do not hold.
    """
    found = grades.select("query_id", "sample_id", "score").join(
        gather(answers, "text"), on=["query_id", "sample_id"]
    )
    if found.height < grades.height:
        raise UserError(
            f"{grades.height - found.height} graded samples of the {source} are not in "
            f"{', '.join(map(str, answers))}; give the answers of the samples that were graded"
        )
    return found


def pair(
    sides: dict[Source, pl.DataFrame],
    own: Source,
    best_score: float,
    caps: dict[str, int],
    teacher_ratio: float | None,
    seed: int,
) -> tuple[pl.DataFrame, Funnel]:
    """Pair the `own` model's better with its worse answers, and the other model's answers with its best ones.

    `sides`: query_id, sample_id, score, text by model. Returns `PAIRS` without split, and the counts of
    `build`.
    """
    other: Source = "student" if own == "teacher" else "teacher"
    pairs, counts = build(sides[other], sides[own], best_score, caps, teacher_ratio, seed)
    if own == "student":
        return pairs, counts
    teachers = {"kind": TEACHERS_OWN, "chosen_source": "teacher", "rejected_source": "teacher"}
    pairs = pairs.with_columns(pl.lit(value).alias(name) for name, value in teachers.items())
    return pairs, {TEACHERS_OWN: counts["student_student"]}


def split_counts(pairs: pl.DataFrame) -> Funnel:
    """Queries and pairs of each part of the split."""
    parts = {part: pairs.filter(pl.col("split") == part) for part in ("train", "validation")}
    return {
        part: {"queries": table["query_id"].n_unique(), "pairs": table.height}
        for part, table in parts.items()
    }


def main(
    teacher_grades: Path,
    student_grades: Path,
    teacher_answers: list[Path],
    student_answers: list[Path],
    output: Path,
    funnel: Path,
    labels: Path | None = None,
    pairing: OmitArgPrefixes[Pairing] = METHOD,
    best_score: float = 1.0,
    seed: int = 0,
) -> None:
    """Pair answers of equal queries: the teacher's best over the student's best, the student's better over
    its worse.

    Args:
        teacher_grades: Grades of the teacher's samples.
        student_grades: Grades of the warm student's samples.
        teacher_answers: The answers behind the teacher's grades, one file per round.
        student_answers: The answers behind the student's grades.
        output: The pairs, as ids.
        funnel: What was dropped at each step, as JSON.
        labels: The labels, to count the queries without one and why.
        pairing: Which pairs.
        best_score: The highest score l*: 1 for verifiable tasks, 5 for judged ones.
        seed: Of the choices under the caps and of the split.
    """
    graded: dict[Source, pl.DataFrame] = {
        "teacher": read_grades(teacher_grades, best_score),
        "student": read_grades(student_grades, best_score),
    }
    own: Source = "teacher" if pairing.answers == "teacher" else "student"
    kept, contrasts = contrast(graded[own], best_score)
    counts: Funnel = count_queries(labels, graded.values()) | contrasts
    sides: dict[Source, pl.DataFrame] = {}
    files: dict[Source, list[Path]] = {"teacher": teacher_answers, "student": student_answers}
    for source in files:
        wanted = graded[source].join(kept, on="query_id", how="semi").drop_nulls("score")
        if source != own:
            wanted = wanted.filter(pl.col("score") == best_score, pairing.answers == "both")
        sides[source] = with_texts(wanted, files[source], source)
    caps = dict(zip(KINDS, (pairing.max_teacher_pairs, pairing.max_student_pairs), strict=True))
    pairs, counts["pairs"] = pair(sides, own, best_score, caps, pairing.teacher_ratio, seed)
    pairs = split_queries(pairs, pairing.validation_fraction, seed)
    counts["pairs"]["total"], counts["split"] = pairs.height, split_counts(pairs)
    write_json(counts, funnel)
    if not pairs.height:
        raise UserError(why_nothing(counts, own))
    write(pairs, output, PAIRS)
    print(f"{pairs.height} pairs of {pairs['query_id'].n_unique()} queries", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
