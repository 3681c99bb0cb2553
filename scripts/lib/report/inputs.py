"""What files a study's report is made of, by its config: what the rules declare and the manifest lists."""

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from scripts.lib.config.methods import rule_of
from scripts.lib.config.variants import (
    AfterWarmup,
    JudgeOnly,
    NoTraining,
    Repeated,
    RewardOnly,
    TrainedVariant,
)
from scripts.lib.labels.settings import Vote
from scripts.lib.report.study import (
    Axis,
    Chain,
    Evaluation,
    Labels,
    Ledger,
    Questions,
    RewardModel,
    Study,
    Training,
)
from scripts.lib.tasks import is_judged
from scripts.lib.workflow.layout import Layout, Row

T = TypeVar("T")


def study_of(layout: Layout, name: str, rows: list[Row]) -> Study:
    """The study of these rows, without the jobs that were run for it."""
    config = layout.config
    benchmarks = config.studies[name].benchmarks
    evaluated = [(row, benchmark) for row in rows for benchmark in layout.evaluations(row, benchmarks)]
    chains = _chains(layout, rows)
    return Study(
        name=name,
        note=" ".join(
            [note for each in benchmarks if (note := config.benchmarks[each].note)]
            + [
                note
                for each in dict.fromkeys(row["teacher"] for row in rows)
                if (note := _label_note(each, config.teachers[each].vote))
            ]
        ),
        config=config.model_dump(mode="json"),
        evaluations=[_evaluation(layout, row, benchmark) for row, benchmark in evaluated],
        questions=_once(_questions(layout, row["seed"], benchmark) for row, benchmark in evaluated),
        chains=chains,
        axis=Axis(axis.label, axis.log, axis.panels) if (axis := config.studies[name].axis) else None,
        ledgers=_once([*_evaluation_ledgers(layout, evaluated), *_chain_ledgers(layout, chains)]),
    )


def _label_note(teacher: str, vote: Vote) -> str:
    """What a reader must know of a teacher's labels, beside that they are votes."""
    found = f"The labels of teacher {teacher} are golds: a ceiling, no method." if vote.by == "golds" else ""
    noise = f"Of the labels of teacher {teacher} {vote.noise:.0%} are replaced by another answer."
    return f"{found} {noise if vote.noise else ''}".strip()


def _evaluation(layout: Layout, row: Row, benchmark: str) -> Evaluation:
    folder = layout.evaluated(row, benchmark)
    repeated = isinstance(layout.config.variants[row["variant"]], Repeated)
    return Evaluation(
        **{name: row[name] for name in ("dataset", "teacher", "student", "variant", "seed")},
        benchmark=benchmark,
        judged=is_judged(layout.config.benchmarks[benchmark].task),
        scores=Path(f"results/scores/{folder}/scores.parquet"),
        metrics=Path(f"results/scores/{folder}/metrics.json"),
        samples=Path(layout.samples(row, benchmark)),
        ledger=Path(layout.samples(row, benchmark)).with_name("ledger.json"),
        growth=Path(f"results/scores/{folder}/growth.parquet") if repeated else None,
    )


def _questions(layout: Layout, seed: int, benchmark: str) -> Questions:
    queries, golds = (Path(layout.benchmark(benchmark, seed, golds)) for golds in (False, True))
    return Questions(benchmark, seed, queries, golds)


def _chains(layout: Layout, rows: list[Row]) -> list[Chain]:
    """One entry per data set, teacher, student and seed that a variant is trained for."""
    grouped: dict[tuple, list[Row]] = {}
    for row in rows:
        if not isinstance(layout.config.variants[row["variant"]], NoTraining):
            key = tuple(row[name] for name in ("dataset", "teacher", "student", "seed"))
            grouped.setdefault(key, []).append(row)
    return [_chain(layout, found) for found in grouped.values()]


def _chain(layout: Layout, rows: list[Row]) -> Chain:
    row = rows[0]
    dataset, seed = row["dataset"], row["seed"]
    judged = layout.judged(dataset)
    # Votes cost seconds and are shown for every chain. A judge's scores cost as much as sampling does, and
    # only some trainings ask for them.
    labelled = not judged or any(_needs_labels(layout, each["variant"]) for each in rows)
    compared = any(isinstance(layout.config.variants[each["variant"]], JudgeOnly) for each in rows)
    teachers = [row["teacher"], *layout.config.teachers[row["teacher"]].compare] if labelled else []
    return Chain(
        **{name: row[name] for name in ("dataset", "teacher", "student", "seed")},
        task=layout.config.datasets[dataset].task,
        judged=judged,
        queries=Path(layout.queries(dataset, seed, "train")),
        golds=Path(layout.queries(dataset, seed, "train_golds")),
        teacher_samples=_files(layout.teacher_samples(row)),
        teacher_grades=Path(layout.teacher_grades(row)) if judged and labelled else None,
        labels=[_labels(layout, row | {"teacher": teacher}) for teacher in teachers],
        rewards=_rewards(layout, rows),
        trainings=[
            Training(each["variant"], layout.config.variants[each["variant"]].method, Path(log))
            for each in rows
            if (log := layout.training_metrics(each))
        ],
        judge_vs_vote=Path(f"results/judge_vs_vote/{layout.chain(row)}/table5.json") if compared else None,
    )


def _needs_labels(layout: Layout, variant: str) -> bool:
    block = layout.config.variants[variant]
    return block.needs_labels if isinstance(block, TrainedVariant) else True


