"""A small invented study with every file the report reads: realistic shapes and numbers, no model behind.

`make_study(root)` writes the files and the manifest; sizes are parameters, so that a test takes tenths of a
second.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from scripts.lib.data import tables
from scripts.lib.labels.pairs import build, contrast, divide, hold_out, queries_of
from scripts.lib.labels.settings import Pairing, Vote
from scripts.lib.process.alarms import Alarms
from scripts.lib.report.study import (
    Chain,
    Evaluation,
    Job,
    Labels,
    Ledger,
    Questions,
    RewardModel,
    Study,
    Training,
)

ACCURACY = {
    "icl": 0.56,
    "sft": 0.71,
    "wo_r": 0.75,
    "wo_d": 0.885,
    "ours": 0.94,
    "teacher": 0.73,
    "rlvr": 0.88,
    "dpo": 0.81,
    "sft_matched": 0.755,
}
NAMES = ("Ana", "Ben", "Cleo", "Dan", "Eva")
THINGS = ("pens", "shells", "coins", "cards")
LEDGER = {
    "model": "tiny",
    "engine": "transformers",
    "versions": {"transformers": "5.19.0", "torch": "2.13.0"},
    "requested": 20_000,
    "sampled": 18_000,
    "reused": 2_000,
    "prompt_tokens": 500_000,
    "completion_tokens": 310_000,
    "cut_off": 400,
    "saved_tokens": 1_200_000,
}
REWARDS: dict[str, dict[str, Any]] = {
    name: {"warmup": warmup, "pairs": {"teacher_ratio": None}, "training": {"lam": 0.5}}
    for name, warmup in (("ours", "wo_r"), ("plain", "icl"))
}
VOTE = Vote(m=10, threshold=0.7, voters="last_round")
NOTE = (
    "The text is invented: this world is built so that the method can work. The report shows that every "
    "stage runs and that reward finds what imitation cannot; it says nothing about large models or real "
    "questions."
)


def make_study(
    root: Path,
    seeds: tuple[int, ...] = (0, 1),
    train: int = 240,
    test: int = 200,
    settings: tuple[tuple[str, str, str], ...] = (("world", "tiny", "tiny"),),
    accuracy: dict[str, float] | None = None,
    rewards: dict[str, dict[str, Any]] | None = None,
    draws: int = 10,
) -> Path:
    """Write the study under `root` and return the manifest's path; `draws`: samples of a training query."""
    evaluations, asked, chains = [], [], []
    for seed in seeds:
        random = np.random.default_rng(seed)
        questions, golds = _questions(random, test, f"test{seed}")
        queries = _write(questions, root / f"test{seed}.parquet", tables.QUERIES)
        asked.append(
            Questions("world", seed, queries, _write(golds, root / f"test_golds{seed}.parquet", tables.GOLDS))
        )
        for number, setting in enumerate(settings):
            folder = root / f"setting{number}" / f"seed={seed}"
            for variant, rate in (accuracy or ACCURACY).items():
                shift = random.normal(0, 0.01) - 0.03 * number
                files = _evaluated(random, golds, rate + shift, folder / variant)
                evaluations.append(Evaluation(*setting, variant, seed, "world", False, **files))
            names = (*setting, seed)
            chains.append(_chain(random, train, folder, f"train{seed}", names, rewards or REWARDS, draws))
    jobs, ledgers = _jobs(root, seeds)
    teachers = {teacher: {"model": teacher, "vote": asdict(VOTE)} for _, teacher, _ in settings}
    config = {
        "datasets": {"world": {"task": "numeric"}},
        "teachers": teachers,
        "rewards": rewards or REWARDS,
        "variants": {variant: _variant(variant) for variant in {**ACCURACY, **(accuracy or {})}},
        "alarms": asdict(Alarms()),
    }
    path = root / "manifest.json"
    Study("demo", NOTE, config, evaluations, asked, chains, ledgers, jobs).write(path)
    return path


def _variant(name: str) -> dict[str, Any]:
    """The block of a variant, as far as the report reads it: `sft_2` learns two good answers a query."""
    good = name in ("wo_r", "sft_matched") or name[4:].isdigit()
    method = "sft" if good or name == "sft" else "ppo"
    training: dict[str, Any] = {"answers_per_query": int(name[4:]) if name[4:].isdigit() else 0}
    training = training if method == "sft" else {}
    matches = "ours" if name == "sft_matched" else None
    return {"method": method, "answers": "good" if good else "all", "matches": matches, "training": training}


def _write(table: pl.DataFrame, path: Path, schema: tables.Schema) -> Path:
    tables.write(table, path, schema)
    return path


