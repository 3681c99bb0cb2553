"""Find questions that stand on both sides of a line: equal after normalisation, or near duplicates by
13-grams.

Rules. *exact*: the same tokens in the same order; tokens are lower-cased runs of letters and digits,
single ideographs, and single mathematical signs; other punctuation and white space do not count. *near*:
the two share at least 4 distinct 13-grams of tokens (a common run of 16 tokens is the least that can do) and
at least half of the 13-grams of the one that has fewer, and they hold the same numbers. *template*:
the same, with other numbers: another question of the same kind, no leak, but worth to know.
13-grams that stand in more than 50 questions of either side are boilerplate and not matched.
So questions of fewer than 16 tokens are compared by the exact rule only:
short templated questions differ by design in one word or number.
"""

import polars as pl

from scripts.lib.data.hashing import GOLDEN

TOKENS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|[\p{L}\p{M}\p{N}]+|[\p{Sm}*/%^-]"
NGRAM, LEAST_SHARED, LEAST_OVERLAP, BOILERPLATE = 13, 4, 0.5, 50


def tokens(questions: pl.Series) -> pl.Series:
    """Questions [n] as lists of tokens [n]; a question without any is one token, itself."""
    text = questions.str.normalize("NFKC").str.to_lowercase()
    found = text.str.extract_all(TOKENS)
    return pl.select(
        pl.when(found.list.len() > 0).then(found).otherwise(pl.concat_list(text)).alias("tokens")
    ).to_series()


def normalise(questions: pl.Series) -> pl.Series:
    """Questions [n] as the text that the exact rule compares [n]."""
    return tokens(questions).list.join(" ")


def _prepare(questions: pl.Series) -> pl.DataFrame:
    lists = tokens(questions)
    numbers = (
        lists.list.eval(pl.element().filter(pl.element().str.contains(r"\p{N}"))).list.sort().list.join(" ")
    )
    columns = {"tokens": lists, "text": lists.list.join(" "), "numbers": numbers}
    return pl.DataFrame(columns).with_row_index("row")


def _grams(lists: pl.Series) -> pl.DataFrame:
    """Distinct hashed 13-grams of each token list: row (u32), gram (u64), of (how many the row has)."""
    flat = pl.DataFrame({"token": lists}).with_row_index("row").explode("token")
    hashes = pl.col("token").hash()
    # A polynomial in wrapping 64-bit arithmetic; the factor is odd, so that no position loses its bits.
    gram = pl.sum_horizontal(
        hashes.shift(-offset) * pl.lit(pow(GOLDEN, offset + 1, 2**64), dtype=pl.UInt64)
        for offset in range(NGRAM)
    )
    return (
        flat.lazy()
        .select("row", gram.alias("gram"), (pl.col("row").shift(1 - NGRAM) == pl.col("row")).alias("whole"))
        .filter("whole")
        .select("row", "gram")
        .unique()
        .with_columns(pl.len().over("row").alias("of"))
        .filter(pl.len().over("gram") <= BOILERPLATE)
        .collect()
    )


def leaks(train: pl.DataFrame, held_out: pl.DataFrame) -> pl.DataFrame:
    """Pairs of a training and a held-out question that are, or resemble, one question.

    Both: query_id, question. Returns train_id, held_out_id, kind (exact, near or template), overlap
        (shared 13-grams
    over those of the one with fewer; 1 for exact); sorted. Linear in the number of tokens.
    """
    left, right = (_prepare(side["question"]) for side in (train, held_out))
    rows = ["row", "row_right"]
    exact = left.select("row", "text").join(right.select("row", "text"), on="text", suffix="_right")
    shared, fewer = pl.col("shared"), pl.min_horizontal("of", "of_right")
    near = (
        _grams(left["tokens"])
        .join(_grams(right["tokens"]), on="gram")
        .group_by(rows)
        .agg(pl.len().alias("shared"), pl.col("of", "of_right").first())
        .filter((shared >= LEAST_SHARED) & (shared >= LEAST_OVERLAP * fewer))
        .join(exact, on=rows, how="anti")
        .join(left.select("row", "numbers"), on="row")
        .join(
            right.select(pl.all().name.suffix("_right")).select("row_right", "numbers_right"), on="row_right"
        )
    )
    same = pl.col("numbers") == pl.col("numbers_right")
    kind = pl.when(same).then(pl.lit("near")).otherwise(pl.lit("template")).alias("kind")
    found = pl.concat(
        [
            exact.select(*rows, pl.lit("exact").alias("kind"), pl.lit(1.0).alias("overlap")),
            near.select(*rows, kind, (shared / fewer).alias("overlap")),
        ]
    )
    names = found.select(
        train["query_id"].gather(found["row"]).alias("train_id"),
        held_out["query_id"].gather(found["row_right"]).alias("held_out_id"),
        "kind",
        "overlap",
    )
    return names.sort("train_id", "held_out_id")
