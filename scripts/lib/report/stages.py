"""What happened between the queries and the policy: the funnel, the votes, the logs and the costs (pure functions)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from scripts.lib.labels.votes import Voters, choose_voters, vote
from scripts.lib.report import load
from scripts.lib.report.blocks import count
from scripts.lib.report.charts import Series
from scripts.lib.report.results import in_order, name
from scripts.lib.report.strips import Part, Stage
from scripts.lib.samples.read import answers_of, identify
from scripts.lib.tasks.bulk import read_golds

REASONS = {"below_threshold": "under the threshold", "tie": "tie", "no_answer": "no answer"}
KINDS = {
    "teacher_student": "teacher's right over student's right",
    "student_student": "student's right over its wrong",
    "teacher_teacher": "teacher's right over its wrong",
}
BETTER = {
    "student_student": "student's better over its worse",
    "teacher_teacher": "teacher's better over its worse",
}
"""Kinds of pairs where scores have more than two values."""
JUDGED = {"below_threshold": "no answer of the best score", "no_answer": "no score read"}
WORDS = {
    False: (
        "Eq. 1: the teacher's samples vote",
        REASONS,
        "both right and wrong",
        {"all_right": "all right", "all_wrong": "all wrong"},
    ),
    True: (
        "Eq. 2: the teacher has an answer of the best score",
        JUDGED,
        "scores differ",
        {"all_right": "all of the best score", "all_wrong": "all of one lower score"},
    ),
}
"""By whether a judge scores: how queries are labelled, why not, and what the student's samples are like."""
LEFT_OUT = {
    "identical": "identical texts",
    "repeated": "repeated",
    "capped": "over the cap",
    "thinned": "thinned to the ratio",
}
LEDGER = ("requested", "sampled", "reused", "prompt_tokens", "completion_tokens")
SERVER = ("requests", "retries", "prompt_tokens", "completion_tokens", "dollars", "total_dollars")


def funnel(counts: dict[str, Any], judged: bool = False) -> list[Stage]:
    """The stages of one reward's pairs, from the pairing step's counts: queries, labelled, possible pairs, pairs."""
    reasons = counts.get("reasons") or {}
    how, score, mixed, same = WORDS[judged]
    stages = []
    if reasons:
        parts = [Part("labelled", counts["labelled"], "kept")]
        parts += [Part(score.get(key, key), number, "lost") for key, number in reasons.items() if key != "ok"]
        stages.append(Stage("Queries", parts, how))
    parts = [Part(mixed, counts["kept"], "kept")]
    parts += [Part(text, counts[key], "lost") for key, text in same.items()]
    parts += [Part("not sampled", counts["labelled"] - counts["sampled"], "lost")]
    pairs = {kind: counts["pairs"][kind] for kind in KINDS if kind in counts["pairs"]}
    whose = "student" if "student_student" in pairs else "teacher"
    stages.append(Stage("Labelled queries", parts, f"the {whose}'s samples, graded (Eq. 4)"))
    kinds = list(pairs.values())
    parts = [Part("kept", sum(each["kept"] for each in kinds), "kept")]
    for key, text in LEFT_OUT.items():
        parts.append(Part(text, sum(each.get(key, 0) for each in kinds), "lost"))
    stages.append(Stage("Possible pairs", parts, "of samples of these queries (Eq. 5)"))
    parts = [
        Part(
            BETTER.get(kind, KINDS[kind]) if judged else KINDS[kind],
            each["kept"],
            "student" if kind == "student_student" else "teacher",
        )
        for kind, each in pairs.items()
    ]
    split = counts.get("split", {})
    remark = ", ".join(f"{count(each['pairs'])} {part}" for part, each in split.items())
    stages.append(Stage("Preference pairs", parts, remark))
    return [Stage(each.name, [part for part in each.parts if part.number], each.remark) for each in stages]


def pluralities(
    paths: Sequence[Path],
    golds: pl.DataFrame,
    task: str,
    m: int,
    voters: Voters = "last_round",
    queries: Path | None = None,
) -> pl.DataFrame:
    """The most voted answer of every query, whatever its share, held against the gold: share, reason, right.

    Labels keep no answer below the threshold, so the vote is taken again with none. Ties and queries without an
    answer are not right. Diagnosis only: this is where the report reads golds of training queries.
    """
    chosen = choose_voters(identify(paths), m, voters)
    voted = vote(answers_of(paths, task, chosen, queries), m, 0.0)
    expected = golds.select("query_id", gold=read_golds(task, golds["answer"]))
    right = (pl.col("label") == pl.col("gold")).fill_null(False)
    return voted.join(expected, on="query_id").select("share", "reason", right.alias("right"))


