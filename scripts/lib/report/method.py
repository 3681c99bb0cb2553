"""The sections on what happened on the way: the funnel, the votes, the reward models, the policies."""

from collections.abc import Sequence
from typing import Any

from scripts.lib.data import tables
from scripts.lib.report import charts, load, stages, strips
from scripts.lib.report.blocks import (
    Cell,
    Figure,
    Group,
    Key,
    Section,
    Table,
    count,
    interval,
    percent,
    seconds,
)
from scripts.lib.report.examples import KINDS as PAIRS
from scripts.lib.report.load import Record
from scripts.lib.report.results import in_order, name
from scripts.lib.tasks import task_of


def funnel(manifest: Record) -> Section:
    section = Section(
        "funnel",
        "From queries to pairs",
        "Each bar is divided into what goes on (left) and what is left behind; what goes on fills the next bar.",
    )
    found, drawn = [], set()
    for chain in manifest["chains"]:
        for reward in chain.get("rewards") or []:
            counts = load.document(reward.get("funnel"))
            if counts is None:
                continue
            made = stages.funnel(counts, task_of(load.task(manifest, chain)).judged)
            if load.chain_name(chain) not in drawn:
                drawn.add(load.chain_name(chain))
                caption = f"{load.chain_name(chain)}, reward {reward['reward']}, seed {chain.get('seed')}"
                section.blocks.append(strips.Flow(caption, made))
            found.append((chain, reward, counts))
    if not found:
        return section.without("No pairs have been made.")
    kinds = [kind for kind in stages.KINDS if any(kind in counts["pairs"] for *_, counts in found)]
    rows = [_funnel_row(*each, kinds) for each in found]
    columns = [
        "Chain",
        "Seed",
        "Queries",
        "Labelled",
        "Mixed",
        *(PAIRS[kind] for kind in kinds),
        "Identical",
        "Over the cap",
    ]
    section.blocks.append(Table("Every chain and reward", columns, [Group("", rows)]))
    return section


def _funnel_row(chain: Record, reward: Record, counts: Record, kinds: Sequence[str]) -> list[Cell]:
    made = [counts["pairs"].get(kind) for kind in kinds]
    there = [kind for kind in made if kind]
    labelled = Cell(count(counts["labelled"]), f"{percent(counts['labelled'] / max(counts['queries'], 1))} %")
    return [
        Cell(load.chain_name(chain), f"{reward['reward']}, after {name(reward.get('warmup') or 'none')}"),
        Cell(str(chain.get("seed"))),
        Cell(count(counts["queries"])),
        labelled,
        Cell(count(counts["kept"])),
        *(Cell(count(kind and kind["kept"])) for kind in made),
        Cell(count(sum(kind["identical"] for kind in there))),
        Cell(count(sum(kind["capped"] for kind in there))),
    ]


def votes(manifest: Record) -> Section:
    section = Section(
        "votes",
        "What a vote is worth",
        "A label is kept when enough of the teacher's samples agree. A higher threshold labels fewer queries, and more "
        "of them rightly. Reference answers of training queries are read here, for diagnosis, and by no training step.",
    )
    drawn: set[tuple[Any, Any]] = set()
    read: set[str] = set()
    rows: list[list[Cell]] = []
    verdicts: list[list[Cell]] = []
    for chain in manifest["chains"]:
        golds = load.table(chain.get("train_golds"), tables.GOLDS)
        labels = [each for each in chain.get("labels") or [] if each.get("path") not in read]
        judged = task_of(load.task(manifest, chain)).judged
        if golds is None or golds.is_empty() or judged or not labels:
            continue
        found = []
        for label in labels:
            paths = [path for each in label.get("samples") or [] if (path := load.present(each))]
            if paths:
                read.add(label.get("path"))
                vote = load.vote_settings(manifest, chain, label)
                voted = stages.pluralities(
                    paths,
                    golds,
                    load.task(manifest, chain),
                    vote["m"],
                    vote["voters"],
                    load.present(chain.get("queries")),
                )
                found.append((str(label["name"]), vote, voted))
                labelled = load.table(label.get("path"), tables.LABELS)
                if labelled is not None:
                    said = stages.verdicts(
                        paths,
                        labelled,
                        golds,
                        load.task(manifest, chain),
                        vote["m"],
                        vote["voters"],
                        load.present(chain.get("queries")),
                    )
                    verdicts.append(_verdict_row(chain, str(label["name"]), labelled, said))
        place = (chain.get("dataset"), chain.get("teacher"))
        if found and place not in drawn:
            drawn.add(place)
            section.blocks.append(_vote_figure(f"{place[0]}, seed {chain.get('seed')}", found))
        rows += [_vote_row(chain, *each) for each in found]
    if not rows and all(task_of(load.task(manifest, chain)).judged for chain in manifest["chains"]):
        return section.without("Nothing is voted on: the teacher scores each response.")
    if not rows:
        return section.without(
            "There are no reference answers of the training queries to hold the votes against."
        )
    columns = [
        "Votes of",
        "Seed",
        "Threshold",
        "Labelled, %",
        "Of those right, %",
        "Right without a threshold, %",
        "Queries",
    ]
    section.blocks.append(Table("Pseudo-labels", columns, [Group("", rows)]))
    if verdicts:
        columns = ["Votes of", "Seed", "No label, %", "Called right: it is, %", "Called wrong: it is, %"]
        notes = [
            "As the paper's Table 10 (queries without a label) and Figure 9: the label's verdict on the samples that voted, "
            "against the reference answer. Small: samples. A sample without an answer is called wrong, and is."
        ]
        section.blocks.append(Table("The teacher's verdict on itself", columns, [Group("", verdicts)], notes))
    return section


