import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.lib.data.tables import LABELS
from scripts.lib.errors import UserError
from scripts.lib.labels.settings import Vote
from scripts.lib.labels.votes import choose_voters, count_votes, vote
from scripts.lib.samples.draws import draws
from scripts.lib.samples.settings import Sampling


def ballots(*answers, query="q"):
    return pl.DataFrame({"query_id": [query] * len(answers), "answer": pl.Series(answers, dtype=pl.String)})


def samples(rows):
    """Rows of (query_id, sample_id, temperature, round)."""
    schema = {"query_id": pl.String, "sample_id": pl.Int32, "temperature": pl.Float64, "round": pl.Int32}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_eq1_by_hand():
    label = vote(ballots("18", "18", "18", "20", None), 5, 0.5).row(0, named=True)
    assert label == {"query_id": "q", "label": "18", "share": 0.6, "votes": 3, "m": 5, "reason": "ok"}


@pytest.mark.parametrize(
    ("answers", "threshold", "reason", "votes"),
    [
        (["1"] * 7 + ["2"] * 3, 0.7, "ok", 7),
        (["1"] * 6 + ["2"] * 4, 0.7, "below_threshold", 6),
        (["1"] * 6 + [None] * 4, 0.7, "below_threshold", 6),
        (["1"] * 5 + ["2"] * 5, 0.5, "tie", 5),
        (["1"] * 5 + ["2"] * 5, 0.7, "tie", 5),
        ([None] * 10, 0.7, "no_answer", 0),
        (["1"] + [None] * 9, 0.0, "ok", 1),
    ],
)
def test_reasons(answers, threshold, reason, votes):
    row = vote(ballots(*answers), 10, threshold).row(0, named=True)
    assert (row["reason"], row["votes"]) == (reason, votes)
    assert (row["label"] is not None) == (reason == "ok")


def test_a_missing_voter_abstains():
    assert vote(ballots("1"), 10, 0.7).row(0, named=True)["share"] == 0.1


def test_queries_are_apart_and_sorted():
    labels = vote(pl.concat([ballots("2", "2", query="b"), ballots("1", "1", query="a")]), 2, 0.7)
    assert labels["query_id"].to_list() == ["a", "b"]
    assert labels["label"].to_list() == ["1", "2"]


ANSWERS = st.lists(st.one_of(st.none(), st.sampled_from(["1", "2", "3"])), min_size=1, max_size=12)


@settings(max_examples=40)
@given(ANSWERS, st.randoms(use_true_random=False), st.floats(0.01, 1))
def test_order_does_not_matter(answers, random, threshold):
    shuffled = random.sample(answers, len(answers))
    assert vote(ballots(*answers), 12, threshold).equals(vote(ballots(*shuffled), 12, threshold))


