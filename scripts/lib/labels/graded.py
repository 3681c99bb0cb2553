"""Graded samples of a teacher and a student, and the pairs that they give."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from scripts.lib.data.tables import GRADES, scan
from scripts.lib.errors import UserError
from scripts.lib.labels.pairs import KIND, KINDS, SOURCE, TEACHERS_OWN, Funnel, build, contrast
from scripts.lib.labels.settings import Pairing
from scripts.lib.samples.read import lots, refuse_doubles, scan_answers

Source = Literal["teacher", "student"]
SOURCES: tuple[Source, Source] = ("teacher", "student")


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

    def grades(self, source: Source) -> pl.LazyFrame:
        """query_id, sample_id, score of `GRADES`. Raises UserError where a score is not from 0 to the best
        one."""
        path = self.teacher_grades if source == "teacher" else self.student_grades
        grades = scan(path, {name: GRADES[name] for name in ("query_id", "sample_id", "score")})
        outside = (
            grades.filter(~pl.col("score").is_between(0, self.best_score)).select("score").head(1).collect()
        )
        if outside.height:
            raise UserError(
                f"{path} has the score {outside.item():g}; set best_score, which is {self.best_score:g}"
            )
        return grades

    def answers(self, source: Source) -> list[Path]:
        """The files of a model's answers."""
        return self.teacher_answers if source == "teacher" else self.student_answers

    def texts(self, source: Source) -> pl.LazyFrame:
        """What tells a model's equal texts: query_id, sample_id, text (`ANSWERS`)."""
        return scan_answers(self.answers(source), "text")

    def queries(self) -> int:
        """How many queries have a grade of either."""
        ids = [self.grades(source).select(pl.col("query_id").unique()) for source in SOURCES]
        return pl.concat(ids).select(pl.col("query_id").n_unique()).collect(engine="streaming").item()


def sides(
    graded: Graded, pairing: Pairing, among: pl.DataFrame | None = None
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame, Funnel]]:
    """What `build` pairs, some queries at a time: T+ and S (query_id, sample_id, score, text), of the queries
    `among` (query_id) or all; and the counts of `contrast`.

    With `answers` both or student S is the student's on queries where its scores differ, and with both T+ the
    teacher's best on these; with teacher S is the teacher's.
    """
    own: Source = "teacher" if pairing.answers == "teacher" else "student"
    other: Source = "student" if own == "teacher" else "teacher"
    tables = [table(source) for table in (graded.grades, graded.texts) for source in (own, other)]
    for lot in lots(*tables):
        kept, found = contrast(lot[0], graded.best_score)
        if among is not None:
            kept = kept.join(among, on="query_id", how="semi")
        made = []
        for source, grades, text in zip((own, other), lot[:2], lot[2:], strict=True):
            wanted = grades.join(kept, on="query_id", how="semi").drop_nulls("score")
            if source != own:
                wanted = wanted.filter(pl.col("score") == graded.best_score, pairing.answers == "both")
            made.append(_with_texts(wanted, text, source, graded.answers(source)))
        yield made[1], made[0], found


def paired(
    graded: Graded, pairing: Pairing, seed: int, among: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, Funnel]:
    """All pairs of `pairing` under its caps: `PAIRS` without split, and `order` (`pairs.build`).

    With `answers` both or student the student's better over its worse answers, on queries where these differ,
    and with both the teacher's best over the student's best; with teacher the teacher's better over its
    worse. `among`: query_id of the queries to pair, else all. The counts are those of `contrast`, and under
    `pairs` those of `build` by kind.
    """
    pairs, counts, kinds = [], Counter[str](), {kind: Counter[str]() for kind in KINDS}
    for teacher, student, found in sides(graded, pairing, among):
        counts.update(found)
        made, numbers = build(teacher, student, graded.best_score, pairing.caps, seed)
        pairs.append(made)
        for kind in KINDS:
            kinds[kind].update(numbers[kind])
    table, told = pl.concat(pairs), {kind: dict(number) for kind, number in kinds.items()}
    if pairing.answers == "teacher":
        whose = {"chosen_source": "teacher", "rejected_source": "teacher"}
        table = table.with_columns(
            pl.lit(TEACHERS_OWN, KIND).alias("kind"),
            *(pl.lit(value, SOURCE).alias(name) for name, value in whose.items()),
        )
        told = {TEACHERS_OWN: told["student_student"]}
    return table, dict(counts) | {"pairs": told}


def _with_texts(
    grades: pl.DataFrame, texts: pl.DataFrame, source: Source, files: Sequence[Path]
) -> pl.DataFrame:
    """Graded samples as query_id, sample_id, score, text. Raises UserError for those without an answer, and
    for answers that are given twice."""
    texts = texts.sort("query_id", "sample_id")
    refuse_doubles(texts, files)
    found = grades.join(texts, on=["query_id", "sample_id"])
    if found.height < grades.height:
        raise UserError(
            f"{grades.height - found.height} graded samples of the {source} are not in "
            f"{', '.join(map(str, files))}; give the answers of the samples that were graded"
        )
    return found