def _verdict_row(chain: Record, label: str, labels: Any, said: dict[bool, tuple[int, int]]) -> list[Cell]:
    without = labels["label"].null_count() / max(len(labels), 1)
    shares = [
        Cell(percent(agrees / n if n else None), f"n = {count(n)}") for agrees, n in (said[True], said[False])
    ]
    head = [Cell(label, str(chain.get("dataset"))), Cell(str(chain.get("seed")))]
    return [*head, Cell(percent(without)), *shares]


def _at(vote: Record, curve: Sequence[tuple[float, float, float]]) -> tuple[float, float] | None:
    """Coverage and precision at the threshold in use; None where nothing passes."""
    passing = [
        (coverage, precision)
        for threshold, coverage, precision in curve
        if threshold >= vote["threshold"] - 1e-9
    ]
    return passing[0] if passing else None


def _vote_figure(place: str, found: Sequence[tuple[str, Record, Any]]) -> Figure:
    series, rings = [], []
    for index, (label, vote, voted) in enumerate(found):
        curve = stages.calibration(voted)
        series.append(charts.Series(label, f"c-{index}", sorted((x, y) for _, x, y in curve), (), True))
        rings += [at for at in [_at(vote, curve)] if at]
    curves = charts.line_panel(
        "Precision, %, over coverage", series, "queries labelled, %", shares=True, highlight=rings
    )
    bars = [
        charts.share_panel(f"Queries by vote share: {label}", stages.share_bars(voted), vote["threshold"])
        for label, vote, voted in found
    ]
    legend = [Key(each.name, each.css) for each in series] + [
        Key("answer right", "right"),
        Key("answer wrong", "wrong"),
    ]
    caption = (
        f"{place}. Left: a point a threshold, the ring the one in use. Then, for each choice of votes, the queries by "
        "the share of their most frequent answer, and whether that answer is right."
    )
    return Figure("Vote share and precision", [curves, *bars], caption, legend)


def _vote_row(chain: Record, label: str, vote: Record, voted: Any) -> list[Cell]:
    curve = stages.calibration(voted)
    coverage, precision = _at(vote, curve) or (0.0, None)
    return [
        Cell(label, str(chain.get("dataset"))),
        Cell(str(chain.get("seed"))),
        Cell(f"{vote['threshold']:g}", f"of {vote['m']} votes"),
        Cell(percent(coverage)),
        Cell(percent(precision)),
        Cell(percent(curve[0][2] if curve else None)),
        Cell(count(len(voted))),
    ]


TABLE9 = {"pos_neg": "Pos/Neg", "pos_pos": "Pos/Pos", "cls": "Right or wrong"}


def reward_models(manifest: Record) -> Section:
    section = Section(
        "reward",
        "Reward model",
        "How often it ranks a right answer of the student over a wrong one (Pos/Neg), the teacher's right answer over "
        "the student's right one (Pos/Pos), and tells right from wrong by the sign of its score; on held-out queries.",
    )
    rows: list[list[Cell]] = []
    logs: dict[str, list[tuple[str, int, list[Record]]]] = {}
    for chain in manifest["chains"]:
        for reward in chain.get("rewards") or []:
            metrics = load.document(reward.get("reward_metrics"))
            if isinstance(metrics, dict):
                head = Cell(load.chain_name(chain), str(reward["reward"]))
                rows.append(
                    [head, Cell(str(chain.get("seed"))), *(_estimate(metrics.get(key)) for key in TABLE9)]
                )
            if records := load.log(reward.get("training")):
                logs.setdefault(load.chain_name(chain), []).append(
                    (str(reward["reward"]), int(chain.get("seed", 0)), records)
                )
    if rows:
        columns = ["Chain", "Seed", *(f"{text}, %" for text in TABLE9.values())]
        notes = ["As the paper's Table 9. 50 is chance. Small: 95 % interval and number of comparisons."]
        section.blocks.append(Table("Accuracy of the reward models", columns, [Group("", rows)], notes))
    for chain, found in logs.items():
        section.blocks.extend(
            _log_figure(f"Training of the reward model, {chain}", found, REWARD_PANELS, "step")
        )
    return section if section.blocks else section.without("No reward model has been trained.")


