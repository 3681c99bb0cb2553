"""Completions as token ids: every trainer sees prompt + completion + end token, cut from the same table."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from scripts.lib.data import tables
from scripts.lib.data.hashing import keys, mix
from scripts.lib.errors import UserError
from scripts.lib.models.literal import hidden, ids_of
from scripts.lib.models.prompts import PromptTemplate, render_ids, thought_form
from scripts.lib.models.thoughts import ThoughtForm
from scripts.lib.samples.spread import spread
from scripts.lib.training.flags import Preferences

_CHUNK = 50_000


@dataclass(frozen=True)
class Ragged:
    """Rows of token ids of different lengths in one flat array: 4 bytes per token, however many rows point at
    it."""

    flat: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, row: int) -> list[int]:
        return self.flat[self.ends[row - 1] if row else 0 : self.ends[row]].tolist()

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.ends, prepend=0)


def ragged(rows: list[list[int]]) -> Ragged:
    """Pack lists of ids."""
    ends = np.cumsum([len(row) for row in rows], dtype=np.int64)
    flat = np.fromiter(
        (token for row in rows for token in row), dtype=np.int32, count=int(ends[-1]) if rows else 0
    )
    return Ragged(flat, ends)


def prompt_ids(tokenizer, template: PromptTemplate, queries: pl.DataFrame) -> list[list[int]]:
    """Each row of a QUERIES table as the model is shown it."""
    asked = queries.select("question", "options", "shots").iter_rows()
    return [render_ids(tokenizer, template, *row) for row in asked]


def closed(ids: list[int], ended: bool, end_token_id: int) -> list[int]:
    """A completion as every trainer learns it and a reward model reads it, at its last token: with the end
    token where it ended by itself, at its last text token where it was cut off."""
    return [*ids, end_token_id] if ended else ids


def completion_ids(
    tokenizer,
    completions: pl.Series,
    finish_reasons: pl.Series,
    form: ThoughtForm | None = None,
    reasoning: pl.Series | None = None,
) -> Ragged:
    """Each completion's ids, `closed` where its finish reason is "stop".

    Special tokens are the end token and those of `form`, in which `reasoning`, where given, is written before
    the reply.
    """
    form = form or ThoughtForm()
    packed = []
    for start in range(0, len(completions), _CHUNK):
        texts = completions.slice(start, _CHUNK).to_list()
        thoughts = [None] * len(texts) if reasoning is None else reasoning.slice(start, _CHUNK).to_list()
        texts = list(map(form.written, hidden(tokenizer, thoughts), hidden(tokenizer, texts)))
        ids = ids_of(tokenizer, texts, add_special_tokens=False)
        ended = (finish_reasons.slice(start, _CHUNK) == "stop").to_list()
        packed.append(
            ragged([closed(row, end, tokenizer.eos_token_id) for row, end in zip(ids, ended, strict=True)])
        )
    if not packed:
        return ragged([])
    starts = np.cumsum([0] + [len(part.flat) for part in packed[:-1]])
    ends = [part.ends + start for part, start in zip(packed, starts, strict=True)]
    return Ragged(np.concatenate([part.flat for part in packed]), np.concatenate(ends))


def answers_to_learn(
    samples: pl.DataFrame, grades: pl.DataFrame | None, answers_per_query: int, thoughts: bool = False
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The completions to imitate, SAMPLES columns, and a count of what was left out and why.

    With `grades` those of the highest score that occurs (D_TeachCan, Eq. 2:
    score 1 for verifiable tasks, 5 for judged ones); without, all (the SFT baseline).
    Completions that were cut off are left out of both: learning them with an end token teaches to stop half
    way, without one to run on. So are those without a reply. Eq. 2 is a set: a query's equal texts (stripped)
    are one answer, under its lowest sample_id, and `repeated`; where `thoughts` are learnt, texts with equal
    thoughts. Of a query's answers `answers_per_query` are kept (0: all), spread over the temperatures, the
    lowest first, and within one by the hash of (query, sample): a larger number keeps what a smaller one
    does. Raises UserError where none is left, or none has a thought to learn.
    """
    counts = {"samples": samples.height}
    kept = samples.filter(pl.col("finish_reason") == "stop")
    counts["cut_off"] = samples.height - kept.height
    said = kept.filter(pl.col("completion").str.strip_chars() != "")
    counts["empty"], kept = kept.height - said.height, said
    if grades is not None:
        before = kept.height
        best = grades["score"].max()
        if not isinstance(best, float) or best <= 0:
            raise UserError("no answer was graded right; lower the vote threshold or sample more")
        good = grades.filter(pl.col("score") == best).select("query_id", "sample_id")
        kept = kept.join(good, on=["query_id", "sample_id"], how="semi", maintain_order="left")
        counts["not_best"] = before - kept.height
    answers = kept.sort("query_id", "sample_id").filter(
        pl.struct(
            "query_id", pl.col("completion").str.strip_chars(), *(["reasoning"] if thoughts else [])
        ).is_first_distinct()
    )
    counts["repeated"] = kept.height - answers.height
    place = mix(keys(answers["query_id"], 0, "answers to learn"), answers["sample_id"].to_numpy())
    kept = spread(answers.with_columns(pl.Series("place", place)), answers_per_query, by="place")
    kept = kept.drop("place").sort("query_id", "sample_id")
    counts["over_answers_per_query"] = answers.height - kept.height
    if kept.is_empty():
        raise UserError("no answer is left to learn from; check the samples and the grades")
    if thoughts and kept["reasoning"].null_count() == kept.height:
        raise UserError("no answer shows a thought; set learn_reasoning to false")
    return kept, counts


