"""A reason that a server states becomes one of four, or the completion is asked for again."""

import pytest

from scripts.lib.engines.openai.replies import UNKNOWN, read_choice, reason_of

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
