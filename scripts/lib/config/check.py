"""Check a config and its study tables across blocks: a wrong one is one line, before any job starts."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import asdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pydantic

from scripts.lib.config.explain import explain
from scripts.lib.config.files import check_files, downloaded, read_table
from scripts.lib.config.layers import Layers
from scripts.lib.config.methods import METHODS
from scripts.lib.config.models import Model, Pretraining, Teacher
from scripts.lib.config.plain import check
from scripts.lib.config.training import Trained
from scripts.lib.config.variants import AfterWarmup, Gkd, JudgeOnly, Ppo, Repeated
from scripts.lib.config.whole import Config, Override, adapter, listed, used
from scripts.lib.engines.registry import ENGINES
from scripts.lib.errors import UserError, nearest, shown
from scripts.lib.models import prompts
from scripts.lib.models.identity import HUB_ID
from scripts.lib.settings.step import LAST_SEED
from scripts.lib.tasks import is_judged

NAMED = {
    "dataset": "datasets",
    "teacher": "teachers",
    "student": "students",
    "variant": "variants",
    "warmup": "variants",
    "reward": "rewards",
    "model": "models",
    "benchmark": "benchmarks",
    "study": "studies",
}
"""The kind of block that a key of a path names."""
BUILT_ON = {
    "warmup": "variants",
    "samples_of": "variants",
    "matches": "variants",
    "reward": "rewards",
    "queries_of": "rewards",
}
"""What a variant or a reward builds on: the key, and the kind of block that it names."""


def parse(raw: dict, source: str = "config", layers: Callable[[], Layers] | None = None) -> Config:
    """Check a config read from YAML. Raises UserError naming the key, the value and the nearest right name,
    and of `layers`, called only then, the file that says so."""
    check(raw, source)
    try:
        config = Config.model_validate(raw)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        file = layers().nearest(first["loc"]) if layers else source
        raise UserError(f"{file}: {explain(first, raw, Config)}") from None
    _check_names(config, source)
    return config


def rows(config: Config, study: str) -> list[dict]:
    """The rows of a study: dicts of `STUDY_COLUMNS` with an int seed. Raises UserError for a wrong table."""
    known(config.studies, study, "studies")
    path = config.studies[study].table
    table = read_table(path)
    if not table:
        raise UserError(f"{path}: no rows; add one (dataset, teacher, student, variant, seed)")
    blocks: dict[str, dict[str, Any]] = {
        "dataset": config.datasets,
        "teacher": config.teachers,
        "student": config.students,
        "variant": config.variants,
    }
    for number, row in table.items():
        for column, block in blocks.items():
            known(block, row[column], f"{column}s", f"{path}, line {number}")
        if not re.fullmatch("[0-9]{1,10}", row["seed"]) or int(row["seed"]) > LAST_SEED:
            raise UserError(
                f"{path}, line {number}: seed is {shown(row['seed'])}; it must be a whole number from 0 to "
                f"{LAST_SEED}"
            )
        for column in ("teacher", "student"):
            model = blocks[column][row[column]]
            _check_folder(model, f"{path}, line {number}: {column}s.{row[column]}")
        _check_voters(config, row, f"{path}, line {number}")
        _check_judge(config, row, f"{path}, line {number}")
        _check_repeated(config, study, row, f"{path}, line {number}")
        _check_logits(config, row, f"{path}, line {number}")
        _check_teacher_asked(config, row, f"{path}, line {number}")
    found = [row | {"seed": int(row["seed"])} for row in table.values()]
    if any(row in found[:at] for at, row in enumerate(found)):
        raise UserError(f"{path}: a row stands twice; delete one of them")
    kept = list(dict.fromkeys(row["seed"] for row in found))[: config.seeds]
    return [row for row in found if row["seed"] in kept]


def asked(config: Config, words: Collection[str]) -> dict[str, list[dict]]:
    """The rows of the studies that a Snakemake command line asks for, by its words: those whose page or gates
    are named, else all.

    Raises UserError for a path that names what the config does not know, and for what would stop the run
    later: a wrong table, or a file that is missing. Where other results are asked for, files are theirs.
    """
    named = _named(config, words)
    tables = {study: rows(config, study) for study in named or config.studies}
    elsewhere = not named and any(word.startswith(("results/", "data/")) for word in words)
    for study, table in ({} if elsewhere else tables).items():
        check_files(used(config, study, table))
    return tables


def _named(config: Config, words: Collection[str]) -> list[str]:
    """The studies that words name."""
    studies = []
    for word in words:
        page = re.match(r"results/reports/([^/]+)/", word)
        found = re.findall(r"(?:^|/)(\w+)=([^/]+?)(?:\.passed)?(?=/|$)", word)
        for key, name in [("study", page[1])] if page else found:
            if kind := NAMED.get(key):
                known(getattr(config, kind), name, kind, shown(word))
            studies += [name] if key == "study" else []
    return studies


def known(names: dict, name: str, where: str, source: str = "config") -> None:
    """Raise UserError unless `name` is one of `names`."""
    if name not in names:
        raise UserError(f"{source}: {shown(name)} is not in `{where}`; {nearest(name, names)}")


def _check_names(config: Config, source: str) -> None:
    _check_models(config, source)
    _check_variants(config, source)
    _check_benchmarks(config, source)
    _check_prompts(config, source)
    for number, override in enumerate(config.overrides):
        _check_override(config, override, f"{source}: overrides[{number}]")


def _check_models(config: Config, source: str) -> None:
    for name, made in config.models.items():
        if isinstance(made, Pretraining):
            known(config.datasets, made.dataset, "datasets", f"{source}: models.{name}.dataset")
    blocks: dict[str, dict[str, Any]] = {"teachers": config.teachers, "students": config.students}
    for kind, block in blocks.items():
        for name, model in block.items():
            where = f"{source}: {kind}.{name}"
            origins = [
                model.pretrained,
                model.model,
                *([model.samples or None] if kind == "teachers" else []),
            ]
            if sum(origin is not None for origin in origins) != 1:
                choice = (
                    "`pretrained`, `model` and `samples`"
                    if kind == "teachers"
                    else "`pretrained` and `model`"
                )
                raise UserError(f"{where}: give exactly one of {choice}")
            if model.pretrained is not None:
                known(config.models, model.pretrained, "models", f"{where}.pretrained")
            for other in getattr(model, "compare", []):
                known(config.teachers, other, "teachers", f"{where}.compare")
            _check_engine(model, where)
            _check_shards(model, where)
            if isinstance(model, Teacher) and model.judge.verdict == "token":
                raise UserError(
                    f"{where}.judge.verdict: token gives scores between the whole points that l* is one of; "
                    "give it to the judge of a variant (scored_by: teacher)"
                )


def _check_variants(config: Config, source: str) -> None:
    for name, reward in config.rewards.items():
        _check_warmup(config, reward.warmup, f"{source}: rewards.{name}.warmup")
        _check_held_out(config, name, f"{source}: rewards.{name}")
    for name, variant in config.variants.items():
        for key, kind in BUILT_ON.items():
            if (value := getattr(variant, key, None)) is not None:
                known(getattr(config, kind), value, kind, f"{source}: variants.{name}.{key}")
        if (value := getattr(variant, "samples_of", None)) is not None:
            _check_warmup(config, value, f"{source}: variants.{name}.samples_of")
        if (value := getattr(variant, "warmup", None)) is not None:
            _check_warmup(config, value, f"{source}: variants.{name}.warmup")
            thinks = getattr(getattr(config.variants[value], "training", None), "learn_reasoning", False)
            if isinstance(variant, AfterWarmup) and thinks and "preferences" in METHODS[variant.method].reads:
                raise UserError(
                    f"{source}: variants.{name}.warmup: {value} learns thoughts (learn_reasoning), but "
                    "pairs hold replies alone, and would teach it not to think; name one that does not"
                )
        other = config.variants.get(getattr(variant, "matches", None) or "")
        if other and not (isinstance(other, Trained) and getattr(other, "matches", None) is None):
            raise UserError(
                f"{source}: variants.{name}.matches: name a variant that is trained and matches none itself"
            )
    _check_order(config, source)


def _check_warmup(config: Config, name: str, where: str) -> None:
    """Raise UserError for a warm-up that gives no student to start from."""
    known(config.variants, name, "variants", where)
    block = config.variants[name]
    own = not isinstance(block, Repeated) and getattr(block, "who", "student") == "student"
    if not block.evaluated or not own:
        raise UserError(f"{where}: {name} gives no student; name a variant that is trained, or icl")


def _check_order(config: Config, source: str) -> None:
    """Raise UserError where what a variant or a reward builds on builds on it."""
    built_on = {
        (kind, name): {
            (BUILT_ON[key], other) for key in BUILT_ON if (other := getattr(block, key, None)) is not None
        }
        for kind in ("variants", "rewards")
        for name, block in getattr(config, kind).items()
    }
    try:
        TopologicalSorter(built_on).prepare()
    except CycleError as error:
        circle = [f"{kind}.{name}" for kind, name in reversed(error.args[1])]
        raise UserError(
            f"{source}: {circle[0]} builds on itself ({shown(' -> '.join(circle))}); start from icl"
        ) from None


def _check_held_out(config: Config, name: str, where: str) -> None:
    """Raise UserError where two rewards after one warm-up hold out different shares: they share the pairs."""
    own = config.rewards[name]
    for other, reward in config.rewards.items():
        if reward.warmup == own.warmup and reward.pairs.test_fraction != own.pairs.test_fraction:
            raise UserError(
                f"{where}.pairs.test_fraction is {own.pairs.test_fraction:g} and rewards.{other}'s is "
                f"{reward.pairs.test_fraction:g}; both are measured on the same pairs of {own.warmup}'s "
                "samples, give both the same"
            )


def _check_benchmarks(config: Config, source: str) -> None:
    for name, benchmark in config.benchmarks.items():
        where = f"{source}: benchmarks.{name}"
        if (benchmark.dataset is None) == (benchmark.queries is None):
            raise UserError(f"{where}: give exactly one of `dataset` and `queries`")
        if benchmark.dataset is not None:
            known(config.datasets, benchmark.dataset, "datasets", f"{where}.dataset")
            held_from, share = config.datasets[benchmark.dataset], f"{benchmark.split}_fraction"
            if held_from.world is None and not getattr(held_from, share):
                raise UserError(
                    f"{where}: datasets.{benchmark.dataset} holds no question out for it; raise its {share}"
                )
        for dataset in benchmark.trained_on:
            known(config.datasets, dataset, "datasets", f"{where}.trained_on")
    for name, study in config.studies.items():
        for wanted in study.benchmarks:
            known(config.benchmarks, wanted, "benchmarks", f"{source}: studies.{name}.benchmarks")
        places = {**config.datasets, **config.teachers, **config.students}
        panels = study.axis.panels.values() if study.axis else []
        for place in (place for panel in panels for place in panel or {}):
            known(places, place, "datasets, teachers or students", f"{source}: studies.{name}.axis.at")


def _check_prompts(config: Config, source: str) -> None:
    named = {
        f"{kind}.{name}.prompt": block.prompt
        for kind in ("datasets", "benchmarks")
        for name, block in getattr(config, kind).items()
    }
    judging = {f"teachers.{name}.judge.prompt": block.judge.prompt for name, block in config.teachers.items()}
    for name, variant in config.variants.items():
        if isinstance(variant, Ppo) and variant.judge:
            judging[f"variants.{name}.judge.prompt"] = variant.judge.prompt
    for judges, group in ((False, named), (True, judging)):
        templates = {}
        for where, prompt in group.items():
            template = Path("config/prompts") / f"{prompt}.jinja"
            if not template.exists():
                raise UserError(f"{source}: {where}: {template} does not exist")
            templates[template] = prompts.source_of(template)
            prompts.stops_of(templates[template])
        prompts.check(list(templates.values()), judges)


def _check_override(config: Config, override: Override, where: str) -> None:
    kind = "reward" if "reward" in override.where else "variant"
    if kind not in override.where:
        raise UserError(f"{where}.where: name a variant or a reward")
    blocks: dict[str, dict[str, Any]] = {"reward": config.rewards, "variant": config.variants}
    block = blocks[kind]
    for name in listed(override.where[kind]):
        known(block, name, f"{kind}s", f"{where}.where")
        if not isinstance(block[name], Trained):
            raise UserError(f"{where}.where: {kind} {name} is not trained; name one that is")
        training: Any = type(block[name].training)
        changed = asdict(block[name].training) | override.training
        try:
            adapter(training).validate_python(changed)
        except pydantic.ValidationError as error:
            complaint = explain(error.errors()[0], changed, training)
            raise UserError(f"{where}.training: {complaint}") from None


def _check_folder(model: Model, where: str) -> None:
    """Raise UserError for a model that can only be a folder and is none, and for a folder that holds no
    weights."""
    if model.model is None or model.remote:
        return
    folder = Path(model.model)
    if folder.is_dir():
        if not any(folder.glob("*.safetensors")):
            raise UserError(
                f"{where}.model: {folder} holds no *.safetensors weights; name a folder that does"
            )
    elif not HUB_ID.fullmatch(model.model):
        raise UserError(
            f"{where}.model: the folder {folder} does not exist; make it first, or name a hub model"
        )


def _check_voters(config: Config, row: dict, where: str) -> None:
    """Raise UserError where a round of a teacher that votes gives a query fewer than m samples to vote.

    What is imported is counted when it is read.
    """
    if is_judged(config.datasets[row["dataset"]].task):
        return
    for name in (row["teacher"], *config.teachers[row["teacher"]].compare):
        teacher = config.teachers[name]
        rounds = {} if teacher.samples else {"base": teacher.base}
        if rounds and teacher.again and teacher.vote.voters == "last_round":
            rounds["again"] = teacher.again
        for key, block in rounds.items():
            if block.samples < teacher.vote.m:
                raise UserError(
                    f"{where}: teachers.{name}.{key} gives a query {block.samples} samples to vote (one at "
                    f"temperature 0) and vote.m is {teacher.vote.m}; lower vote.m or raise {key}.n"
                )


def _check_judge(config: Config, row: dict, where: str) -> None:
    """Raise UserError where a judge cannot be held against a vote and the golds."""
    if not isinstance(config.variants[row["variant"]], JudgeOnly):
        return
    name, dataset = row["dataset"], config.datasets[row["dataset"]]
    if is_judged(dataset.task):
        why = f"nobody votes on datasets.{name} (task {dataset.task})"
    elif config.teachers[row["teacher"]].samples:
        why = f"teachers.{row['teacher']} is imported, and no model judges"
    elif not (dataset.queries and downloaded(config, dataset.queries)) and not dataset.answered:
        why = f"datasets.{name} has no column of answers to hold them against"
    else:
        return
    raise UserError(f"{where}: {row['variant']} compares a judge with a vote, but {why}; delete the row")


def _check_repeated(config: Config, study: str, row: dict, where: str) -> None:
    """Raise UserError where one of several answers is to be taken of responses that state none."""
    if isinstance(config.variants[row["variant"]], Repeated):
        for name in config.studies[study].benchmarks:
            block = config.benchmarks[name]
            if is_judged(block.task) and (not block.trained_on or row["dataset"] in block.trained_on):
                raise UserError(
                    f"{where}: {row['variant']} takes one of several answers, and responses to {name} state "
                    "none; drop the row"
                )


def _check_logits(config: Config, row: dict, where: str) -> None:
    """Raise UserError where a teacher's logits are to be learnt that has no weights here."""
    teacher = config.teachers[row["teacher"]]
    if isinstance(config.variants[row["variant"]], Gkd) and (teacher.remote or teacher.samples):
        raise UserError(
            f"{where}: {row['variant']} learns the logits of a teacher, and teachers.{row['teacher']} has no "
            "weights here; drop the row, or name its model"
        )


