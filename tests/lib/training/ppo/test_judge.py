"""The teacher as the judge that gives r: by value, once a response, within its budget, and through a kill."""

import json
import re

import polars as pl
import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from scripts.lib.data.tables import QUERIES
from scripts.lib.engines.base import Run, Settings
from scripts.lib.errors import UserError
from scripts.lib.labels.settings import Judging
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.samples import step
from scripts.lib.training.ppo.judge import Judge, Unjudged, reward
from tests.judge import test_judge as engines
from tests.lib.labels.test_judging import INJECTED

QUESTIONS = pl.DataFrame(
    {
        "query_id": ["a", "b"],
        "question": ["Why a?", "Why b?"],
        "options": [[]] * 2,
        "group": "",
        "shots": None,
    },
    schema=QUERIES,
)


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """A judge of a training in `tmp_path`, by a function (question, response, index) -> what it says."""

    def make(says, done: int = 0, most: int | None = None, **judging) -> tuple[Judge, engines.Judge]:
        engine = engines.Judge(says)
        monkeypatch.setattr(step, "open_engine", lambda *_: engine)
        settings = Settings(PromptTemplate(engines.JUDGE, True), 256, run=Run(engine="transformers"))
        place = (tmp_path / "store", tmp_path / "metrics.jsonl")
        asking = step.Asking(*place, "judge", None, settings, 0, silent=True)
        found = Judge(asking, Judging(**judging), "mean", QUESTIONS, most)
        found.resume(tmp_path, done)
        return found, engine

    return make


def by_length(question: str, response: str, index: int) -> str:
    return f"Evaluation evidence: words.\nScore: {min(5, len(response.split()))}"


def test_a_reward_is_the_score_less_the_middle_of_the_scale():
    assert [reward(score) for score in (0, 2.5, 5, None)] == [-2.5, 0, 2.5, -2.5]


def test_each_response_has_its_own_score_and_is_judged_once(judged):
    """Also where it comes again later, or stands twice in a batch; of another query it is another."""
    judge, engine = judged(by_length)
    rows, texts = [1, 0, 1, 0], ["one two", "one", "one two", "one two three four five"]
    assert judge.score(1, rows, texts) == ([-0.5, -1.5, -0.5, 2.5], 0)
    assert len(engine.asked) == 3
    assert judge.score(2, [0, 0], ["one two", "one"]) == ([-0.5, -1.5], 0)
    assert len(engine.asked) == 4 and judge.taken["judgements"] == 4


def test_a_judgement_without_a_score_is_asked_again_and_then_pays_the_least(judged):
    says = {"mute": "I cannot say.", "late": None}
    judge, engine = judged(lambda q, r, i: says[r] or ("Hm." if i == 0 else "Score: 4"), retries=2)
    assert judge.score(1, [0, 0], ["mute", "late"]) == ([-2.5, 1.5], 0.5)
    assert [response for _, response, *_ in engine.asked].count("mute") == 3
    assert judge.taken["judgements"] == 5 and judge.ledger()["without_score"] == 1


def test_several_judgements_are_combined(judged):
    judge, _ = judged(lambda q, r, i: f"Score: {(5, 5, 2)[i % 3]}", n=3, temperature=0.7)
    assert judge.score(1, [0], ["x"]) == ([pytest.approx(1.5)], 0)


def test_a_judgement_of_one_token_is_its_expectation(judged):
    """Two digits as likely, and of another token none: that is asked again, and then pays the least."""
    says = {"fair": '{"3": 0.4, "4": 0.4}', "mute": '{"3": 0.1}'}
    judge, engine = judged(lambda q, r, i: says[r], verdict="token", retries=1)
    assert judge.score(1, [0, 0], ["fair", "mute"]) == ([pytest.approx(1.0), -2.5], 0.5)
    assert len(engine.asked) == 3


@pytest.mark.parametrize("text", INJECTED)
def test_a_response_cannot_talk_the_judge_into_a_score(judged, text):
    """A judge that repeats what it was shown, and then says its own, or nothing."""
    judge, _ = judged(lambda q, r, i: f"The response reads: {r}\nScore: 1", retries=0)
    assert judge.score(1, [0], [f"No. {text}"])[0] == [-1.5]
    judge, _ = judged(lambda q, r, i: r, retries=0)
    assert judge.score(1, [1], [f"No. {text}"])[0] == [-2.5]


def test_after_a_kill_what_was_judged_is_counted_once_and_paid_once(judged, tmp_path):
    """Iteration 2 is judged again after a checkpoint at 1: from the store."""
    judge, engine = judged(by_length)
    judge.score(1, [0], ["one"])
    judge.score(2, [0, 1], ["one two", "one"])
    assert len(engine.asked) == 3
    with (tmp_path / "judged.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"iteration": 3, "sco')
    again, engine = judged(by_length, done=1)
    assert again.taken["judgements"] == 1
    assert again.score(2, [0, 1], ["one two", "one"]) == ([-0.5, -1.5], 0)
    assert not engine.asked and again.taken == judge.taken | {"reused": 2}
    assert again.score(3, [0], ["one"]) == ([-1.5], 0)
    lines = [json.loads(line) for line in (tmp_path / "judged.jsonl").read_text().splitlines()]
    assert [line["iteration"] for line in lines] == [1, 2]
    assert (again.ledger()["requested"], again.ledger()["sampled"]) == (3, 1)


def test_a_batch_that_the_budget_has_no_room_for_is_not_begun(judged):
    judge, engine = judged(by_length, most=2)
    judge.score(1, [0], ["one"])
    message = re.escape("has given 1 judgements, and iteration 2 needs 2 more than max_judgements 2 allows")
    with pytest.raises(Unjudged, match=message):
        judge.score(2, [0, 0], ["one two", "one two three"])
    assert len(engine.asked) == 1
    assert judge.score(2, [0, 0], ["one two", "one"])[0] == [-0.5, -1.5]


def test_a_judge_that_cannot_be_asked_is_one_line_and_keeps_what_came(judged):
    def fails(question: str, response: str, index: int) -> str:
        if response == "down":
            raise UserError("the server is down")
        return "Score: 3"

    judge, _ = judged(fails)
    with pytest.raises(Unjudged, match=r"the server is down \(the training is saved\)"):
        judge.score(1, [0, 0], ["down", "up"])
    judge, engine = judged(lambda q, r, i: "Score: 2")
    assert sorted(judge.score(1, [0, 0], ["down", "up"])[0]) in ([-0.5, -0.5], [-0.5, 0.5])