def _lines(records: list[dict[str, Any]], path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def _json(value: Any, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def _questions(random: np.random.Generator, number: int, prefix: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    rows, golds = [], []
    for index in range(number):
        a, b, c = (int(each) for each in random.integers((4, 1, 1), (12, 6, 4)))
        name, thing = NAMES[index % len(NAMES)], THINGS[index % len(THINGS)]
        closing = ("How many now ?", "How many are left ?", "Tell me the count .")[index % 3]
        text = f"{name} has {a} {thing} . buys {b} . loses {c} . {closing}"
        rows.append(
            {"query_id": f"{prefix}-{index:05d}", "question": text, "options": [], "group": "", "shots": None}
        )
        golds.append({"query_id": rows[-1]["query_id"], "answer": str(a + b - c)})
    return pl.DataFrame(rows, schema=tables.QUERIES), pl.DataFrame(golds, schema=tables.GOLDS)


def _completion(random: np.random.Generator, answer: int, style: float) -> str:
    if style < 0.04:
        return "Step1 : let me see ."
    if style < 0.45:
        return f"The answer is {answer} ."
    step = int(random.integers(1, 5))
    there, back = f"{answer} + {step} = {answer + step}", f"{answer + step} - {step} = {answer}"
    return f"Step1: {there} . Step2: {back} . The answer is {answer} ."


def _samples(random: np.random.Generator, golds: pl.DataFrame, skill: np.ndarray, n: int, temperature: float):
    """Samples and the answer read from each (None where none was stated)."""
    rows, answers = [], []
    for (query_id, gold), level in zip(golds.iter_rows(), skill, strict=True):
        for sample_id in range(n):
            slip = int(gold) + (1 if random.random() < 0.7 else int(random.integers(2, 5)))
            answer = int(gold) if random.random() < level else slip
            style = float(random.random())
            text = _completion(random, answer, style)
            rows.append((query_id, sample_id, text, "stop", len(text.split()), temperature, 1, None, None))
            answers.append(None if style < 0.04 else str(answer))
    return pl.DataFrame(rows, schema=tables.SAMPLES, orient="row"), answers


def _evaluated(
    random: np.random.Generator, golds: pl.DataFrame, rate: float, folder: Path
) -> dict[str, Path]:
    samples, answers = _samples(random, golds, np.clip(random.normal(rate, 0.02, len(golds)), 0, 1), 1, 0.0)
    scores = samples.select("query_id", "sample_id").with_columns(
        answer=pl.Series(answers, dtype=pl.String()),
        status=pl.Series(["ok" if answer is not None else "none" for answer in answers]),
        correct=pl.Series([answer == gold for answer, gold in zip(answers, golds["answer"], strict=True)]),
    )
    value = scores["correct"].mean()
    metrics = {"accuracy": {"value": value, "n": len(scores), "low": value - 0.02, "high": value + 0.02}}
    return {
        "samples": _write(samples, folder / "samples.parquet", tables.SAMPLES),
        "scores": _write(scores, folder / "scores.parquet", tables.SCORES),
        "metrics": _json(metrics, folder / "metrics.json"),
        "ledger": _json(LEDGER, folder / "ledger.json"),
    }


def _chain(
    random: np.random.Generator,
    train: int,
    folder: Path,
    prefix: str,
    names: tuple[str, str, str, int],
    blocks: dict[str, dict[str, Any]],
    draws: int,
) -> Chain:
    questions, golds = _questions(random, train, prefix)
    skill = np.clip(random.beta(1.3, 0.5, train), 0.02, 1)
    labels, graded, first = [], {}, None
    for name, temperature, sharpness in (("tiny", 1.0, 1.0), ("tiny-paper-grid", 0.1, None)):
        teacher, answers = _samples(
            random, golds, skill**sharpness if sharpness else (skill > 0.45) * 0.96 + 0.02, draws, temperature
        )
        read = _read(teacher, answers, folder / f"answers_{name}.parquet")
        voted = _labels(teacher, answers)
        voted_path = _write(voted, folder / f"labels_{name}.parquet", tables.LABELS)
        labels.append(Labels(name, VOTE, voted_path, [read]))
        if first is None:
            first = (teacher, voted)
            graded["teacher"] = _grades(teacher, answers, voted)
    rewards = []
    for reward, block in blocks.items():
        warmup = block["warmup"]
        part = folder / f"reward_{reward}"
        student, answers = _samples(random, golds, skill**0.5, draws + 2, 0.7)
        grades = graded["student"] = _grades(student, answers, first[1])
        pairs, funnel = _pairs(first[0], student, graded, first[1])
        rewards.append(
            RewardModel(
                reward,
                warmup,
                student_samples=_write(student, part / "samples.parquet", tables.SAMPLES),
                student_answers=_read(student, answers, part / "answers.parquet"),
                student_grades=_write(grades, part / "grades.parquet", tables.GRADES),
                pairs=_write(pairs, part / "pairs.parquet", tables.PAIRS),
                funnel=_json(funnel, part / "funnel.json"),
                identity=_json({"identity": f"sha256:{reward}"}, part / "identity.json"),
                table9=_json(_reward_metrics(random), part / "table9.json"),
                held_out=_write(_rewards(random, grades), part / "rewards.parquet", tables.HELD_OUT_REWARDS),
                log=_lines(_reward_log(random), part / "metrics.jsonl"),
            )
        )
    return Chain(
        *names,
        task="numeric",
        judged=False,
        queries=_write(questions, folder / "queries.parquet", tables.QUERIES),
        golds=_write(golds, folder / "golds.parquet", tables.GOLDS),
        teacher_samples=[_write(first[0], folder / "teacher.parquet", tables.SAMPLES)],
        teacher_grades=None,
        labels=labels,
        rewards=rewards,
        trainings=[
            Training(variant, "ppo", _lines(_ppo_log(random, variant), folder / f"{variant}.jsonl"))
            for variant in ("ours", "wo_d", "rlvr")
        ]
        + [Training("sft", "sft", _lines(_sft_log(random), folder / "sft.jsonl"))],
    )


def _read(samples: pl.DataFrame, answers: list[str | None], path: Path) -> Path:
    status = ["none" if answer is None else "ok" for answer in answers]
    read = samples.with_columns(
        answer=pl.Series(answers, dtype=pl.String()),
        status=pl.Series(status),
        text=pl.col("completion").hash(),
    )
    return _write(read, path, tables.ANSWERS)


def _labels(samples: pl.DataFrame, answers: list[str | None]) -> pl.DataFrame:
    rows = []
    answered = samples.select("query_id").with_columns(answer=pl.Series(answers, dtype=pl.String()))
    for (query_id,), group in answered.group_by("query_id", maintain_order=True):
        votes = group["answer"].drop_nulls().value_counts(sort=True)
        most = int(votes["count"][0]) if len(votes) else 0
        share = most / len(group)
        tied = (votes["count"] == most).sum() > 1
        reason = "no_answer" if not most else "tie" if tied else "ok" if share >= 0.7 else "below_threshold"
        label = votes["answer"][0] if reason == "ok" else None
        rows.append((query_id, label, share, most, len(group), reason))
    return pl.DataFrame(rows, schema=tables.LABELS, orient="row")


def _grades(samples: pl.DataFrame, answers: list[str | None], labels: pl.DataFrame) -> pl.DataFrame:
    answered = samples.select("query_id", "sample_id").with_columns(
        answer=pl.Series(answers, dtype=pl.String()),
        status=pl.Series(["none" if answer is None else "ok" for answer in answers]),
    )
    kept = answered.join(labels.filter(pl.col("reason") == "ok").select("query_id", "label"), on="query_id")
    score = pl.col("answer").eq_missing(pl.col("label")).cast(pl.Float64)
    return kept.with_columns(score=score).drop("label")


def _pairs(
    teacher: pl.DataFrame, student: pl.DataFrame, graded: dict[str, pl.DataFrame], labels: pl.DataFrame
):
    """Pairs and funnel counts as the pairing step makes them, from the same functions."""
    kept, counts = contrast(graded["student"], 1.0)
    sides = []
    for samples, grades in (
        (teacher, graded["teacher"].filter(pl.col("score") == 1)),
        (student, graded["student"]),
    ):
        texts = samples.select("query_id", "sample_id", pl.col("completion").hash().alias("text"))
        wanted = grades.join(kept, on="query_id", how="semi").select("query_id", "sample_id", "score")
        sides.append(wanted.join(texts, on=["query_id", "sample_id"]))
    pairing = Pairing()
    every, by_kind = build(sides[0], sides[1], 1.0, pairing.caps, 0)
    held_out = hold_out(queries_of(*sides, 1.0), pairing.test_fraction, 0)
    test = every.join(held_out, on="query_id", how="semi")
    pairs, by_kind = divide(every, test, pairing, 0, by_kind)
    reasons = dict(labels["reason"].value_counts().sort("reason").iter_rows())
    split = {part: {"pairs": int((pairs["split"] == part).sum())} for part in ("train", "validation")}
    split["test"] = {"pairs": test.height}
    head = {"queries": len(labels), "reasons": reasons, "labelled": reasons.get("ok", 0)}
    return pairs, head | counts | {"pairs": by_kind, "split": split}


def _reward_metrics(random: np.random.Generator) -> dict[str, Any]:
    values = {
        "teacher_over_wrong": 0.91,
        "student_over_wrong": 0.86,
        "teacher_over_student": 0.44,
        "preference": 0.83,
        "cls": 0.81,
    }
    metrics = {}
    for name, value in values.items():
        value = float(value + random.normal(0, 0.01))
        metrics[name] = {"value": value, "n": 180, "low": value - 0.05, "high": value + 0.05}
    metrics["cls"]["majority"] = 0.567
    return metrics


def _rewards(random: np.random.Generator, grades: pl.DataFrame) -> pl.DataFrame:
    """Rewards of some queries' graded answers, hardly higher for right ones."""
    some = grades.filter(pl.col("query_id").str.slice(-1).is_in(["0", "3", "6", "9"]))
    reward = 0.1 * some["score"].to_numpy() + random.normal(0, 1, len(some))
    known = some.select("query_id", pl.lit("student").alias("source"), "sample_id", "score")
    return known.with_columns(reward=pl.Series(reward))


def _reward_log(random: np.random.Generator) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for step in range(5, 101, 5):
        level = 1 - np.exp(-step / 30)
        records.append({"step": step, "loss": float(1.04 - 0.5 * level + random.normal(0, 0.02))})
        if step % 20 == 0:
            records.append(
                {
                    "step": step,
                    "eval_loss": float(1.05 - 0.45 * level),
                    "eval_accuracy": float(0.5 + 0.33 * level),
                }
            )
    return records


def _sft_log(random: np.random.Generator) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    for step in range(1, 201):
        records.append({"step": step, "loss": float(0.1 + 0.5 * np.exp(-step / 30) + random.normal(0, 0.02))})
        if step % 50 == 0:
            rate = float(0.72 - (step - 100) ** 2 / 2e5)
            records.append({"step": step, "eval_accuracy": rate, "eval_n": 300, "eval_unparsed_rate": 0.1})
    return records


def _ppo_log(random: np.random.Generator, variant: str) -> list[dict[str, Any]]:
    start, end = {"ours": (0.75, 0.94), "wo_d": (0.56, 0.9), "rlvr": (0.71, 0.88)}[variant]
    records: list[dict[str, Any]] = [{"iteration": 0, "episodes": 0, "validation_accuracy": start - 0.01}]
    records[0] |= {"validation_n": 300, **_pseudo(variant, start)}
    for iteration in range(1, 13):
        level = 1 - np.exp(-iteration / 3)
        agreement = float(start + (end - start) * level + random.normal(0, 0.008))
        silent = float(max(0.0, (0.10 if variant == "wo_d" else 0.02) * (1 - level)))
        record: dict[str, Any] = {
            "iteration": iteration,
            "episodes": 256 * iteration,
            "reward_model": None if variant == "rlvr" else float(-0.2 + 2.1 * level + random.normal(0, 0.06)),
            "no_answer": silent,
            "lowered": float((1 - agreement) * 0.7),
            "agreement": agreement,
            "reward": float(-0.6 + 2.4 * level + random.normal(0, 0.06)),
            "truncated": silent / 2,
            "kl": float(0.9 * level + random.normal(0, 0.02)),
            "entropy": float(0.5 - 0.3 * level),
            "response_length": float(12 + 6 * level),
            "seconds": {"rollout": 0.9, "update": 0.8},
        }
        if iteration % 2 == 0:
            record |= {"validation_n": 300, **_pseudo(variant, agreement)}
            record["validation_accuracy"] = float(agreement - 0.01 + random.normal(0, 0.008))
        records.append(record)
    return records


def _pseudo(variant: str, accuracy: float) -> dict[str, float]:
    """App. A's measures of a validation; none without a reward model."""
    if variant == "rlvr":
        return {}
    measures = {
        "pseudo_reward": accuracy - 0.02,
        "pseudo_error": 0.3 * (1 - accuracy),
        "pseudo_error_max": 0.93,
    }
    return {f"validation_{name}": value for name, value in measures.items()}


def _jobs(root: Path, seeds: tuple[int, ...]) -> tuple[list[Job], list[Ledger]]:
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    cost = {"pretrain": 41.2, "sample_teacher": 13.4, "train_sft": 11.0, "sample_student": 12.2, "label": 0.9}
    cost |= {"train_reward": 11.3, "train_ppo": 24.8, "train_dpo": 9.1, "score": 0.7}
    jobs, ledgers = [], []
    for seed in seeds:
        for rule, seconds in cost.items():
            path = root / "benchmarks" / f"{rule}_{seed}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                head
                + f"{seconds + seed:.4f}\t0:00:{seconds:02.0f}\t412.5\t-\t-\t-\t0\t0\t98.2\t{seconds:.2f}\n"
            )
            if rule.startswith("sample"):
                ledgers.append(Ledger(rule, _json(LEDGER, path.with_suffix(".json"))))
            jobs.append(Job(rule, path, path.with_suffix(".log"), None))
    return jobs, ledgers