def index(table: pl.DataFrame, ids: list[str], wanted: pl.DataFrame, what: str) -> list[int]:
    """Row numbers of `wanted` (columns `ids`) in `table`. Raises UserError when one is missing."""
    found = wanted.select(ids).join(
        table.select(ids).with_row_index("row"), on=ids, how="left", maintain_order="left"
    )
    if found["row"].null_count():
        lost = wanted.filter(found["row"].is_null()).row(0)
        raise UserError(
            f"{found['row'].null_count()} rows refer to {what} that are not there, first {lost}; "
            "make both from the same samples"
        )
    return found["row"].to_list()


@dataclass(frozen=True)
class Answers:
    """Answers to imitate over two ragged tables: row numbers of each one's query and of its completion.

    `table` holds the SAMPLES rows behind them, in order.
    """

    prompts: Ragged
    completions: Ragged
    query: np.ndarray
    completion: np.ndarray
    table: pl.DataFrame

    def __len__(self) -> int:
        return len(self.query)

    def __getitem__(self, row: int) -> tuple[list[int], list[int]]:
        """The ids of a prompt and of its completion."""
        return self.prompts[self.query[row]], self.completions[self.completion[row]]

    def rows(self, keep: np.ndarray) -> "Answers":
        """The answers where `keep` (bool) holds."""
        query, completion = self.query[keep], self.completion[keep]
        return replace(self, query=query, completion=completion, table=self.table.filter(keep))

    def lengths(self) -> np.ndarray:
        """Tokens of each answer, prompt included."""
        return self.prompts.lengths[self.query] + self.completions.lengths[self.completion]


def load_answers(
    tokenizer,
    template: PromptTemplate,
    queries: pl.DataFrame,
    samples: pl.DataFrame,
    thoughts: bool = False,
) -> Answers:
    """Render and tokenise these samples and their prompts, with what was thought before where `thoughts`."""
    asked = queries.join(
        samples.select("query_id").unique(), on="query_id", how="semi", maintain_order="left"
    )
    form, reasoning = thought_form(tokenizer, template), samples["reasoning"] if thoughts else None
    return Answers(
        prompts=ragged(prompt_ids(tokenizer, template, asked)),
        completions=completion_ids(
            tokenizer, samples["completion"], samples["finish_reason"], form, reasoning
        ),
        query=np.array(index(asked, ["query_id"], samples, "queries")),
        completion=np.arange(samples.height),
        table=samples,
    )


@dataclass(frozen=True)
class Pairs:
    """Preference pairs over two ragged tables: row numbers of the pair's query and of its two completions.

    `chosen_hit`, `rejected_hit`: 1[l = l*] of Eq. 7. `table` holds the PAIRS rows behind them, in order.
    """

    prompts: Ragged
    completions: Ragged
    query: np.ndarray
    chosen: np.ndarray
    rejected: np.ndarray
    chosen_hit: np.ndarray
    rejected_hit: np.ndarray
    table: pl.DataFrame

    def __len__(self) -> int:
        return len(self.query)

    def rows(self, keep: np.ndarray) -> "Pairs":
        """The pairs where `keep` (bool) holds."""
        return replace(
            self,
            query=self.query[keep],
            chosen=self.chosen[keep],
            rejected=self.rejected[keep],
            chosen_hit=self.chosen_hit[keep],
            rejected_hit=self.rejected_hit[keep],
            table=self.table.filter(keep),
        )

    def longest(self) -> np.ndarray:
        """Tokens of each pair's longer side, prompt included."""
        lengths = self.completions.lengths
        return self.prompts.lengths[self.query] + np.maximum(lengths[self.chosen], lengths[self.rejected])