def verdicts(
    paths: Sequence[Path],
    labels: pl.DataFrame,
    golds: pl.DataFrame,
    task: str,
    m: int,
    voters: Voters = "last_round",
    queries: Path | None = None,
) -> dict[bool, tuple[int, int]]:
    """Figure 9: the teacher's verdict on its own voting samples, by their label, against the gold.

    Returns, for the samples called right (True) and called wrong (False), how many the gold agrees with, and how many
    there are; of labelled queries with a gold. Diagnosis only, as `pluralities`.
    """
    expected = golds.select(
        "query_id",
        gold=read_golds(task, golds["answer"]),
    )
    known = labels.drop_nulls("label").select("query_id", "label").join(expected, on="query_id")
    chosen = choose_voters(identify(paths), m, voters).join(known, on="query_id", how="semi")
    said = answers_of(paths, task, chosen, queries).join(known, on="query_id")
    says, true = ((pl.col("answer") == pl.col(name)).fill_null(False) for name in ("label", "gold"))
    counted = said.select(says.alias("says"), (says == true).alias("agrees"))
    parts = {verdict: counted.filter(pl.col("says") == verdict)["agrees"] for verdict in (True, False)}
    return {verdict: (int(part.sum()), len(part)) for verdict, part in parts.items()}


def calibration(voted: pl.DataFrame) -> list[tuple[float, float, float]]:
    """(threshold, coverage, precision) for every share that occurs: label the queries with at least that share."""
    winners = voted.filter(pl.col("reason") == "ok")
    curve = []
    for threshold in winners["share"].round(6).unique().sort():
        kept = winners.filter(pl.col("share") >= threshold - 1e-6)
        curve.append((threshold, len(kept) / len(voted), float(kept["right"].mean())))
    return curve


def share_bars(voted: pl.DataFrame) -> list[tuple[float, int, int]]:
    """(share, right, wrong) in tenths, shares between two tenths in the lower; queries without a vote left out."""
    tenth = ((pl.col("share") * 10 + 1e-9).floor() / 10).round(1).clip(0.1, 1.0).alias("tenth")
    counted = (
        voted.filter(pl.col("share") > 0).group_by(tenth).agg(pl.col("right").sum(), pl.len()).sort("tenth")
    )
    return [(tenth, right, total - right) for tenth, right, total in counted.iter_rows()]


def seed_series(
    logs: Sequence[tuple[str, int, list[dict[str, Any]]]], field: str, x: str, variants: bool
) -> list[Series]:
    """One line a name from logs (name, seed, records): the mean over its seeds where all have a value.

    `variants`: the names are variants, each with its own colour and place; else they are numbered. A name without the
    field is left out. Measurements that are made now and then (validation) show their points.
    """
    series = []
    names = [each for each, _, _ in logs]
    for index, key in enumerate(in_order(names) if variants else dict.fromkeys(names)):
        lines = [
            curve for each, _, records in logs if each == key and (curve := load.curve(records, field, x))
        ]
        if not lines:
            continue
        points = [dict(line) for line in lines]
        shared = sorted(set.intersection(*(set(each) for each in points)))
        mean = [(at, sum(each[at] for each in points) / len(points)) for at in shared]
        label, css = (name(key), f"v-{key}") if variants else (key, f"c-{index}")
        faint = lines if len(lines) > 1 else []
        series.append(Series(label, css, mean, faint, field.startswith(("validation", "eval"))))
    return series


def costs(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per rule, in the manifest's order: jobs measured, seconds, processor seconds, peak MB, and sampling totals."""
    rules: dict[str, dict[str, Any]] = {}
    for step in steps:
        measured = load.benchmark(step.get("benchmark"), step.get("log"))
        ledger = load.document(step.get("ledger"))
        if measured is None and ledger is None:
            continue
        total = rules.setdefault(str(step.get("rule")), {"rule": str(step.get("rule")), "jobs": 0})
        total["jobs"] += 1
        for field, value in (("seconds", "s"), ("cpu", "cpu_time")):
            if measured and value in measured:
                total[field] = total.get(field, 0.0) + measured[value]
        if measured and "max_rss" in measured:
            total["memory"] = max(total.get("memory", 0.0), measured["max_rss"])
        for field in LEDGER:
            if isinstance(ledger, dict) and isinstance(ledger.get(field), int | float):
                total[field] = total.get(field, 0) + ledger[field]
    return list(rules.values())


def servers(steps: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per model behind a server, from the ledgers: requests, tokens, dollars, and failures by kind; sorted by model."""
    models: dict[str, dict[str, Any]] = {}
    for step in steps:
        ledger = load.document(step.get("ledger"))
        if not isinstance(ledger, dict) or "requests" not in ledger:
            continue
        model = str(ledger.get("model"))
        total = models.setdefault(model, {"model": model, "failures": {}} | dict.fromkeys(SERVER, 0))
        for field in SERVER:
            total[field] += ledger.get(field) or 0
        for kind, number in (ledger.get("failures") or {}).items():
            total["failures"][kind] = total["failures"].get(kind, 0) + number
    return [models[model] for model in sorted(models)]


def engines(steps: Sequence[dict[str, Any]]) -> list[tuple[str, str, int]]:
    """What sampled, from the ledgers: (engine, its versions, number of distinct models), sorted."""
    models: dict[tuple[str, str], set[str]] = {}
    for step in steps:
        ledger = load.document(step.get("ledger"))
        if isinstance(ledger, dict) and ledger.get("engine"):
            versions = sorted((ledger.get("versions") or {}).items())
            key = (str(ledger["engine"]), ", ".join(f"{package} {version}" for package, version in versions))
            models.setdefault(key, set()).add(str(ledger.get("model")))
    return [(*key, len(found)) for key, found in sorted(models.items())]