@settings(max_examples=40)
@given(ANSWERS, st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_higher_threshold_labels_no_more(answers, one, other):
    low, high = (vote(ballots(*answers), 12, limit).row(0, named=True) for limit in sorted((one, other)))
    assert 0 <= low["share"] <= 1 and low["share"] == high["share"]
    assert high["reason"] != "ok" or low["reason"] == "ok"
    assert high["label"] is None or high["label"] == low["label"]


@settings(max_examples=40)
@given(ANSWERS, st.integers(1, 12))
def test_votes_are_counts_of_the_winner(answers, m):
    row = vote(ballots(*answers[:m]), m, 0.5).row(0, named=True)
    counts = [answers[:m].count(answer) for answer in set(answers[:m]) - {None}]
    assert row["votes"] == max(counts, default=0)
    assert row["share"] == row["votes"] / m
    assert (row["reason"] == "tie") == (counts.count(max(counts, default=0)) > 1)
    assert row["label"] is None or answers[:m].count(row["label"]) == row["votes"]


@pytest.mark.parametrize("answers", ["2 2 1", "2 2 3", "1 2 2 3 2"])
def test_the_winner_may_stand_anywhere_in_the_alphabet(answers):
    assert vote(ballots(*answers.split()), 5, 0.1)["label"].to_list() == ["2"]


def test_voters_come_from_every_temperature():
    rows = [("q", 5 * t + i, (t + 1) / 10, 1) for t in range(4) for i in range(5)]
    chosen = choose_voters(samples(rows), 10)["sample_id"].to_list()
    assert chosen == [0, 5, 10, 15, 1, 6, 11, 16, 2, 7]


def test_the_papers_first_grid_has_one_greedy_voter():
    grid = Sampling()
    table = draws(grid.temperatures, grid.n, 1, 0).with_columns(
        query_id=pl.lit("q"), round=pl.lit(1, pl.Int32)
    )
    assert table.height == grid.samples == 16
    chosen = table.join(choose_voters(table, 10), on="sample_id")
    heats = chosen.group_by("temperature").len().sort("temperature").rows()
    assert heats == [(0.0, 1), (0.1, 3), (0.2, 3), (0.3, 3)]


def test_rounds_that_repeat_the_greedy_completion_give_it_one_vote():
    rows = [("q", 0, 0.0, 1), ("q", 1, 0.5, 1), ("q", 2, 0.0, 2), ("q", 3, 0.5, 2)]
    assert choose_voters(samples(rows), 10, "all_rounds")["sample_id"].to_list() == [0, 1, 3]
    assert choose_voters(samples(rows), 10)["sample_id"].to_list() == [2, 3]


def test_the_greedy_vote_is_the_first_that_the_query_has():
    rows = [("a", 0, 0.0, 1), ("a", 1, 0.0, 2), ("b", 0, 0.5, 1), ("b", 1, 0.0, 2)]
    assert choose_voters(samples(rows), 10, "all_rounds").rows() == [("a", 0), ("b", 1), ("b", 0)]


def test_a_share_that_meets_the_threshold_gives_a_label_beside_other_queries():
    """28 * (1 / 35) < 28 / 35 = 0.8."""
    both = pl.concat([ballots(*["1"] * 28, query=query) for query in "ab"])
    assert vote(both, 35, 0.8)["reason"].to_list() == ["ok", "ok"]


def said(**votes):
    """Answers of queries, one letter each, all of round 1; of a query in capitals of round 2."""
    rows = [
        (query, i, answer, 0.5, 1 + query.isupper())
        for query, answers in votes.items()
        for i, answer in enumerate(answers)
    ]
    columns = ("query_id", "sample_id", "answer", "temperature", "round")
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("round").cast(pl.Int32))


def test_a_query_with_fewer_samples_than_its_round_has_abstentions():
    labels = count_votes([said(C="9999"), said(a="777", b="88")], Vote(m=3, threshold=0.7))
    assert labels.select("query_id", "label", "share").rows() == [
        ("C", "9", 1.0),
        ("a", "7", 1.0),
        ("b", None, pytest.approx(2 / 3)),
    ]
    assert labels.schema == pl.Schema(LABELS)


@pytest.mark.parametrize(("votes", "number"), [({"a": "77", "C": "999"}, 1), ({"a": "777", "C": "99"}, 2)])
def test_a_round_in_which_no_query_can_fill_a_vote_is_refused(votes, number):
    with pytest.raises(UserError, match=f"last round is {number} have at most 2 samples"):
        count_votes([said(**{query: each}) for query, each in votes.items()], Vote(m=3))


def test_models_that_answer_greedily_each_vote():
    """An imported teacher may be a panel of models, a greedy completion of each."""
    rows = [("q", i, 0.0, 1) for i in range(5)]
    assert choose_voters(samples(rows), 4)["sample_id"].to_list() == [0, 1, 2, 3]


def test_the_last_round_is_each_querys_own():
    rows = [("a", i, 0.1, 1) for i in range(4)] + [("b", i, 0.1, 1) for i in range(4)]
    rows += [("b", i, 1.0, 2) for i in range(4, 8)]
    last = choose_voters(samples(rows), 3)
    assert last.rows() == [("a", 0), ("a", 1), ("a", 2), ("b", 4), ("b", 5), ("b", 6)]
    every = choose_voters(samples(rows), 3, "all_rounds").filter(pl.col("query_id") == "b")
    assert every["sample_id"].to_list() == [0, 4, 1]


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(1, 8))
def test_the_choice_ignores_the_order_of_rows(random, m):
    rows = [(q, i, (i % 3) / 10, 1) for q in "ab" for i in range(6)]
    chosen = choose_voters(samples(random.sample(rows, len(rows))), m)
    assert chosen.equals(choose_voters(samples(rows), m))
    assert chosen.group_by("query_id").len()["len"].to_list() == [min(m, 6)] * 2