def _labels(layout: Layout, row: Row) -> Labels:
    return Labels(
        teacher=row["teacher"],
        vote=layout.config.teachers[row["teacher"]].vote,
        labels=Path(layout.labels(row)),
        answers=_files(layout.teacher_answers(row)),
    )


def _rewards(layout: Layout, rows: list[Row]) -> list[RewardModel]:
    """The rewards whose pairs the variants need, in the rows' order; with a model where one needs it."""
    trained: dict[str, bool] = {}
    for row in rows:
        block = layout.config.variants[row["variant"]]
        if not isinstance(block, AfterWarmup | RewardOnly | Repeated) or block.reward is None:
            continue
        without = layout.without_reward_model(row["variant"])
        reward = block.pairs if isinstance(block, AfterWarmup) and without else block.reward
        trained[reward] = trained.get(reward, False) or not without
    return [_reward(layout, rows[0], reward, model) for reward, model in trained.items()]


def _reward(layout: Layout, row: Row, reward: str, model: bool) -> RewardModel:
    warmup = layout.config.rewards[reward].warmup
    return RewardModel(
        reward=reward,
        warmup=warmup,
        student_samples=Path(layout.student(row, warmup, "student_samples", "samples.parquet")),
        student_answers=Path(layout.student(row, warmup, "answers", "answers.parquet")),
        student_grades=Path(layout.student(row, warmup, "student_grades", "grades.parquet")),
        pairs=Path(layout.reward(row, reward, "pairs.parquet", "pairs")),
        funnel=Path(layout.reward(row, reward, "funnel.json", "pairs")),
        identity=Path(layout.reward(row, reward, "identity.json")) if model else None,
        table9=Path(layout.reward(row, reward, "table9.json")) if model else None,
        held_out=Path(layout.reward(row, reward, "held_out_rewards.parquet")) if model else None,
        log=Path(layout.reward(row, reward, "metrics.jsonl")) if model else None,
    )


def _evaluation_ledgers(layout: Layout, evaluated: Iterable[tuple[Row, str]]) -> list[Ledger]:
    untrained = {"teacher": "sample_teacher_on_benchmark", "student": "sample_base_student"}
    found = []
    for row, benchmark in evaluated:
        block = layout.config.variants[row["variant"]]
        rule = "sample_repeatedly" if isinstance(block, Repeated) else "sample_checkpoint"
        rule = untrained[block.who] if isinstance(block, NoTraining) else rule
        found.append(Ledger(rule, Path(layout.samples(row, benchmark)).with_name("ledger.json")))
    return found


def _chain_ledgers(layout: Layout, chains: Iterable[Chain]) -> list[Ledger]:
    """Those of what was sampled and judged for the chains; what was imported cost nothing here."""
    found = []
    for chain in chains:
        row = {name: getattr(chain, name) for name in ("dataset", "teacher", "student", "seed")}
        if not layout.config.teachers[chain.teacher].samples:
            rules = ("sample_teacher", "sample_teacher_again")
            for rule, samples in zip(rules, chain.teacher_samples, strict=False):
                found.append(Ledger(rule, samples.with_name("ledger.json")))
            if layout.voted_on(chain.dataset) and chain.trainings:
                rules = ("sample_teacher_on_validation", "sample_teacher_on_validation_again")
                for rule, file in zip(rules, _files(layout.validation_samples(row)), strict=False):
                    found.append(Ledger(rule, file.with_name("ledger.json")))
        if not layout.config.students[chain.student].samples:
            found += [
                Ledger("sample_student", Path(layout.student(row, variant, "student_samples", "ledger.json")))
                for variant in _sampled(layout, chain)
            ]
        found += [
            Ledger(rule_of(each.method), Path(layout.asked_within(row | {"variant": each.variant})))
            for each in chain.trainings
            if layout.judge(row | {"variant": each.variant})
        ]
        if chain.judged:
            found += _candidate_ledgers(layout, row, chain)
        if chain.judge_vs_vote or (chain.judged and chain.labels):
            found.append(Ledger("judge_teacher", Path(f"results/judgements/{layout.chain(row)}/ledger.json")))
        if chain.judged and chain.labels:
            found += [
                Ledger("judge_student", Path(layout.student(row, variant, "judgements", "ledger.json")))
                for variant in _sampled(layout, chain)
            ]
    return found


def _sampled(layout: Layout, chain: Chain) -> list[str]:
    """The variants whose students are sampled for a chain: for its rewards, and for students that learn from
    their like, back to the first."""
    found = [each.warmup for each in chain.rewards]
    for name in [each.variant for each in chain.trainings]:
        while whose := getattr(layout.config.variants[name], "samples_of", None):
            found.append(whose)
            name = whose
    return _once(found)


def _candidate_ledgers(layout: Layout, row: Row, chain: Chain) -> list[Ledger]:
    """Those of the answers by which a judge chose the variants' checkpoints, and their warm-ups'."""
    variants = [each.variant for each in chain.trainings] + [each.warmup for each in chain.rewards]
    places = [
        f"{layout.student_chain(row)}/variant={variant}/seed={row['seed']}"
        for variant in dict.fromkeys(variants)
        if layout.training_metrics(row | {"variant": variant})
    ]
    stages = {"sample_candidates": "candidate_samples", "judge_candidates": "candidate_judgements"}
    return [
        Ledger(rule, Path(f"results/{stage}/{place}/ledger.json"))
        for place in places
        for rule, stage in stages.items()
    ]


def _files(paths: Iterable[str]) -> list[Path]:
    return [Path(path) for path in paths]


def _once(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
