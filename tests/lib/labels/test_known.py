"""Labels of known worth: golds in place of votes, and so many of them wrong."""

import polars as pl
import pytest

from scripts.lib.errors import UserError
from scripts.lib.labels.known import by_golds, disturbed
from scripts.lib.labels.votes import vote

SAID = pl.DataFrame(
    [("a", "7"), ("a", "7"), ("a", "8"), ("b", "1"), ("b", "2"), ("b", None)],
    schema=["query_id", "answer"],
    orient="row",
)
LABELS = vote(SAID, 3, 0.6)


def test_a_gold_is_the_label_whatever_the_vote_and_is_written_as_the_answers_are():
    golds = pl.DataFrame({"query_id": ["b", "a"], "answer": ["#### 2.0", "8"]})
    found = by_golds(LABELS, golds, SAID, "numeric")
    assert found.select("query_id", "label", "reason").rows() == [("a", "8", "ok"), ("b", "2", "ok")]
    assert found["share"].equals(LABELS["share"])
    with pytest.raises(UserError, match="1 of 2 queries have no reference answer, the first is 'b'"):
        by_golds(LABELS, golds.filter(pl.col("query_id") == "a"), SAID, "numeric")


def many(size: int = 2000) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Queries whose samples say 1, 1 and 2, and every fourth 1 to 4 alone."""
    alone = [str(at % 7) if at % 4 == 0 else None for at in range(size)]
    said = pl.DataFrame(
        [(f"q{at:04}", word) for at in range(size) for word in ([alone[at]] * 3 if alone[at] else "112")],
        schema=["query_id", "answer"],
        orient="row",
    )
    return vote(said, 3, 0.6), said


@pytest.mark.parametrize("noise", [0.1, 0.2, 0.5])
def test_so_many_labels_are_another_answer_and_more_noise_keeps_what_less_does(noise):
    labels, said = many()
    found = disturbed(labels, said, noise)
    changed = found["label"] != labels["label"]
    assert changed.mean() == pytest.approx(noise, abs=0.025)
    own = pl.Series(range(2000)) % 4 > 0
    assert set(found.filter(changed & own)["label"]) == {"2"}
    assert found.drop("label").equals(labels.drop("label"))
    more = disturbed(labels, said, noise + 0.1)
    assert more.filter(changed)["label"].equals(found.filter(changed)["label"])
    shuffled = disturbed(labels, said.sample(fraction=1, shuffle=True, seed=1), noise)
    assert shuffled.equals(found)


def test_without_noise_and_of_queries_without_a_label_nothing_changes():
    labels, said = many(40)
    assert disturbed(labels, said, 0.0).equals(labels)
    none = labels.with_columns(label=pl.lit(None, pl.String))
    assert disturbed(none, said, 0.5).equals(none)
