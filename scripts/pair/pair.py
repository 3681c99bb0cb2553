"""Pair good answers with worse ones: grades, samples -> preference pairs (Eq. 5, 6), or those of one model alone (Table 6)."""

import sys
from pathlib import Path
from typing import Literal

import polars as pl

from scripts.lib.data.files import write_json
from scripts.lib.data.tables import GRADES, LABELS, PAIRS, read, read_many, write
from scripts.lib.errors import UserError
from scripts.lib.labels.pairs import KINDS, TEACHERS_OWN, Funnel, build, contrast, split_queries
from scripts.lib.process.cli import cli
from scripts.lib.samples.read import text_hashes

Answers = Literal["both", "teacher", "student"]


def why_nothing(funnel: Funnel, sampled: str = "student") -> str:
    """One line for a funnel that lets nothing through: its counts, and the setting to turn of the model `sampled`."""
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


def main(
    teacher_grades: Path,
    student_grades: Path,
    teacher_samples: list[Path],
    student_samples: list[Path],
    output: Path,
    funnel: Path,
    labels: Path | None = None,
    answers: Answers = "both",
    best_score: float = 1.0,
    max_student_pairs: int = 6,
    max_teacher_pairs: int = 4,
    teacher_ratio: float | None = None,
    validation_fraction: float = 0.1,
    seed: int = 0,
) -> None:
    """Pair answers of equal queries: the teacher's best over the student's best, the student's better over its worse.

    Args:
        teacher_grades: Grades of the teacher's samples.
        student_grades: Grades of the warm student's samples.
        teacher_samples: The texts behind the teacher's grades, one file a round.
        student_samples: The texts behind the student's grades.
        output: The pairs, as ids.
        funnel: What was dropped at each step, as JSON.
        labels: The labels, to count the queries without one and why.
        answers: Whose answers are paired: both (Eq. 5); or the student's or the teacher's own better over its worse ones only,
            for the outcome reward models ORM-S and ORM-T of Table 6.
        best_score: The highest score l*: 1 for verifiable tasks, 5 for judged ones.
        max_student_pairs: Most student over student pairs (of ORM-T, teacher over teacher) a query; 0: all.
        max_teacher_pairs: Most teacher over student pairs a query; 0: all.
        teacher_ratio: Teacher pairs for one student pair over the whole set (App. E.2); default: as they come.
        validation_fraction: Share of the queries whose pairs are for validation.
        seed: Of the choices under the caps and of the split.
    """
    if answers != "both" and teacher_ratio is not None:
        raise UserError(f"teacher_ratio thins T+ over S+ pairs, which answers {answers} has none of; drop it")
    if not 0 <= validation_fraction < 1:
        raise UserError(f"validation_fraction is {validation_fraction}; it must be at least 0 and under 1")
    if teacher_ratio is not None and teacher_ratio < 0:
        raise UserError(f"teacher_ratio is {teacher_ratio}; it must be at least 0")
    graded = {"teacher": read(teacher_grades, GRADES), "student": read(student_grades, GRADES)}
    for source, path in (("teacher", teacher_grades), ("student", student_grades)):
        outside = graded[source].filter(~pl.col("score").is_between(0, best_score))
        if outside.height:
            raise UserError(
                f"{path} has the score {outside['score'][0]:g}; set best_score, which is {best_score:g}"
            )

    counts: Funnel = {}
    if labels is not None:
        columns = {name: LABELS[name] for name in ("query_id", "label", "reason")}
        labelled = read(labels, columns)
        counts["queries"] = labelled.height
        counts["reasons"] = dict(labelled["reason"].value_counts().sort("reason").iter_rows())
        counts["labelled"] = labelled["label"].count()
    else:
        counts["queries"] = counts["labelled"] = read_many(
            [teacher_grades, student_grades], {"query_id": pl.String()}
        )["query_id"].n_unique()
        counts["reasons"] = {}

    sampled = "teacher" if answers == "teacher" else "student"
    kept, contrasts = contrast(graded[sampled], best_score)
    counts |= contrasts
    sides = {}
    for source, files in (("teacher", teacher_samples), ("student", student_samples)):
        wanted = graded[source].join(kept, on="query_id", how="semi").drop_nulls("score")
        if source != sampled:
            wanted = wanted.filter(pl.col("score") == best_score, answers == "both")
        texts = text_hashes(files, kept)
        sides[source] = wanted.select("query_id", "sample_id", "score").join(
            texts, on=["query_id", "sample_id"]
        )
        if sides[source].height < wanted.height:
            raise UserError(
                f"{wanted.height - sides[source].height} graded samples of the {source} are not in "
                f"{', '.join(map(str, files))}; give the samples that were graded"
            )
    caps = dict(zip(KINDS, (max_teacher_pairs, max_student_pairs), strict=True))
    others = sides["student" if sampled == "teacher" else "teacher"]
    pairs, counts["pairs"] = build(others, sides[sampled], best_score, caps, teacher_ratio, seed)
    if sampled == "teacher":
        pairs = pairs.with_columns(
            pl.lit(TEACHERS_OWN).alias("kind"),
            pl.lit("teacher").alias("chosen_source"),
            pl.lit("teacher").alias("rejected_source"),
        )
        counts["pairs"] = {TEACHERS_OWN: counts["pairs"]["student_student"]}
    pairs = split_queries(pairs, validation_fraction, seed)
    counts["pairs"]["total"] = pairs.height
    counts["split"] = {
        part: {
            "queries": pairs.filter(pl.col("split") == part)["query_id"].n_unique(),
            "pairs": pairs.filter(pl.col("split") == part).height,
        }
        for part in ("train", "validation")
    }
    write_json(counts, funnel)
    if not pairs.height:
        raise UserError(why_nothing(counts, sampled))
    write(pairs, output, PAIRS)
    print(f"{pairs.height} pairs of {pairs['query_id'].n_unique()} queries", file=sys.stderr)


if __name__ == "__main__":
    cli(main)
