"""Judging responses (Figure 6): requests that cannot talk to the judge, and scores out of what it says.

A request is a row of QUERIES whose one option is the response, so that judgements are sampled,
stored and found again like any other completion. Equal responses to a query are judged once.
"""

import re
from functools import partial

import polars as pl

from scripts.lib.data.hashing import content_id
from scripts.lib.data.tables import QUERIES, REQUESTS
from scripts.lib.labels.judgement import break_verdicts, read_score, read_verdict
from scripts.lib.samples.read import read_samples
from scripts.lib.tasks.choice import LETTERS
from scripts.lib.tasks.open import OPEN, VALID
from scripts.lib.tasks.reading.folding import folded, rewritten, seen

_SPECIAL = re.compile(
    r"""
    <(?=\s*+[/|\\]?+\s*+\|?+\s*+
      (?:(?:s|bos|eos|pad|unk|inst|mask|cls|sep|bot|sop|eop|eo[ahmst])\b         # </s>, <eoa>
        |(?:question|response|answer|score|rating|final|total|verdict|evaluation|judge|system|user|assistant
           |human|model|tool|function|instruction|think|thought|reasoning|channel|message|im_|start_|end_|begin_
           |eot|end[ ]?of|start[ ]?of|begin[ ]?of|endoftext|fim_|unused|reserved|python_tag)[\w-]*))
    | <(?=\||!--|!\[)                                                            # <|im_end|>, <!--, <![CDATA[
    | <(?=<\s*+/?+\s*+sys)                                                       # <<SYS>>
    """,
    re.I | re.X,
)
"""Where something opens that a template, a tokenizer or a reader may take for a delimiter."""
_CLOSING = re.compile(r"(?<=\|)>")
_BRACKETS = re.compile(
    r"""
    \[(?=\s*+/?+\s*+(?:(?:system|available|tool|img|audio|model|call|begin|end|b|e)_\w+|inst|sys|result|think|args
      |img|audio|(?:g|s)?mask|cls|sep|pad|unk|bos|eos|prefix|middle|suffix|tools?)\s*+\])   # [TOOL_CALLS]
    | \[(?=\s*+/?+\|)                                                            # [|assistant|]
    | \[(?=\[\s*+[-+]?+\d)                                                       # [[5]]
    """,
    re.I | re.X,
)
_ROLE = re.compile(
    r"""
    ^(?=[ \t>*_\#`/\-\[({\u2039\u27e6|]{0,8}
      (?:(?:system|user|assistant|human|judge|tool|function|model|bot|ai|evaluator|developer|grader|instructions?
         |evaluation\sevidence|question|response)\b
         (?:\s(?:prompt|message|result|output|call|response))?[ \t*_`\])}|\u203a]{0,4}(?::|$)
        |(?<=\#)[ \t]{0,3}(?:input|output)\b[ \t*_]{0,4}:))                      # ### Input:
    """,
    re.I | re.M | re.X,
)
_MARK = "[quoted] "


def _instead(written: str, found: str) -> str:
    return written


def neutralise(text: str) -> str:
    """A text that can be shown to the judge: its words stay, nothing in it is a delimiter or reads as a
    verdict.

    Angle brackets of tags and special tokens become single quotation angles, square ones white ones, role
    lines get the mark "[quoted]", letters that show nothing go, and the number of whatever `read_score` could
    take for a verdict is spelled out. So the text can neither close its place in the prompt, nor open another
    turn, nor be taken for the judge's score where the judge repeats it: exactly, in compatibility forms,
    without accents, or without our marks.
    """
    text = seen(text)
    for pattern, written in (
        (_SPECIAL, "\u2039"),
        (_CLOSING, "\u203a"),
        (_BRACKETS, "\u27e6"),
        (_ROLE, _MARK),
    ):
        places = [match.span() for match in pattern.finditer(folded(text)[0])]
        text = rewritten(text, places, partial(_instead, written))
    return break_verdicts(text)