def _check_teacher_asked(config: Config, row: dict, where: str) -> None:
    """Raise UserError where a teacher is to judge responses that has no model."""
    variant = config.variants[row["variant"]]
    if isinstance(variant, Ppo) and variant.training.asks_teacher and config.teachers[row["teacher"]].samples:
        raise UserError(
            f"{where}: {row['variant']} is paid by the teacher's scores, and teachers.{row['teacher']} is "
            "imported, no model that judges; drop the row, or name its model"
        )


def _check_engine(model: Model, where: str) -> None:
    known(ENGINES, model.engine, "engines", f"{where}.engine")
    here = " or ".join(name for name, engine in ENGINES.items() if not engine.remote)
    server = model.server if isinstance(model, Teacher) else None
    if not model.remote:
        if server is not None:
            remote = " or ".join(name for name, engine in ENGINES.items() if engine.remote)
            raise UserError(f"{where}.server: the engine is {model.engine}; set engine: {remote}, or drop it")
        return
    if not isinstance(model, Teacher):
        raise UserError(f"{where}.engine: a student is trained here; use {here}")
    if server is None or model.model is None:
        raise UserError(
            f"{where}: engine {model.engine} needs `server` and `model`, the name there; add them"
        )
    if model.revision is not None:
        raise UserError(f"{where}.revision: a server knows none; drop it, the model's name pins it")
    if model.max_model_len is not None:
        raise UserError(f"{where}.max_model_len: a server has its own; drop it")
    try:
        server.check()
    except UserError as error:
        raise UserError(f"{where}.server: {error}") from None
    if "temperature" in server.omit:
        _check_own_temperature(model, where)


def _check_own_temperature(teacher: Teacher, where: str) -> None:
    """Raise UserError where draws at several temperatures, or a greedy one, would all be at the server's
    own."""
    for key, block in {"base": teacher.base, "again": teacher.again}.items():
        if block is not None and (len(block.temperatures) > 1 or min(block.temperatures) == 0):
            raise UserError(
                f"{where}.{key}.temperatures: server.omit leaves the temperature to the server; name its own "
                f"alone, above 0, and raise n{', or set again: null' if key == 'again' else ''}"
            )


def _check_shards(model: Model, where: str) -> None:
    if model.shards is not None and model.shard_minutes is not None:
        raise UserError(f"{where}: give `shards` or `shard_minutes`, not both")
    if model.remote and (model.shards or 1) + (model.shard_minutes or 0) > 1:
        raise UserError(f"{where}: a server is asked by one job; drop shards, raise server.concurrency")
