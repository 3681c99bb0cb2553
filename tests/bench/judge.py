"""How good the embedded world's judge is: what it says of each model's answers to the held-out questions,
right and wrong, by family. The study `judge` has to be there:
  make run CONFIG="config/world.yaml config/judge.yaml" STUDY=judge
  .venv-gpu/bin/python -m tests.bench.judge
"""

from functools import reduce
from pathlib import Path

import polars as pl

from scripts.lib.config.check import parse, rows
from scripts.lib.config.layers import over
from scripts.lib.config.plain import load
from scripts.lib.data.tables import GOLDS, QUERIES, SAMPLES, read
from scripts.lib.data.world import FAMILIES, NO, YES
from scripts.lib.labels.judging import requests
from scripts.lib.models.generation import Batch, next_token_probabilities
from scripts.lib.models.loading import load_causal, load_tokenizer
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.samples.read import IDS, read_samples
from scripts.lib.training.examples import prompt_ids
from scripts.lib.workflow.layout import Layout
from tests.workflow.project import ROOT

STUDY, BENCHMARK, FILES = "judge", "judged", ("config/world.yaml", "config/judge.yaml")


def verdicts(model: Path, prompt: Path, samples: pl.DataFrame, queries: pl.DataFrame) -> pl.DataFrame:
    """How likely the judge says yes rather than no: query_id, sample_id, yes (null: not asked)."""
    asked, links = requests(samples, queries)
    words = load_tokenizer(model)
    prompts = prompt_ids(words, PromptTemplate(prompt, True), asked)
    tokens = words.convert_tokens_to_ids([YES, NO])
    found = next_token_probabilities(load_causal(model), prompts, tokens, Batch())
    said = asked.select(request_id="query_id").with_columns(
        yes=pl.Series([yes / (yes + no) for yes, no in found])
    )
    return links.join(said, on="request_id", how="left").select("query_id", "sample_id", "yes")


def graded(samples: pl.DataFrame, queries: pl.DataFrame, golds: pl.DataFrame) -> pl.DataFrame:
    """query_id, sample_id, family, right of the samples that state an answer."""
    answers = samples.with_columns(read_samples("numeric", samples)["answer"]).drop_nulls("answer")
    phrase = pl.coalesce(
        pl.when(pl.col("question").str.ends_with(f". {family.phrase}")).then(pl.lit(family.phrase))
        for family in FAMILIES
    )
    return (
        answers.join(golds.select("query_id", gold="answer"), on="query_id")
        .join(queries.select("query_id", family=phrase), on="query_id")
        .select("query_id", "sample_id", "family", right=pl.col("answer") == pl.col("gold"))
    )


def table(judged: pl.DataFrame) -> pl.DataFrame:
    """By variant and family: how many answers are right and wrong, and of which shares the judge says so."""
    called = (pl.col("yes") > 0.5) == pl.col("right")
    cells = []
    for name, which in (("right", pl.col("right")), ("wrong", ~pl.col("right"))):
        cells += [which.sum().alias(name), called.filter(which).mean().alias(f"{name}, so judged")]
    return judged.group_by("variant", "family", maintain_order=True).agg(*cells)


def main() -> None:
    """Print the table over all seeds that are there."""
    config = parse(reduce(over, (load(ROOT / file) for file in ("config/config.yaml", *FILES))))
    layout, found = Layout(config), []
    prompt = ROOT / f"config/prompts/{config.variants['judge_token'].judge.prompt}.jinja"
    for row in rows(config, STUDY):
        samples = ROOT / layout.samples(row, BENCHMARK)
        if samples.exists():
            model = ROOT / f"results/models/model=judging-teacher/seed={row['seed']}/checkpoint"
            queries = read(ROOT / layout.queries(row["dataset"], row["seed"], "test"), QUERIES)
            golds = read(ROOT / layout.queries(row["dataset"], row["seed"], "test_golds"), GOLDS)
            said = read(samples, SAMPLES)
            judged = graded(said, queries, golds).join(verdicts(model, prompt, said, queries), on=IDS)
            found.append(judged.with_columns(variant=pl.lit(row["variant"])))
    with pl.Config(tbl_rows=-1, tbl_hide_dataframe_shape=True, fmt_str_lengths=40):
        print(table(pl.concat(found).sort("variant", "family")))


if __name__ == "__main__":
    main()
