"""Which jobs a study needs, by where they work: a folder that several studies share has other jobs, too."""

from collections.abc import Iterable, Iterator

from scripts.lib.config.variants import NoTraining, Repeated
from scripts.lib.config.whole import needed
from scripts.lib.workflow.layout import Layout, Row


def places(layout: Layout, study: str, rows: Iterable[Row]) -> set[str]:
    """Where the jobs of a study work: their wildcards as folders, without a round's number, as they stand in
    the paths of benchmarks and logs (dataset=world/teacher=tiny/seed=0)."""
    found = {f"study={study}"}
    benchmarks = layout.config.studies[study].benchmarks
    for row in rows:
        found.update(_evaluated(layout, row, benchmarks), _data(layout, row, benchmarks))
        if not isinstance(layout.config.variants[row["variant"]], NoTraining):
            found.update(_trained(layout, row))
    return found


def _evaluated(layout: Layout, row: Row, benchmarks: list[str]) -> Iterator[str]:
    variant = layout.config.variants[row["variant"]]
    for benchmark in layout.evaluations(row, benchmarks):
        yield layout.evaluated(row, benchmark)
        if isinstance(variant, Repeated):
            yield _place(layout.repeated(row, benchmark, variant.samples_of, "samples.parquet"))
        if rewards := layout.repeated_rewards(row, benchmark):
            yield _place(rewards)


def _data(layout: Layout, row: Row, benchmarks: list[str]) -> Iterator[str]:
    config, seed = layout.config, row["seed"]
    datasets = {row["dataset"], *(config.benchmarks[name].dataset for name in benchmarks)} - {None}
    for owner in (config.teachers[row["teacher"]], config.students[row["student"]]):
        if owner.pretrained:
            yield _place(layout.model(owner, seed).name)
            datasets |= {getattr(config.models[owner.pretrained], "dataset", None)} - {None}
    for name in datasets:
        yield (place := _place(layout.queries(name, seed, "train")))
        yield from (f"{place}/benchmark={benchmark}" for benchmark in benchmarks)
    yield from (f"benchmark={name}" for name in benchmarks)


def _trained(layout: Layout, row: Row) -> Iterator[str]:
    for teacher in (row["teacher"], *layout.config.teachers[row["teacher"]].compare):
        yield layout.chain(row | {"teacher": teacher})
    variants, rewards = needed(layout.config, [row["variant"]])
    for name in variants:
        yield _place(layout.student(row, name, "student_samples", "samples.parquet"))
        if log := layout.training_metrics(row | {"variant": name}):
            yield _place(log)
    yield from (_place(layout.reward_model(row, name).name) for name in rewards)


def _place(path: str) -> str:
    """The folders between a file's stage and its name: results/<stage>/<place>/<file>."""
    return path.split("/", 2)[2].rpartition("/")[0]
