"""Who is asked again: every query whose vote has no winner, or one of too small a share."""

from scripts.label.find_unsure import main
from scripts.lib.data.tables import IDS, read
from tests.support.samples import samples, stated


def test_find_unsure_is_the_complement(tmp_path):
    rows = [(query, text) for query, votes in (("a", "9999999222"), ("b", "9999992222"), ("c", "8888899999"),
        ("d", "----------"))
            for text in stated(votes)]  # fmt: skip
    file = samples(tmp_path / "s.parquet", rows)
    main(file, "numeric", tmp_path / "unsure.parquet")
    assert read(tmp_path / "unsure.parquet", IDS)["query_id"].to_list() == ["b", "c", "d"]


def test_the_limit_is_its_own(tmp_path):
    file = samples(tmp_path / "s.parquet", [("a", text) for text in stated("9999992222")])
    main(file, "numeric", tmp_path / "unsure.parquet", below=0.6)
    assert read(tmp_path / "unsure.parquet", IDS).is_empty()
