"""Thoughts are told from replies in every form that models write; a text that speaks of a tag is whole."""

import time
from typing import NamedTuple

import polars as pl
import pytest

from scripts.lib.labels.judgement import read_score
from scripts.lib.models.thoughts import FORMS, HINTS, decoded, opens_thought, split_thought
from scripts.lib.tasks import task_of
from scripts.lib.tasks.bulk import read_answers

HARMONY = "<|channel|>analysis<|message|>{}<|end|><|start|>assistant<|channel|>final<|message|>{}"

THOUGHTS = [
    ("<think>\nIs it 5?\n</think>\n\n6", "Is it 5?", "6"),
    ("\n <THINK>Is it 5?</THINK>6", "Is it 5?", "6"),
    ("Is it 5?\n</think>\n\n6", "Is it 5?", "6"),
    ("Is it 5? </think> <answer>6</answer>", "Is it 5?", "<answer>6</answer>"),
    ("<think>\n\n</think>\n\n6", None, "6"),
    ("</think>\n\n6", None, "6"),
    ("[THINK]Is it 5?[/THINK]6", "Is it 5?", "6"),
    ("<thinking>Is it 5?</thinking>\n<answer>6</answer>", "Is it 5?", "<answer>6</answer>"),
    ("<thought>\nIs it 5?</thought>\n6", "Is it 5?", "6"),
    ("<seed:think>Is it 5?</seed:think>6", "Is it 5?", "6"),
    ("<longcat_think>Is it 5?</longcat_think>\n6", "Is it 5?", "6"),
    ("◁think▷Is it 5?◁/think▷6", "Is it 5?", "6"),
    ("<|START_THINKING|>Is it 5?<|END_THINKING|><|START_RESPONSE|>6<|END_RESPONSE|>", "Is it 5?", "6"),
    ("<|begin_of_thought|>a<|end_of_thought|>\n\n<|begin_of_solution|>\n6<|end_of_solution|>", "a", "6"),
    ("<|inner_prefix|>Is it 5?<|inner_suffix|>6", "Is it 5?", "6"),
    ("<|channel>thought\nIs it 5?<channel|>6", "Is it 5?", "6"),
    (HARMONY.format("Is it 5?", "6<|return|>"), "Is it 5?", "6"),
    ("<|start|>assistant" + HARMONY.format("a", "6"), "a", "6"),
    ("<|channel|>commentary<|message|>b<|end|><|start|>assistant" + HARMONY.format("a", "6"), "b\n\na", "6"),
    ("<|channel|>final <|constrain|>json<|message|>6<|return|>", None, "6"),
    ("Is it 5?" + HARMONY[32:].format("6"), "Is it 5?", "6"),
    ("analysisIs it 5?assistantfinal6", "Is it 5?", "6"),
    ("assistantanalysis2 + 4 is 6.assistantfinal6", "2 + 4 is 6.", "6"),
    ("<think>a</think>\n<think>b</think>\n6", "a\n\nb", "6"),
    ("<think>a</think>Maybe 5.\n<think>b</think>\n6", "a\n\nMaybe 5.\n\nb", "6"),
    ("<think>I end it with `</think>`. Is it 5?</think>6", "I end it with `</think>`. Is it 5?", "6"),
    ("<think>He says 'no'</think>'No', he says.", "He says 'no'", "'No', he says."),
    ("<think>Is it `5`?</think>`6`", "Is it `5`?", "`6`"),
    ("<think>So `6`</think>`6`", "So `6`", "`6`"),
    ("a</think>b</think>6", "a\n\nb", "6"),
]
PLAIN = [
    "The answer is 6.",
    "",
    "Close it with `</think>`, then the answer is 6.",
    'The "</think>" ends a thought.',
    "先用“</think>”，再答 6",
    "The </think> tag ends a thought.",
    "<think> tags open a thought.",
    "A thought stands in <think>...</think>. The answer is 6.",
    "```\n<think>\n```\nends with </think>",
    "<reasoning>2 + 4 = 6</reasoning><answer>6</answer>",
    "analysis of the data gives 6",
    "Analysis: 6",
    "analysis: 6",
    "gpt-oss writes <|channel|>final<|message|> before its reply.",
    "[THINKING about it] 6",
]
CUT_OFF = [
    "<think>\nThe answer is 5. But",
    "[THINK]The answer is 5",
    "◁think▷The answer is 5",
    "<think>a</think>\n<think>The answer is 5",
    "<|channel|>analysis<|message|>The answer is 5",
    "<|channel|>analysis<|message|>The answer is 5<|end|><|start|>assistant<|channel|>commentary<|message|>x",
    "analysisThe answer is 5",
]


