import json
from types import SimpleNamespace

import pytest

from scripts.lib.errors import UserError
from scripts.lib.models.chat import Takes, chat_template, told_template
from scripts.lib.models.thoughts import split_thought

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
)
ONLY_USERS = "{% for m in messages if m.role == 'user' %}[{{ m.content }}]{% endfor %}"
PARTS = "{% for m in messages %}{{ m.role }}:{% for c in m.content %}{{ c.text }}{% endfor %};{% endfor %}"
EITHER = (
    "{% for m in messages %}{% if m.content is string %}{{ m.content }}{% else %}{{ m.content[0].text }}"
    "{% endif %}|{% endfor %}"
)
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Why?"}


def tokenizer(template, name="some/model"):
    return SimpleNamespace(chat_template=template, name_or_path=name, special_tokens_map={"bos_token": "<s>"})


@pytest.mark.parametrize(
    ("template", "takes", "text"),
    [
        (
            "{{ bos_token }}" + CHATML,
            Takes(True, False),
            "<s><|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
            "<|im_start|>assistant\n",
        ),
        (
            NO_SYSTEM + CHATML,
            Takes(False, False),
            "<|im_start|>user\nBe brief.\n\nWhy?<|im_end|>\n<|im_start|>assistant\n",
        ),
        (ONLY_USERS, Takes(False, False), "[Be brief.\n\nWhy?]"),
        (PARTS, Takes(True, True), "system:Be brief.;user:Why?;"),
        (NO_SYSTEM + PARTS, Takes(False, True), "user:Be brief.\n\nWhy?;"),
        (EITHER, Takes(True, False), "Be brief.|Why?|"),
    ],
)
def test_a_template_is_given_what_it_takes(template, takes, text):
    chat = chat_template(tokenizer(template))
    assert chat.takes == takes
    assert chat.text([SYSTEM, USER]) == text


ASK = "<|user|>{{ messages[0].content }}<|assistant|>"
QWEN = ASK + (
    "{% if messages | length > 1 %}<think>\n{{ messages[1].reasoning_content }}\n</think>\n\n"
    "{{ messages[1].content }}<|end|>{% endif %}"
)
OPENED = ASK + (
    "<think>\n{% if messages | length > 1 %}{{ messages[1].reasoning_content }}\n</think>\n"
    "{{ messages[1].content }}{% endif %}"
)
CHANNELS = "<|channel|>analysis<|message|>Is it 5?<|end|><|start|>assistant<|channel|>final<|message|>6"
HARMONY = ASK + (
    "{% if messages | length > 1 %}<|channel|>analysis<|message|>{{ messages[1].thinking }}<|end|><|start|>"
    "assistant<|channel|>final<|message|>{{ messages[1].content }}{% endif %}"
)
DROPPED = ASK + "<think>\n{% if messages | length > 1 %}{{ messages[1].content }}{% endif %}"


@pytest.mark.parametrize(
    ("template", "both", "reply"),
    [
        (QWEN, "<think>\nIs it 5?\n</think>\n\n6", "6"),
        (OPENED, "Is it 5?\n</think>\n6", "\n</think>\n6"),
        (HARMONY, CHANNELS, "6"),
        (DROPPED, "Is it 5?\n</think>\n\n6", "\n</think>\n\n6"),
        (CHATML, "<think>\nIs it 5?\n</think>\n\n6", "6"),
        (PARTS, "<think>\nIs it 5?\n</think>\n\n6", "6"),
        (ONLY_USERS, "<think>\nIs it 5?\n</think>\n\n6", "6"),
        (ASK + "{{ 1 // (2 - messages | length) }}",
         "<think>\nIs it 5?\n</think>\n\n6", "6"),
    ],
)  # fmt: skip
def test_a_thought_is_written_as_the_template_shows_it(template, both, reply):
    form = chat_template(tokenizer(template)).thought
    assert (form.written("Is it 5?", "6"), form.written(None, "6")) == (both, reply)
    assert split_thought(both, form.opened)[:3] == ("Is it 5?", "6", True)
    assert split_thought(reply, form.opened).reply == "6"


def test_that_the_system_text_moves_is_said_once(capsys):
    chat = chat_template(tokenizer(NO_SYSTEM + "{{ messages[0].content }}!", "other/model"))
    chat.text([USER])
    assert capsys.readouterr().err == ""
    chat.text([SYSTEM, USER])
    chat.text([SYSTEM, USER])
    assert capsys.readouterr().err.count("shows no system message") == 1


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("assistant:", "lacks the question"),
        ("{% for m in messages %}{{ m.role }}{% endfor %}", "lacks the question"),
        ("{{ raise_exception('never') }}", "never"),
        ("{% for m in messages %}", "not valid Jinja"),
        ("{{ messages[0].content + 1 }}", "TypeError"),
        ("{{ strftime_now(1) }}{{ messages[0].content }}", "TypeError"),
        (None, "no chat template"),
        ({"tool_use": "{{ messages[0].content }}"}, "no chat template"),
    ],
)
def test_a_template_without_the_question_is_one_line(template, says):
    with pytest.raises(UserError, match=says) as stopped:
        chat_template(tokenizer(template)).text([USER])
    assert "some/model" in str(stopped.value) and "\n" not in str(stopped.value)


def test_of_several_templates_the_default_is_taken():
    named = {"default": "d {{ messages[0].content }}", "rag": "r"}
    assert chat_template(tokenizer(named)).text([USER]) == "d Why?"


@pytest.mark.parametrize("template", ["{{ bos_token }}" + CHATML, EITHER])
def test_the_text_is_transformers_own(tiny, template):
    from scripts.lib.models.loading import load_tokenizer

    theirs = load_tokenizer(tiny)
    theirs.chat_template = template
    asked = [SYSTEM, USER]
    expected = theirs.apply_chat_template(asked, tokenize=False, add_generation_prompt=True)
    assert chat_template(theirs).text(asked) == expected


@pytest.mark.parametrize(
    ("tokens", "map_", "given", "told"),
    [
        ({"bos_token": "<s>"}, None, {}, True),
        ({"bos_token": {"content": "<s>"}}, {"bos_token": "<s>"}, {}, True),
        ({"bos_token": "<s>"}, {"bos_token": {"content": "<b>"}}, {}, False),
        ({"bos_token": None}, {"bos_token": "<s>"}, {}, False),
        ({}, None, {}, False),
        ({}, None, {"bos_token": "<s>"}, True),
        ({"bos_token": "<s>", "pad_token": "a"}, {"pad_token": "b"}, {}, True),
    ],
)
def test_files_tell_a_template_whose_special_tokens_they_agree_on(tmp_path, tokens, map_, given, told):
    text = "{{ bos_token }}" + CHATML
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(tokens | {"chat_template": text}))
    if map_ is not None:
        (tmp_path / "special_tokens_map.json").write_text(json.dumps(map_))
    found = told_template(tmp_path, "some/model", given)
    assert (found is not None) == told
    if found:
        assert found.text([USER]) == chat_template(tokenizer(text)).text([USER])
