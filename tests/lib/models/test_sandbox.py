import json

import pytest

from scripts.lib.errors import UserError
from scripts.lib.models.sandbox import Source, render, tried

GIVEN = [{"question": "x"}]

MISTAKES = {
    "{{ 1 / 0 }}": "ZeroDivisionError",
    "{% include 'x' %}": "no loader",
    "{% import 'x' as y %}": "no loader",
    "{% extends 'x' %}": "no loader",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}": "RecursionError",
    "{{ question + 1 }}": "TypeError",
    "{% for i in range(10 ** 6) %}{% endfor %}": "OverflowError",
    "{{ 'x' * 10 ** 10 }}": "MemoryError",
    "{{ question.nope() }}": "has no attribute",
    "{{ question.__class__.__mro__ }}": "unsafe",
    "{{ raise_exception('no system') }}": "no system",
    "{% if %}": "not valid Jinja",
    "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}": "not valid Jinja: RecursionError",
}


def test_every_mistake_is_the_template_s_and_one_line():
    sources = tuple(Source(text, "template t", True) for text in MISTAKES)
    for renderings, (text, says) in zip(tried(sources, json.dumps(GIVEN)), MISTAKES.items(), strict=True):
        assert says in renderings[0].error and "template t" in renderings[0].error, text
        assert "\n" not in renderings[0].error


@pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{% include 'x' %}", "{{ question + 1 }}", "{% if %}"])
def test_here_too(text):
    with pytest.raises(UserError, match="^template t .*; mend the template$"):
        render(Source(text, "template t", True), GIVEN[0])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "more than 1 s"),
        ("{{ 'x' * 2000000 }}", "1,000,001 characters"),
    ],
)
def test_a_loop_and_a_long_text_end(text, says):
    good = Source("{{ question }}", "template good", True)
    with pytest.raises(UserError, match=f"^template bad .*{says}"):
        tried((good, Source(text, "template bad", True)), json.dumps(GIVEN))


def test_what_chat_templates_use_is_known():
    text = (
        "{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{% generation %}{{ m | tojson }}"
        "{% endgeneration %}{% endfor %}{{ strftime_now('%d %b %Y') }}{{ unknown }}"
    )
    given = {"messages": ["skipped", {"content": "<é>"}]}
    assert render(Source(text, "t", False), given) == ("", '{"content": "<é>"}26 Jul 2024')