@pytest.mark.parametrize(("text", "thought", "reply"), THOUGHTS)
def test_a_thought_is_told_from_the_reply(text, thought, reply):
    parts = split_thought(text)
    assert (parts.reasoning, parts.reply, parts.closed) == (thought, reply, True)
    assert text[parts.start :].startswith(reply)
    assert split_thought(reply).reply == reply
    found = read_answers("numeric", pl.Series([text]))["answer"][0]
    assert found == read_answers("numeric", pl.Series([reply]))["answer"][0]


@pytest.mark.parametrize("text", PLAIN)
def test_a_text_that_speaks_of_a_tag_is_whole(text):
    assert split_thought(text) == (None, text, True, 0)


@pytest.mark.parametrize("text", CUT_OFF)
def test_a_thought_that_was_cut_off_has_no_reply(text):
    parts = split_thought(text)
    assert (parts.reply, parts.closed) == ("", False) and parts.reasoning
    for task in ("numeric", "gsm_plus", "choice", "math", "exact", "open"):
        assert task_of(task).read(text, ("a", "b"), "length")[:2] == (None, "truncated")
        assert task_of(task).read(text, ("a", "b"))[0] is None
    assert read_score(text.replace("The answer is 5", "Score: 5"), "length")[:2] == (None, "truncated")


def test_a_prompt_may_open_the_thought():
    assert opens_thought("<|Assistant|><think>\n") and opens_thought("assistant\n<think>")
    assert opens_thought("<|start|>assistant<|channel|>analysis<|message|>")
    assert not opens_thought("assistant\n<think>\n\n</think>\n\n") and not opens_thought(
        "Say <think> or not."
    )
    assert split_thought("Is it 5?", opened=True) == ("Is it 5?", "", False, 8)
    assert split_thought("Is it 5?</think>6", opened=True)[:3] == ("Is it 5?", "6", True)
    assert split_thought("\n<think>Is it 5?</think>6", opened=True)[:3] == ("Is it 5?", "6", True)
    assert split_thought("Is it 5?" + HARMONY[32:].format("6"), opened=True)[:3] == ("Is it 5?", "6", True)


class AddedToken(NamedTuple):
    content: str
    special: bool

    def __str__(self):
        return self.content


class Tokens:
    """A tokenizer of words; the end token and those named are special."""

    def __init__(self, *special):
        self.words = ["a", "b", "<think>", "</think>", "[THINK]", "[/THINK]", "<eos>"]
        added = [AddedToken(word, word in (*special, "<eos>")) for word in self.words]
        self.added_tokens_decoder = dict(enumerate(added))

    def batch_decode(self, rows, skip_special_tokens, **_):
        special = {at for at, token in self.added_tokens_decoder.items() if token.special}
        hidden = special if skip_special_tokens else ()
        texts = ["".join(self.words[at] for at in row if at not in hidden) for row in rows]
        return texts or [""]  # as transformers says of no rows


@pytest.mark.parametrize(
    ("special", "said", "text"),
    [
        ((), "<think> a </think> b <eos>", "<think>a</think>b"),
        (("<think>", "</think>"), "<think> a </think> b <eos>", "<think>a</think>b"),
        (("[THINK]", "[/THINK]"), "[THINK] a [/THINK] b <eos>", "[THINK]a[/THINK]b"),
        (("[THINK]", "[/THINK]"), "a b <eos>", "ab"),
    ],
)
def test_special_tokens_of_thoughts_stay_in_the_text(special, said, text):
    tokens = Tokens(*special)
    assert decoded(tokens, [[tokens.words.index(word) for word in said.split()]]) == [text]


def test_every_form_has_its_hint():
    for opening, closing in FORMS.items():
        for tag in (opening, closing):
            assert any(hint in tag for hint in HINTS), tag
        parts = split_thought(f"{opening}a{closing}6")
        assert (parts.reasoning, parts.reply) == ("a", "6")


@pytest.mark.parametrize(
    "shape",
    [*FORMS, *FORMS.values(), "x</think>", "\n<think>a</think>\nb", "`</think>`", "<|channel|>", "analysis"]
    + ["<|end|><|start|>assistant", "<|channel|>final", "assistantfinal", " ", "\n", "<"],
)  # fmt: skip
def test_time_is_linear(shape):
    def seconds(n):
        texts = [start + shape * n for start in ("", "<think>", "x", "analysis", "<|channel|>")]
        times = []
        for _ in range(3):
            began = time.process_time()
            for text in texts:
                split_thought(text)
                split_thought(text, opened=True)
            times.append(time.process_time() - began)
        return min(times)

    assert seconds(8_000) < 24 * seconds(1_000) + 0.02


def test_no_rows_are_no_texts():
    """Of a rollout in which no response has an answer none is asked for."""
    assert decoded(Tokens(), []) == []
