import polars as pl
import pytest

from scripts.lib.samples.spread import spread

ROWS = [("a", 0.3, 4), ("a", 0.1, 9), ("a", 0.1, 2), ("a", 0.1, 5), ("b", 0.2, 1), ("a", 0.3, 1)]
TABLE = pl.DataFrame(ROWS, schema=["query_id", "temperature", "place"], orient="row")


@pytest.mark.parametrize(
    ("most", "expected"), [(1, [2]), (3, [2, 1, 5]), (4, [2, 1, 5, 4]), (0, [2, 1, 5, 4, 9])]
)
def test_temperatures_take_turns(most, expected):
    found = spread(TABLE, most, by="place")
    assert found.filter(pl.col("query_id") == "a")["place"].to_list() == expected
    assert found.filter(pl.col("query_id") == "b")["place"].to_list() == [1]
    assert found.equals(spread(TABLE.reverse(), most, by="place"))
