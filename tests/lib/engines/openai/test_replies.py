"""A reason that a server states becomes one of four, or the completion is asked for again."""

import pytest

from scripts.lib.engines.openai.bill import Tokens
from scripts.lib.engines.openai.replies import UNKNOWN, Choice, of_all, read_choice, reason_of

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