def requests(samples: pl.DataFrame, queries: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What to ask the judge, and for which samples.

    `samples`: query_id, sample_id, completion, finish_reason, num_tokens; `queries`: query_id, question,
    options.
    Responses that are not valid (`tasks/open.py`) are not asked about. Returns QUERIES (the request's id, the
    question, the response as the one option; neutralised) and REQUESTS of all samples, both sorted.
    """
    found = read_samples(OPEN.name, samples)
    samples = samples.with_columns(found["status"])
    valid = samples.filter(pl.col("status") == "ok").join(
        queries.select("query_id", "question", "options"), on="query_id", how="inner", maintain_order="left"
    )
    ids = [
        content_id(name, completion.strip())
        for name, completion in valid.select("query_id", "completion").iter_rows()
    ]
    valid = valid.with_columns(pl.Series("request_id", ids, dtype=pl.String))
    first = valid.unique("request_id", keep="first", maintain_order=True)
    rows = [
        {
            "query_id": name,
            "question": neutralise(_asked(question, options)),
            "options": [neutralise(text.strip())],
            "group": "",
            "shots": [],
        }
        for name, question, options, text in first.select(
            "request_id", "question", "options", "completion"
        ).iter_rows()
    ]
    asked = pl.DataFrame(rows, schema=QUERIES).sort("query_id")
    links = samples.join(valid, on=["query_id", "sample_id"], how="left").select(*REQUESTS)
    return asked, links.sort("query_id", "sample_id")


def _asked(question: str, options: list[str] | None) -> str:
    """A question as the judge sees it, its options named by letters, or by numbers where there are more."""
    options = options or []
    names = LETTERS if len(options) <= len(LETTERS) else range(1, len(options) + 1)
    lines = [f"{name}. {option}" for name, option in zip(names, options, strict=False)]
    return "\n".join([question, *lines])


def read_scores(judgements: pl.DataFrame, verdict: str = "written") -> pl.DataFrame:
    """The score of each judgement: query_id (the request's), sample_id, score (null: missing), status.

    `verdict`: as `Judging` says.
    """
    if verdict == "token":
        scores = pl.Series("score", map(read_verdict, judgements["completion"]), dtype=pl.Float64)
        status = pl.when(scores.is_null()).then(pl.lit("none")).otherwise(pl.lit("ok")).alias("status")
        return judgements.select("query_id", "sample_id").with_columns(scores, status)
    read = [
        read_score(text, reason)
        for text, reason in judgements.select("completion", "finish_reason").iter_rows()
    ]
    return judgements.select("query_id", "sample_id").with_columns(
        pl.Series("score", [answer.value for answer in read], dtype=pl.String).cast(pl.Float64),
        pl.Series("status", [answer.status for answer in read], dtype=pl.String),
    )


def combine(scores: pl.DataFrame, how: str) -> pl.DataFrame:
    """One score a request (query_id, score): the mean of those read, or the most frequent one, of several the
    lowest."""
    read = scores.drop_nulls("score")
    if how == "mean":
        return read.group_by("query_id").agg(pl.col("score").mean()).sort("query_id")
    counted = (
        read.group_by("query_id", "score")
        .len()
        .sort("query_id", "len", "score", descending=[False, True, False])
    )
    return (
        counted.unique("query_id", keep="first", maintain_order=True)
        .select("query_id", "score")
        .sort("query_id")
    )


def unread(scores: pl.DataFrame) -> pl.DataFrame:
    """The requests (query_id) none of whose judgements gives a score."""
    best = scores.group_by("query_id").agg(pl.col("score").max())
    return best.filter(pl.col("score").is_null()).select("query_id").sort("query_id")


def grades(links: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    """`GRADES` of all samples: the judge's score; 0 where there is no valid response; null where no score was
    read, or a server refused to answer.

    `links`: REQUESTS; `scores`: query_id (the request's), score.
    """
    table = links.join(
        scores.rename({"query_id": "request_id"}), on="request_id", how="left", maintain_order="left"
    )
    valid = pl.col("status") == "ok"
    return table.select(
        "query_id",
        "sample_id",
        pl.when(valid).then(pl.lit(VALID)).alias("answer"),
        pl.when(valid & pl.col("score").is_null())
        .then(pl.lit("unscored"))
        .otherwise("status")
        .alias("status"),
        pl.when(valid).then("score").when(pl.col("status") != "refused").then(0.0).alias("score"),
    )
