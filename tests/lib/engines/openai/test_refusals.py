"""What servers say when they refuse (`refusals.jsonl`, as they say it), and what it is about."""

import json
from pathlib import Path

import pytest

from scripts.lib.engines.openai.refusals import Complaint

BODY = {
    "model": "big",
    "messages": [],
    "temperature": 0.7,
    "n": 4,
    "seed": 1,
    "max_tokens": 20,
    "stop": ["Q:"],
}
REFUSALS = [
    json.loads(line) for line in Path(__file__).with_name("refusals.jsonl").read_text("utf-8").splitlines()
]


def of(about):
    """Complaints of a kind, as parameters."""
    found = [row for row in REFUSALS if row["about"] == about]
    assert len(found) > 8
    return [pytest.param(Complaint.of(row["status"], row["body"]), id=str(row["body"])[:50]) for row in found]


@pytest.mark.parametrize("complaint", of("content_filter"))
def test_a_filtered_prompt_is_known_by_its_words(complaint):
    assert complaint.reason() == complaint.outcome(BODY, False) == "content_filter"


@pytest.mark.parametrize("complaint", of("length"))
def test_a_prompt_too_long_is_known_by_its_words(complaint):
    assert complaint.reason() == complaint.outcome(BODY, False) == "length" and not complaint.about_n()


@pytest.mark.parametrize("complaint", of("every request"))
def test_what_every_prompt_would_be_told_is_no_prompts_outcome(complaint):
    assert complaint.reason() is None and complaint.outcome(BODY, False) is None and not complaint.about_n()
    assert (complaint.outcome(BODY, True) is None) == (complaint.status not in (400, 422))


@pytest.mark.parametrize("complaint", of("n"))
def test_a_refusal_of_n_is_known_by_its_words(complaint):
    assert complaint.about_n()


def complain(message, status=400, **more):
    return Complaint.of(status, {"error": {"message": message} | more})


def test_words_that_name_nothing_are_about_the_prompt():
    assert complain("Bad Request").outcome(BODY, False) == "content_filter"
    assert Complaint.of(400, "no JSON").message == "no JSON"
    assert complain("context deadline exceeded", 500).reason() is None
    assert complain("rate limit: too many tokens", 429).reason() is None


def test_a_parameter_that_may_be_left_out_is_named():
    refused = complain("Unsupported value: 'temperature' does not support 0.7", param="temperature")
    assert refused.parameter(BODY) == "temperature"
    assert complain("`stop` is not allowed").parameter(BODY) == "stop"
    assert complain("`top_p` is not allowed").parameter(BODY) is None
