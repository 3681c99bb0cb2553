"""A reason that a server states becomes one of four, or the completion is asked for again."""

import json
import math

import pytest

from scripts.lib.engines.openai.bill import Tokens
from scripts.lib.engines.openai.replies import UNKNOWN, Choice, as_verdict, of_all, read_choice, reason_of
from scripts.lib.labels.judgement import VERDICTS, read_verdict

STATED = {
    "stop": "stop STOP eos eos_token end_turn stop_sequence FinishReason.STOP finish_reason_stop",
    "length": "length max_tokens MAX_TOKENS max_output_tokens model_length model_context_window_exceeded "
    "FinishReason.MAX_TOKENS MODEL-LENGTH",
    "content_filter": "content_filter sensitive safety SAFETY recitation RECITATION PROHIBITED_CONTENT "
    "refusal guardrail_intervened content-filter",
    None: "error abort insufficient_system_resource network_error ERROR cancelled engine_overloaded",
    UNKNOWN: "tool_calls function_call other OTHER pause_turn tired_today stopped_early 7",
}


@pytest.mark.parametrize(
    ("ours", "stated"), [(ours, word) for ours in STATED for word in STATED[ours].split()]
)
def test_a_stated_reason_is_ours_or_unknown(ours, stated):
    assert reason_of(stated) == ours
    choice = {"message": {"content": "half a"}, "finish_reason": stated}
    assert read_choice(choice) == (None if ours is None else ("half a", ours, None))


def test_words_after_a_reason_are_left_out():
    assert reason_of("content_filter: PROHIBITED_CONTENT") == "content_filter"
    assert reason_of({"reason": "odd"}) == UNKNOWN


@pytest.mark.parametrize("stated", [None, ""])
def test_no_reason_is_none(stated):
    assert read_choice({"message": {"content": "a"}, "finish_reason": stated}) == ("a", None, None)


CUT, ENDED, EMPTY = Choice("a" * 40, "length"), Choice("b" * 20, "stop"), Choice("", "content_filter")


@pytest.mark.parametrize(
    ("total", "timings", "found", "all_of_it"),
    [
        (10, {"predicted_n": 10}, [CUT, CUT], 20),  # llama.cpp
        (5, {"predicted_n": 5}, [ENDED, ENDED, CUT], 20),
        (5, {"predicted_n": 5}, [ENDED, Choice("b" * 999, "stop")], 15),
        (10, None, [CUT, ENDED], 15),
        (5, None, [ENDED, CUT], 15),
        (10, {"predicted_n": 10}, [CUT], 10),
        (10, {"predicted_n": 5}, [ENDED, ENDED], 10),
        (20, {"predicted_n": 10}, [CUT, CUT], 20),
        (15, None, [CUT, ENDED], 15),
        (10, None, [ENDED, ENDED], 10),
        (10, None, [CUT, EMPTY], 10),
    ],
)
def test_a_count_of_the_first_choice_alone_becomes_one_of_all(total, timings, found, all_of_it):
    assert of_all(Tokens(7, total), timings, found, 10) == Tokens(7, all_of_it)


def test_a_server_s_likeliest_tokens_are_read_behind_a_chat_and_behind_a_text():
    tops = {"yes": math.log(0.8), " no": math.log(0.1), "x": math.log(0.1)}
    content = [{"token": "yes", "top_logprobs": [{"token": t, "logprob": p} for t, p in tops.items()]}]
    for raw in ({"logprobs": {"content": content}}, {"logprobs": {"top_logprobs": [tops]}}):
        choice = as_verdict(Choice("yes", "length"), raw, tuple(VERDICTS))
        assert choice.reason == "stop" and json.loads(choice.text) == {"no": 0.1, "yes": 0.8}


@pytest.mark.parametrize(
    "logprobs", [None, {}, [], {"content": []}, {"content": [3]}, {"top_logprobs": [None]}]
)
def test_where_a_server_tells_none_the_token_is_the_verdict(logprobs):
    assert as_verdict(Choice("4", "length"), {"logprobs": logprobs}, tuple(VERDICTS)) == Choice("4", "stop")


def test_a_model_cannot_write_its_own_chances():
    choice = as_verdict(Choice(' {"yes": 0.9}', "stop"), {}, tuple(VERDICTS))
    assert read_verdict(choice.text) is None and "yes" in choice.text
