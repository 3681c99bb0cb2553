"""Graded samples of a teacher and a student, and the pairs that they give."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from scripts.lib.data.tables import GRADES, read
from scripts.lib.errors import UserError
from scripts.lib.labels.pairs import TEACHERS_OWN, Funnel, build, contrast
from scripts.lib.labels.settings import Pairing
from scripts.lib.samples.read import gather

Source = Literal["teacher", "student"]
Grades = dict[Source, pl.DataFrame]


@dataclass(frozen=True)
class Graded:
    """Graded samples of both models: files, and the scale."""

    teacher_grades: Path
    """Grades of the teacher's samples."""
    student_grades: Path
    """Grades of the warm student's samples."""
    teacher_answers: list[Path]
    """The answers behind the teacher's grades, one file per round."""
    student_answers: list[Path]
    """The answers behind the student's grades."""
    best_score: float = 1.0
    """The highest score l*: 1 for verifiable tasks, 5 for judged ones."""

    def grades(self) -> Grades:
        """`GRADES` of both. Raises UserError where a score is not from 0 to the best one."""
        files: dict[Source, Path] = {"teacher": self.teacher_grades, "student": self.student_grades}
        return {source: _read_grades(path, self.best_score) for source, path in files.items()}

    def texts(self, source: Source) -> pl.DataFrame:
        """What tells a model's equal texts: query_id, sample_id, text (`ANSWERS`)."""
        return gather(self.teacher_answers if source == "teacher" else self.student_answers, "text")


def _read_grades(path: Path, best_score: float) -> pl.DataFrame:
    grades = read(path, GRADES)
    outside = grades.filter(~pl.col("score").is_between(0, best_score))
    if outside.height:
        raise UserError(
            f"{path} has the score {outside['score'][0]:g}; set best_score, which is {best_score:g}"
        )
    return grades


def paired(graded: Graded, pairing: Pairing, seed: int) -> tuple[pl.DataFrame, Funnel]:
    """All pairs of `pairing` under its caps: `PAIRS` without split, and `order` (`pairs.build`).

    With `answers` both or student the student's better over its worse answers, on queries where these differ,
    and with both the teacher's best over the student's best; with teacher the teacher's better over its
    worse. The counts are those of `contrast`, and under `pairs` those of `build` by kind.
    """
    own: Source = "teacher" if pairing.answers == "teacher" else "student"
    grades = graded.grades()
    kept, counts = contrast(grades[own], graded.best_score)
    sides: Grades = {}
    for source, table in grades.items():
        wanted = table.join(kept, on="query_id", how="semi").drop_nulls("score")
        if source != own:
            wanted = wanted.filter(pl.col("score") == graded.best_score, pairing.answers == "both")
        sides[source] = _with_texts(wanted, graded, source)
    other: Source = "student" if own == "teacher" else "teacher"
    pairs, kinds = build(sides[other], sides[own], graded.best_score, pairing.caps, seed)
    if own == "teacher":
        whose = {"kind": TEACHERS_OWN, "chosen_source": "teacher", "rejected_source": "teacher"}
        pairs = pairs.with_columns(pl.lit(value).alias(name) for name, value in whose.items())
        kinds = {TEACHERS_OWN: kinds["student_student"]}
    return pairs, counts | {"pairs": kinds}


def _with_texts(grades: pl.DataFrame, graded: Graded, source: Source) -> pl.DataFrame:
    """Graded samples as query_id, sample_id, score, text. Raises UserError for those without an answer."""
    found = grades.select("query_id", "sample_id", "score").join(
        graded.texts(source), on=["query_id", "sample_id"]
    )
    if found.height < grades.height:
        files = graded.teacher_answers if source == "teacher" else graded.student_answers
        raise UserError(
            f"{grades.height - found.height} graded samples of the {source} are not in "
            f"{', '.join(map(str, files))}; give the answers of the samples that were graded"
        )
    return found