def load_pairs(
    tokenizer,
    template: PromptTemplate,
    queries: pl.DataFrame,
    teacher: pl.DataFrame,
    student: pl.DataFrame,
    pairs: pl.DataFrame,
    best_score: float,
) -> Pairs:
    """Render and tokenise exactly what the pairs point at: each prompt and each completion once."""
    key = ["source", "query_id", "sample_id"]
    sides = [
        pairs.select(
            pl.col(f"{side}_source").alias("source"),
            "query_id",
            pl.col(f"{side}_sample_id").alias("sample_id"),
        )
        for side in ("chosen", "rejected")
    ]
    samples = pl.concat(
        [teacher.with_columns(source=pl.lit("teacher")), student.with_columns(source=pl.lit("student"))]
    ).join(pl.concat(sides).unique(), on=key, how="semi", maintain_order="left")
    asked = queries.join(pairs.select("query_id").unique(), on="query_id", how="semi", maintain_order="left")
    return Pairs(
        prompts=ragged(prompt_ids(tokenizer, template, asked)),
        completions=completion_ids(
            tokenizer, samples["completion"], samples["finish_reason"], thought_form(tokenizer, template)
        ),
        query=np.array(index(asked, ["query_id"], pairs, "queries")),
        chosen=np.array(index(samples, key, sides[0], "samples")),
        rejected=np.array(index(samples, key, sides[1], "samples")),
        chosen_hit=(pairs["chosen_score"] == best_score).to_numpy(),
        rejected_hit=(pairs["rejected_score"] == best_score).to_numpy(),
        table=pairs,
    )


def fitting(pairs: Pairs, max_length: int | None) -> tuple[Pairs, dict[str, int]]:
    """The pairs whose sides have at most `max_length` tokens, prompt included, and how many were left out."""
    keep = pairs.longest() <= max_length if max_length else np.ones(len(pairs), dtype=bool)
    return pairs.rows(keep), {"over_max_length": int((~keep).sum())}


def splits(pairs: Pairs) -> tuple[Pairs, Pairs]:
    """The training and the validation pairs. Raises UserError when there are none of either."""
    train, validation = (
        pairs.rows((pairs.table["split"] == split).to_numpy()) for split in ("train", "validation")
    )
    if not len(train) or not len(validation):
        raise UserError(
            f"{len(train)} training and {len(validation)} validation pairs: need both; "
            "make more pairs or change --validation-fraction"
        )
    return train, validation


def demonstrations(
    queries: Path,
    samples: list[Path],
    grades: Path | None,
    tokenizer,
    template: PromptTemplate,
    *,
    answers_per_query: int,
    max_length: int | None,
    thoughts: bool = False,
) -> tuple[Answers, dict[str, int]]:
    """The answers to learn, without those of more than `max_length` tokens, prompt included, and counts.

    Raises UserError where none is left.
    """
    kept, counts = answers_to_learn(
        tables.read_many(samples, tables.SAMPLES),
        tables.read(grades, tables.GRADES) if grades else None,
        answers_per_query,
        thoughts,
    )
    known = load_answers(tokenizer, template, tables.read(queries, tables.QUERIES), kept, thoughts)
    learnt = known.rows(known.lengths() <= max_length) if max_length else known
    if not len(learnt):
        raise UserError(f"every example is longer than max_length {max_length}; raise it")
    return learnt, counts | {"over_max_length": len(known) - len(learnt), "learnt": len(learnt)}


def preferences(
    queries: Path, data: Preferences, tokenizer, template: PromptTemplate, max_length: int | None
) -> tuple[Pairs, Pairs, dict[str, int]]:
    """The pairs to learn and those of the validation split, without what does not fit, and counts."""
    known, counts = fitting(
        load_pairs(
            tokenizer,
            template,
            tables.read(queries, tables.QUERIES),
            tables.read_many(data.teacher_samples, tables.SAMPLES),
            tables.read_many(data.student_samples, tables.SAMPLES),
            tables.read(data.pairs, tables.PAIRS),
            data.best_score,
        ),
        max_length,
    )
    train, validation = splits(known)
    return train, validation, counts | {"train_pairs": len(train), "validation_pairs": len(validation)}
