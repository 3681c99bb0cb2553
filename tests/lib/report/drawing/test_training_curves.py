"""Training curves over seeds."""

from scripts.lib.report.drawing.training_curves import mean_series
from scripts.lib.report.numbers.curves import Log


def test_series_average_seeds_where_all_have_a_value():
    logs = [
        Log(
            "ours",
            0,
            [{"iteration": 1, "kl": 1.0}, {"iteration": 2, "kl": 2.0}, {"iteration": 3, "kl": None}],
        ),
        Log("ours", 1, [{"iteration": 1, "kl": 3.0}]),
        Log("rlvr", 0, [{"iteration": 1}]),
    ]
    (series,) = mean_series(logs, "kl", "iteration", variants=True)
    assert (series.name, series.css, list(series.points)) == ("Ours", "c-0", [(1, 2.0)])
    assert series.faint == [[(1, 1.0), (2, 2.0)], [(1, 3.0)]]
