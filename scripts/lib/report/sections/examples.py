"""The section of examples: queries on their way to pairs, and test questions with every variant's answer.

Chosen by outcome, so that failures show as well, and within an outcome by a hash of the id: nobody picks
them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from scripts.lib.data import tables
from scripts.lib.data.hashing import fractions
from scripts.lib.labels.settings import Vote
from scripts.lib.labels.votes import choose_voters
from scripts.lib.report import read
from scripts.lib.report.drawing.content import Example, Examples, Line, Section
from scripts.lib.report.drawing.text import count
from scripts.lib.report.numbers.rewards import misled
from scripts.lib.report.numbers.variants import in_order, name
from scripts.lib.report.sections.pairs import SIGNS
from scripts.lib.report.sections.reward_models import best_score
from scripts.lib.report.study import Chain, Evaluation, Questions, Study
from scripts.lib.tasks.bulk import as_written, read_golds

LONGEST = 700
"""Characters of a text that are shown."""
SHOWN = 4
"""Samples of a query that are shown."""
QUERIES, QUESTIONS, TEXTS = 40, 60, 600
"""Queries on their way to pairs, test questions, and texts of test questions, at most: under a megabyte."""


def section(study: Study) -> Section:
    """Queries of the first chain, then questions of the first benchmark and seed."""
    made = Section(
        "examples",
        "Examples",
        "Queries on their way to pairs, then test questions with every variant's answer: of each outcome as "
        "many as of any other, so that failures show, and within an outcome by a hash of their id. Search "
        "looks into every text; the arrow keys go from one example to the next. What is open is printed.",
    )
    found = [each for chain in study.chains[:1] for each in query_examples(chain)]
    if study.evaluations:
        first = study.evaluations[0]
        shown = [run for run in study.evaluations if _place(run) == _place(first)]
        (asked,) = (
            each for each in study.questions if (each.benchmark, each.seed) == (first.benchmark, first.seed)
        )
        found += question_examples(shown, asked, min(QUESTIONS, TEXTS // max(len(shown), 1)))
    if not found:
        return made.without("There are no samples to show.")
    made.content.append(Examples(found))
    return made


def _place(run: Evaluation) -> tuple[str, str, str, int, str]:
    return run.dataset, run.teacher, run.student, run.seed, run.benchmark


def shorten(text: str, longest: int = LONGEST) -> str:
    """The text, cut at `longest` characters with an ellipsis that says how long it was."""
    text = text.strip()
    return text if len(text) <= longest else f"{text[:longest].rstrip()} … ({count(len(text))} characters)"


def pick(groups: Sequence[tuple[str, Iterable[str]]], number: int) -> list[tuple[str, str]]:
    """`number` ids as (group, id): one per group in turn, in the order of a hash, no id twice."""
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


def query_examples(chain: Chain, number: int = QUERIES) -> list[Example]:
    """Queries of a chain with the teacher's samples, the vote, the student's samples and pairs.

    None where no training needs labels.
    """
    if not chain.labels:
        return []
    labels = tables.read(chain.labels[0].labels, tables.LABELS)
    vote = chain.labels[0].vote
    reward = next(iter(chain.rewards), None)
    pairs = tables.read(reward.pairs, tables.PAIRS) if reward else pl.DataFrame(schema=tables.PAIRS)
    grades = (
        tables.read(reward.student_grades, tables.GRADES) if reward else pl.DataFrame(schema=tables.GRADES)
    )
    rewards = read.rows(
        [reward.held_out] if reward and reward.held_out else [], None, tables.HELD_OUT_REWARDS
    )
    wrongly = misled(rewards, best_score(chain))
    groups = [
        *_training_groups(chain, labels, grades, pairs),
        ("High reward, wrong answer", wrongly["query_id"]),
    ]
    chosen = pick(groups, number)
    ids = [query_id for _, query_id in chosen]
    questions = read.rows([chain.queries], ids, tables.QUERIES)
    golds = dict(read.rows([chain.golds], ids, tables.GOLDS).iter_rows())
    teacher = _said(chain.teacher_samples, chain.labels[0].answers, ids)
    student = _said(
        [reward.student_samples] if reward else [], [reward.student_answers] if reward else [], ids
    )
    scores = [
        read.rows([path] if path else [], ids, tables.GRADES)
        for path in (chain.teacher_grades, reward and reward.student_grades)
    ]
    examples = []
    for group, query_id in chosen:
        own = pl.col("query_id") == query_id
        question = questions.filter(own)
        label = labels.filter(own).row(0, named=True)
        if chain.judged:
            parts = [
                _judged_part(who, said.filter(own), score)
                for who, said, score in zip(
                    ("Teacher", "Warm student"), (teacher, student), scores, strict=True
                )
                if len(said.filter(own))
            ]
        else:
            parts = [_teacher_part(teacher.filter(own), label, vote)]
            if label["label"] is not None and len(student.filter(own)):
                parts.append(_student_part(student.filter(own), label["label"]))
        sources = {"teacher": teacher.filter(own), "student": student.filter(own)}
        shown = pairs.filter(own).unique("kind", keep="first", maintain_order=True).sort("kind")
        parts += [_pair_part(pair, sources) for pair in shown.iter_rows(named=True)]
        if len(paid := rewards.filter(own)):
            parts.append(_reward_part(paid, sources, best_score(chain)))
        kind = f"{group} (reference answer {shorten(golds[query_id], 40)})" if query_id in golds else group
        examples.append(Example(group, kind, _question(question, query_id), parts))
    return examples


def _training_groups(
    chain: Chain, labels: pl.DataFrame, grades: pl.DataFrame, pairs: pl.DataFrame
) -> list[tuple[str, Iterable[str]]]:
    """Query ids by what became of them."""
    known = labels.filter(pl.col("label").is_not_null()).join(
        tables.read(chain.golds, tables.GOLDS), on="query_id"
    )
    truth = as_written(chain.task, read_golds(chain.task, known["answer"]), known["label"])
    share = grades.group_by("query_id").agg(
        pl.col("score").min().alias("low"), pl.col("score").max().alias("high")
    )
    flat, best = share.filter(pl.col("low") == pl.col("high")), grades["score"].max()
    return [
        ("Labelled and paired", pairs["query_id"]),
        ("Labelled, but wrongly", known.filter(known["label"] != truth)["query_id"]),
        ("No label", labels.filter(pl.col("label").is_null())["query_id"]),
        ("The student is always right: dropped", flat.filter(pl.col("high") == best)["query_id"]),
        ("The student is never right: dropped", flat.filter(pl.col("high") != best)["query_id"]),
    ]


def _said(samples: Sequence[Path], answers: Sequence[Path], ids: Sequence[str]) -> pl.DataFrame:
    """`SAMPLES` of a few queries, and `answer`: what was read from each."""
    columns = {name: tables.ANSWERS[name] for name in ("query_id", "sample_id", "answer")}
    texts, found = read.rows(samples, ids, tables.SAMPLES), read.rows(answers, ids, columns)
    return texts.join(found, on=["query_id", "sample_id"], how="left", maintain_order="left")


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


def _teacher_part(said: pl.DataFrame, label: dict[str, Any], vote: Vote) -> tuple[str, list[Line]]:
    voters = choose_voters(said, label["m"], vote.voters)
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


def _reward_part(paid: pl.DataFrame, sources: dict[str, pl.DataFrame], best: float) -> tuple[str, list[Line]]:
    """The right and the wrong held-out answer that the reward model gives most."""
    lines = []
    for verdict, part in (("right", paid.filter(score=best)), ("wrong", paid.filter(pl.col("score") < best))):
        for row in part.sort("reward", descending=True, maintain_order=True).head(1).iter_rows(named=True):
            text = sources[row["source"]].filter(pl.col("sample_id") == row["sample_id"])["completion"]
            where = f"{row['source']}, sample {row['sample_id']}"
            lines.append(
                Line(where, shorten(text[0]) if len(text) else "", verdict, f"reward {row['reward']:.2f}")
            )
    return "Reward model: its highest reward for a right and for a wrong answer", lines


def _pair_part(pair: dict[str, Any], sources: dict[str, pl.DataFrame]) -> tuple[str, list[Line]]:
    lines = []
    for side in ("chosen", "rejected"):
        source, sample_id = pair[f"{side}_source"], pair[f"{side}_sample_id"]
        text = sources[source].filter(pl.col("sample_id") == sample_id)["completion"]
        shown = shorten(text[0]) if len(text) else "(text not found)"
        lines.append(
            Line(f"{side}: {source}, sample {sample_id}", shown, "", f"score {pair[f'{side}_score']:g}")
        )
    return f"Preference pair: {SIGNS[pair['kind']]}", lines


def question_examples(runs: Sequence[Evaluation], asked: Questions, number: int) -> list[Example]:
    """Test questions with every variant's answer; `runs`: of one chain, benchmark and seed, at least one.

    Where they are judged: right is what a judge prefers to the reference's output, the answer its preference.
    """
    judged = runs[0].judged
    good, bad = ("wins", "loses") if judged else ("right", "wrong")
    scores = {
        run.variant: tables.read(run.scores, tables.SCORES).unique(
            "query_id", keep="first", maintain_order=True
        )
        for run in runs
    }
    right = {variant: set(each.filter("correct")["query_id"]) for variant, each in scores.items()}
    everyone = set.union(*(set(each["query_id"]) for each in scores.values()))
    groups: list[tuple[str, set[str]]] = []
    for ours, other in (("ours", "sft"), ("ours", "teacher")):
        if ours in right and other in right:
            groups.append((f"{name(ours)} {good}, {name(other)} {bad}", right[ours] - right[other]))
            groups.append((f"{name(ours)} {bad}, {name(other)} {good}", right[other] - right[ours]))
    groups.append((f"Nobody {good}", everyone - set.union(*right.values())))
    groups.append((f"Everybody {good}", set.intersection(*right.values())))
    chosen = pick(groups, number)
    counted = {kind: f"{kind} ({count(len(ids))} of {count(len(everyone))})" for kind, ids in groups}
    ids = [query_id for _, query_id in chosen]
    questions = read.rows([asked.queries], ids, tables.QUERIES)
    golds = dict(read.rows([asked.golds], ids, tables.GOLDS).iter_rows())
    texts = {run.variant: read.rows([run.samples], ids, tables.SAMPLES) for run in runs}
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
        question = _question(questions.filter(own), query_id)
        examples.append(Example(kind, counted[kind], question, [(gold, lines)]))
    return examples
