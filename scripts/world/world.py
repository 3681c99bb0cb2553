"""Make the embedded world of one seed: seed -> pretraining corpus, queries, golds and a tokenizer.

All splits are disjoint by the story apart from its names and things; the step fails if they are not.
"""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data import tables
from scripts.lib.data.files import write_json
from scripts.lib.data.settings import World
from scripts.lib.data.world import (
    CORPUS,
    FAMILIES,
    Story,
    draw_completions,
    draw_judgements,
    draw_splits,
    tokenizer_files,
)
from scripts.lib.errors import UserError
from scripts.lib.process.cli import cli


def check_disjoint(splits: dict[str, list[Story]]) -> None:
    """Raise UserError if a question, or a story apart from names and things, occurs twice in or across
    splits."""
    for what, value in (("question", Story.question), ("story", lambda story: story.core)):
        counts = Counter(value(story) for stories in splits.values() for story in stories)
        twice = [str(item) for item, count in counts.items() if count > 1]
        if twice:
            raise UserError(
                f"{len(twice)} of the world's {what} texts occur twice, first: {twice[0]}; mend draw_splits"
            )


def corpus(seed: int, stories: list[Story], judged: list[Story]) -> pl.DataFrame:
    """One completion a story and model, and the teacher's judgement of a response to each of the stories
    `judged`; columns of CORPUS."""
    prompts = [story.question() for story in stories]
    rows = [
        (model, *row)
        for model in ("teacher", "student")
        for row in zip(prompts, draw_completions(seed, model, stories), strict=True)
    ]
    rows += [("teacher", *row) for row in draw_judgements(seed, judged)]
    return pl.DataFrame(rows, schema=CORPUS, orient="row")


def queries(seed: int, split: str, stories: list[Story]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The split's QUERIES, each with its family as its group, and its GOLDS. Ids hold the seed: another
    seed's world has other questions."""
    ids = [f"{seed}-{split}-{number:05d}" for number in range(len(stories))]
    questions = [story.question() for story in stories]
    families = [FAMILIES[story.family].phrase for story in stories]
    table = pl.DataFrame({"query_id": ids, "question": questions, "group": families})
    table = table.with_columns(
        options=pl.lit([], dtype=pl.List(pl.String())),
        shots=pl.lit([], dtype=tables.QUERIES["shots"]),
    )
    return table, pl.DataFrame({"query_id": ids, "answer": [story.answer() for story in stories]})


def main(
    output: Path,
    seed: int = 0,
    sizes: OmitArgPrefixes[World] = World(),  # noqa: B008
) -> None:
    """Write corpus.parquet, {train,validation,test}{,_golds}.parquet and tokenizer/ into `output`."""
    splits = draw_splits(seed, asdict(sizes))
    check_disjoint(splits)
    learnt = corpus(seed, splits.pop("pretraining"), splits.pop("judgements"))
    tables.write(learnt, output / "corpus.parquet", CORPUS)
    for split, stories in splits.items():
        table, golds = queries(seed, split, stories)
        tables.write(table, output / f"{split}.parquet", tables.QUERIES)
        tables.write(golds, output / f"{split}_golds.parquet", tables.GOLDS)
    for name, content in tokenizer_files(sizes.judgements > 0).items():
        write_json(content, output / "tokenizer" / name)


if __name__ == "__main__":
    cli(main)