def _estimate(metric: Any) -> Cell:
    if not isinstance(metric, dict) or metric.get("value") is None:
        return Cell("–")
    detail = interval(metric.get("low"), metric.get("high"))
    size = f"n = {count(metric['n'])}" if metric.get("n") is not None else ""
    return Cell(percent(metric["value"]), ", ".join(part for part in (detail, size) if part))


REWARD_PANELS = (
    ("loss", "Training loss", False),
    ("eval_loss", "Validation loss", False),
    ("eval_accuracy", "Validation pairs ranked rightly, %", True),
)
PPO_PANELS = (
    ("validation_accuracy", "Validation accuracy, %", True),
    ("validation_reward", "Validation reward, mean", False),
    ("agreement", "Agrees with the label, %", True),
    ("reward_model", "Reward model's score r, mean", False),
    ("no_answer", "Paid −5: no answer, %", True),
    ("lowered", "Lowered to min(r, 0), %", True),
    ("kl", "KL to the starting student, nats", False),
)


def policies(manifest: Record) -> Section:
    section = Section(
        "ppo",
        "Policy optimisation",
        "What PPO was paid for, and what came of it. The reward's parts are logged one by one: the reward model's score, "
        "the −5 for no answer, and what the consistency check takes off where the answer is not the label's.",
    )
    logs: dict[str, list[tuple[str, int, list[Record]]]] = {}
    for chain in manifest["chains"]:
        for training in chain.get("trainings") or []:
            if training.get("method") == "ppo" and (records := load.log(training.get("metrics"))):
                found = (str(training["variant"]), int(chain.get("seed", 0)), records)
                logs.setdefault(load.chain_name(chain), []).append(found)
    for chain, found in logs.items():
        section.blocks.extend(_log_figure(f"PPO, {chain}", found, PPO_PANELS, "iteration"))
    if rows := [
        _ppo_row(chain if len(logs) > 1 else "", *each)
        for chain, found in logs.items()
        for each in _by_variant(found)
    ]:
        columns = [
            "Variant",
            "Seed",
            "Iterations",
            "Episodes",
            "Best validation, % or reward",
            "Agreement, %",
            "No answer, %",
            "KL",
            "Time",
        ]
        section.blocks.append(Table("Where each run ended", columns, [Group("", rows)]))
    return section if section.blocks else section.without("No policy has been optimised with PPO.")


def _by_variant(logs: Sequence[tuple[str, int, list[Record]]]) -> list[tuple[str, int, list[Record]]]:
    order = in_order(variant for variant, _, _ in logs)
    return sorted(logs, key=lambda log: (order.index(log[0]), log[1]))


def _ppo_row(chain: str, variant: str, seed: int, records: Sequence[Record]) -> list[Cell]:
    """The best validation accuracy with its iteration, and the last iteration's diagnostics."""
    last, shown = records[-1], percent
    validation = load.curve(records, "validation_accuracy", "iteration")
    if not validation:
        validation, shown = load.curve(records, "validation_reward", "iteration"), charts.plain
    best = max(validation, key=lambda point: (point[1], -point[0]), default=None)
    return [
        Cell(name(variant), chain),
        Cell(str(seed)),
        Cell(count(last.get("iteration"))),
        Cell(count(last.get("episodes"))),
        Cell(shown(best[1]), f"iteration {best[0]:.0f}") if best else Cell("–"),
        Cell(percent(last.get("agreement"))),
        Cell(percent(last.get("no_answer"))),
        Cell("–" if last.get("kl") is None else charts.plain(last["kl"])),
        Cell(seconds(sum(sum(record["seconds"].values()) for record in records if record.get("seconds")))),
    ]


def _log_figure(
    title: str, logs: Sequence[tuple[str, int, list[Record]]], panels: Sequence[tuple[str, str, bool]], x: str
) -> list[Figure]:
    drawn, legend = [], {}
    for field, text, shares in panels:
        series = stages.seed_series(logs, field, x, variants=x == "iteration")
        if series:
            panel = charts.line_panel(text, series, x, shares=shares, zero=field in ("no_answer", "lowered"))
            drawn.append(panel)
            legend |= {each.css: Key(each.name, each.css) for each in series}
    seeds = len({seed for _, seed, _ in logs})
    caption = f"Bold: the mean over {seeds} seeds; faint: each seed." if seeds > 1 else ""
    return [Figure(title, drawn, caption, list(legend.values()))] if drawn else []
