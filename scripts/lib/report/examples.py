"""Real texts of every stage: a few queries on their way to pairs, a few test questions with every variant's answer.

Chosen by outcome, so that failures show as well, and within an outcome by a hash of the id: nobody picks them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from scripts.lib.data import tables
from scripts.lib.data.hashing import fractions
from scripts.lib.labels.votes import choose_voters
from scripts.lib.report import load
from scripts.lib.report.blocks import Example, Line, count
from scripts.lib.report.results import in_order, name
from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import read_answers, read_golds

KINDS = {"teacher_student": "T⁺ ≻ S⁺", "student_student": "S⁺ ≻ S⁻", "teacher_teacher": "T⁺ ≻ T⁻"}
LONGEST = 700
SHOWN = 4


def shorten(text: str, longest: int = LONGEST) -> str:
    """The text, cut at `longest` characters with an ellipsis that says how long it was."""
    text = text.strip()
    return text if len(text) <= longest else f"{text[:longest].rstrip()} … ({count(len(text))} characters)"


def pick(groups: Sequence[tuple[str, Iterable[str]]], number: int) -> list[tuple[str, str]]:
    """`number` ids as (group, id): one a group in turn, in the order of a hash, no id twice."""
    queues = []
    for group, ids in groups:
        named = pl.Series("query_id", sorted(set(ids)), dtype=pl.String())
        order = fractions(named, 0, "report examples").argsort()
        queues.append((group, [named[int(index)] for index in order]))
    chosen: dict[str, str] = {}
    while len(chosen) < number and any(queue for _, queue in queues):
        for group, queue in queues:
            while queue and queue[0] in chosen:
                queue.pop(0)
            if queue and len(chosen) < number:
                chosen[queue.pop(0)] = group
    return [(group, query_id) for query_id, group in chosen.items()]


def query_examples(chain: dict[str, Any], vote: dict[str, Any], task: str, number: int = 5) -> list[Example]:
    """Queries of a chain with the teacher's samples, the vote, the student's samples and a pair; [] without files.

    `vote`: m and voters of the labels.
    """
    labels = load.table(chain["labels"][0]["path"], tables.LABELS) if chain.get("labels") else None
    if labels is None:
        return []
    reward = (chain.get("rewards") or [{}])[0]
    pairs = load.table(reward.get("pairs"), tables.PAIRS)
    pairs = pl.DataFrame(schema=tables.PAIRS) if pairs is None else pairs
    grades = load.table(reward.get("student_grades"), tables.GRADES)
    chosen = pick(_training_groups(chain, labels, grades, pairs, task), number)
    ids = [query_id for _, query_id in chosen]
    questions = load.rows_of([chain.get("queries")], ids, tables.QUERIES)
    golds = dict(load.rows_of([chain.get("train_golds")], ids, tables.GOLDS).iter_rows())
    teacher = load.rows_of(chain.get("teacher_samples") or [], ids, tables.SAMPLES)
    student = load.rows_of([reward.get("student_samples")], ids, tables.SAMPLES)
    judged = task_of(task).judged
    examples = []
    for group, query_id in chosen:
        own = pl.col("query_id") == query_id
        question = questions.filter(own)
        label = labels.filter(own).row(0, named=True)
        options = _options(question)
        if judged:
            scores = (load.rows_of([path], [query_id], tables.GRADES) for path in _grades(chain, reward))
            parts = [
                _judged_part(who, said.filter(own), score)
                for who, said, score in zip(
                    ("Teacher", "Warm student"), (teacher, student), scores, strict=True
                )
                if len(said.filter(own))
            ]
        else:
            parts = [_teacher_part(_read(teacher.filter(own), task, options), label, vote)]
            if label["label"] is not None and len(student.filter(own)):
                parts.append(_student_part(_read(student.filter(own), task, options), label["label"]))
        sources = {"teacher": teacher.filter(own), "student": student.filter(own)}
        for pair in (
            pairs.filter(own)
            .unique("kind", keep="first", maintain_order=True)
            .sort("kind")
            .iter_rows(named=True)
        ):
            parts.append(_pair_part(pair, sources))
        kind = f"{group} (reference answer {shorten(golds[query_id], 40)})" if query_id in golds else group
        examples.append(Example(kind, _question(question, query_id), parts))
    return examples


def _training_groups(chain, labels, grades, pairs, task) -> list[tuple[str, Iterable[str]]]:
    groups: list[tuple[str, Iterable[str]]] = [("Labelled and paired", pairs["query_id"])]
    golds = load.table(chain.get("train_golds"), tables.GOLDS)
    if golds is not None:
        known = labels.filter(pl.col("label").is_not_null()).join(golds, on="query_id")
        truth = read_golds(task, known["answer"])
        groups.append(("Labelled, but wrongly", known.filter(known["label"] != truth)["query_id"]))
    groups.append(("No label", labels.filter(pl.col("label").is_null())["query_id"]))
    if grades is not None:
        share = grades.group_by("query_id").agg(
            pl.col("score").min().alias("low"), pl.col("score").max().alias("high")
        )
        flat, best = share.filter(pl.col("low") == pl.col("high")), grades["score"].max()
        groups.append(
            ("The student is always right: dropped", flat.filter(pl.col("high") == best)["query_id"])
        )
        groups.append(
            ("The student is never right: dropped", flat.filter(pl.col("high") != best)["query_id"])
        )
    return groups


def _read(samples: pl.DataFrame, task: str, options: Sequence[str]) -> pl.DataFrame:
    choices = pl.Series([list(options)] * len(samples), dtype=pl.List(pl.String()))
    found = read_answers(task, samples["completion"], samples["finish_reason"], choices)
    return samples.with_columns(found["answer"])


def _question(question: pl.DataFrame, query_id: str) -> str:
    if not len(question):
        return query_id
    letters = (f"{chr(65 + index)}. {option}" for index, option in enumerate(_options(question)))
    return shorten("\n".join([question["question"][0], *letters]))


def _options(question: pl.DataFrame) -> list[str]:
    return (question["options"].to_list() or [None])[0] or []


def _lines(samples: pl.DataFrame, source: str, label: str | None) -> list[Line]:
    """A few samples, right and wrong in turn, with the answer read from each."""
    right = pl.col("answer").eq_missing(pl.lit(label))
    ordered = samples.with_columns(right.alias("right")).with_columns(
        pl.int_range(pl.len()).over("right").alias("turn")
    )
    lines = []
    for row in ordered.sort("turn", "right", descending=[False, True]).head(SHOWN).iter_rows(named=True):
        verdict = "" if label is None else "agrees" if row["right"] else "differs"
        remark = "no answer read" if row["answer"] is None else f"answer {shorten(row['answer'], 40)}"
        where = f"{source} {row['sample_id']}, T = {row['temperature']:g}"
        lines.append(Line(where, shorten(row["completion"]), verdict, remark))
    return lines


def _teacher_part(said: pl.DataFrame, label: dict[str, Any], vote: dict[str, Any]) -> tuple[str, list[Line]]:
    voters = choose_voters(said, label["m"], vote.get("voters", "last_round"))
    ballots = said.join(voters, on=["query_id", "sample_id"], how="semi")["answer"]
    tally = Counter("none" if each is None else shorten(each, 40) for each in ballots)
    votes = ", ".join(
        f"{answer} × {number}"
        for answer, number in sorted(tally.items(), key=lambda each: (-each[1], each[0]))
    )
    verdict = (
        f"label {shorten(label['label'], 40)}"
        if label["label"] is not None
        else f"no label ({label['reason'].replace('_', ' ')})"
    )
    return f"Teacher: {verdict}; votes {votes}", _lines(said, "sample", label["label"])


def _student_part(said: pl.DataFrame, label: str) -> tuple[str, list[Line]]:
    right = int((said["answer"] == label).sum())
    return f"Warm student: {right} of {len(said)} samples agree with the label", _lines(said, "sample", label)


def _grades(chain: dict[str, Any], reward: dict[str, Any]) -> tuple[str | None, str | None]:
    return chain.get("teacher_grades"), reward.get("student_grades")


def _judged_part(who: str, said: pl.DataFrame, scores: pl.DataFrame) -> tuple[str, list[Line]]:
    """A model's samples with the judge's scores, the best and the worst in turn."""
    known = said.join(
        scores.select("query_id", "sample_id", "score"), on=["query_id", "sample_id"], how="left"
    )
    best = pl.col("score").eq(5).fill_null(False)
    ordered = known.with_columns(best.alias("best")).with_columns(
        pl.int_range(pl.len()).over("best").alias("turn")
    )
    lines = []
    for row in ordered.sort("turn", "best", descending=[False, True]).head(SHOWN).iter_rows(named=True):
        remark = "no score read" if row["score"] is None else f"score {row['score']:g}"
        where = f"sample {row['sample_id']}, T = {row['temperature']:g}"
        lines.append(Line(where, shorten(row["completion"]), "best" if row["best"] else "", remark))
    return f"{who}: {known.filter(best).height} of {len(known)} samples have the judge's best score", lines


def _pair_part(pair: dict[str, Any], sources: dict[str, pl.DataFrame]) -> tuple[str, list[Line]]:
    lines = []
    for side in ("chosen", "rejected"):
        source, sample_id = pair[f"{side}_source"], pair[f"{side}_sample_id"]
        text = sources[source].filter(pl.col("sample_id") == sample_id)["completion"]
        shown = shorten(text[0]) if len(text) else "(text not found)"
        lines.append(
            Line(f"{side}: {source}, sample {sample_id}", shown, "", f"score {pair[f'{side}_score']:g}")
        )
    return f"Preference pair: {KINDS[pair['kind']]}", lines


def question_examples(
    rows: Sequence[dict[str, Any]], benchmark: dict[str, Any], number: int = 5, judged: bool = False
) -> list[Example]:
    """Test questions with every variant's answer; `rows`: the manifest's rows of one setting and seed.

    `judged`: right is what a judge prefers to the reference's output, the answer its preference.
    """
    good, bad = ("wins", "loses") if judged else ("right", "wrong")
    scores = {row["variant"]: load.table(row.get("scores"), tables.SCORES) for row in rows}
    scores = {
        variant: each.unique("query_id", keep="first", maintain_order=True)
        for variant, each in scores.items()
        if each is not None
    }
    right = {variant: set(each.filter("correct")["query_id"]) for variant, each in scores.items()}
    if not right:
        return []
    everyone = set.union(*(set(each["query_id"]) for each in scores.values()))
    groups: list[tuple[str, set[str]]] = []
    for ours, other in (("ours", "sft"), ("ours", "teacher")):
        if ours in right and other in right:
            groups.append((f"{name(ours)} {good}, {name(other)} {bad}", right[ours] - right[other]))
            groups.append((f"{name(ours)} {bad}, {name(other)} {good}", right[other] - right[ours]))
    groups.append((f"Nobody {good}", everyone - set.union(*right.values())))
    groups.append((f"Everybody {good}", set.intersection(*right.values())))
    counted = [(f"{kind} ({count(len(ids))} of {count(len(everyone))})", ids) for kind, ids in groups]
    chosen = pick(counted, number)
    ids = [query_id for _, query_id in chosen]
    questions = load.rows_of([benchmark.get("queries")], ids, tables.QUERIES)
    golds = dict(load.rows_of([benchmark.get("golds")], ids, tables.GOLDS).iter_rows())
    texts = {row["variant"]: load.rows_of([row.get("samples")], ids, tables.SAMPLES) for row in rows}
    examples = []
    for kind, query_id in chosen:
        own = pl.col("query_id") == query_id
        lines = []
        for variant in in_order(scores):
            score, text = scores[variant].filter(own), texts[variant].filter(own)
            if len(score):
                row = score.row(0, named=True)
                if judged:
                    remark = f"preferred with {float(row['answer']):.2f}"
                elif row["answer"] is not None:
                    remark = f"answer {shorten(row['answer'], 40)}"
                else:
                    remark = f"not read: {row['status']}"
                completion = shorten(text["completion"][0]) if len(text) else ""
                lines.append(Line(name(variant), completion, good if row["correct"] else bad, remark))
        gold = f"Reference answer {shorten(golds[query_id], 80)}" if query_id in golds else "Answers"
        examples.append(Example(kind, _question(questions.filter(own), query_id), [(gold, lines)]))
    return examples
