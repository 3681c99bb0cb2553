from scripts.lib.samples.settings import Sampling, SecondRound


def test_the_samples_of_the_papers_grids_count_the_greedy_one_once():
    assert (Sampling().samples, SecondRound().samples) == (16, 50)
    assert Sampling(temperatures=(0.0,), n=5).samples == 1
    assert Sampling(temperatures=(0.5,), n=5).samples == 5
