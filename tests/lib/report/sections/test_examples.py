"""The choice of examples and the shortening of texts."""

from scripts.lib.report.sections.examples import pick, shorten


def test_one_of_each_group_in_turn_and_none_twice():
    groups = [("a", ["q1", "q2", "q3"]), ("b", ["q1", "q9"]), ("c", [])]
    chosen = pick(groups, 4)
    assert [group for group, _ in chosen][:2] == ["a", "b"]
    assert len({query_id for _, query_id in chosen}) == len(chosen) == 4
    assert pick(groups, 4) == pick([(name, list(reversed(list(ids)))) for name, ids in groups], 4)
    assert len(pick(groups, 99)) == 4


def test_long_texts_say_how_long_they_were():
    assert shorten(" short ") == "short"
    assert shorten("x" * 1_500, 10) == "x" * 10 + " … (1,500 characters)"
