from pathlib import Path

import pytest

from scripts.lib.errors import UserError
from scripts.lib.models.prompting import Prompting
from scripts.lib.models.prompts import PromptTemplate, render_ids, render_text

PROMPTS = Path("config/prompts")


def template(tmp_path, text, chat=False):
    path = tmp_path / "prompt.jinja"
    path.write_text(text)
    return PromptTemplate(path, chat)


def test_the_gsm8k_prompt_is_figure_3():
    text = PromptTemplate(PROMPTS / "gsm8k.jinja", False).text("How many?")
    assert text.startswith("Q:\nThere are 15 trees in the grove.")
    assert text.count("Let's break this down step by step!") == 4
    assert text.endswith("The answer is 39.\n\nQ: How many?\nLet's break this down step by step!")


def test_the_mmlu_pro_prompt_letters_its_options():
    text = PromptTemplate(PROMPTS / "mmlu_pro.jinja", False).text("Which?", ["one", " two "])
    assert text.endswith(
        "Question: Which?\nOptions:\nA. one\nB. two\nAnswer:\nLet's break this down step by step!"
    )


def test_the_mmlu_pro_prompt_shows_worked_examples_as_figure_4():
    shots = [
        {
            "question": "Why?",
            "options": ["x", "y", "N/A"],
            "answer": "A: Let's think step by step. As x. The answer is (A).",
        },
        {"question": "How?", "options": ["u", "v"], "answer": "By v. The answer is (B)."},
    ]
    text = PromptTemplate(PROMPTS / "mmlu_pro.jinja", False).text("Which?", ["one", "two"], shots)
    begin = "Answer:\nLet's break this down step by step!"
    assert text == (
        f"Question: Why?\nOptions:\nA. x\nB. y\n{begin}\nAs x. The answer is (A).\n\n"
        f"Question: How?\nOptions:\nA. u\nB. v\n{begin}\nBy v. The answer is (B).\n\n"
        f"Question: Which?\nOptions:\nA. one\nB. two\n{begin}"
    )


def test_the_world_prompt_is_the_question():
    assert PromptTemplate(PROMPTS / "world.jinja", False).text("Ana has 7 pens .") == "Ana has 7 pens ."


def test_messages_hold_the_text(tmp_path):
    assert template(tmp_path, "Q: {{ question }}\n").messages("x") == [{"role": "user", "content": "Q: x"}]


def test_a_question_is_never_read_as_a_template(tmp_path):
    assert template(tmp_path, "{{ question }}").text("{{ 7 * 7 }} <b>") == "{{ 7 * 7 }} <b>"


@pytest.mark.parametrize(
    "text",
    [
        "{{ answer }}",
        "{% if %}",
        "{{ question.__class__.__mro__ }}",
        "{{ 1 / 0 }}",
        "{% include 'x' %}",
        "Answer the question.",
        "",
        "{% if options %}{{ options[0] }}{% else %}{{ question }}{% endif %}",
    ],
)
def test_a_wrong_template_is_one_clear_error(tmp_path, text):
    with pytest.raises(UserError, match="prompt.jinja"):
        template(tmp_path, text).text("x")


def test_a_template_that_is_not_utf_8_is_one_clear_error(tmp_path):
    (tmp_path / "prompt.jinja").write_bytes("é {{ question }}".encode("latin-1"))
    with pytest.raises(UserError, match="save it as UTF-8"):
        PromptTemplate(tmp_path / "prompt.jinja", False).text("x")


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        ('{% set stop = ["\\nQ:", "###"] %}\nQ: {{ question }}', ("\nQ:", "###")),
        ("{% set stop = [] %}{{ question }}", ()),
        ("{{ question }}", ()),
        ('{% set letters = ["A"] %}{{ question }}', ()),
    ],
)
def test_a_template_s_stop_strings_are_no_part_of_its_text(tmp_path, text, stops):
    prompt = template(tmp_path, text)
    assert prompt.stops == stops and "stop" not in prompt.text("x")
    assert Prompting(chat=False).template(prompt.path, ("own",)).stops == ("own",)
    assert Prompting(chat=False).template(prompt.path, ()).stops == ()


@pytest.mark.parametrize(
    "stop", ['= "Q:"', '= ["a" * 9]', '= [""]', "= [1]", '= "a".split()', "%}Q:{% endset"]
)
def test_stop_strings_are_written_out(tmp_path, stop):
    with pytest.raises(UserError, match="prompt.jinja: stop is a list of strings, written out"):
        template(tmp_path, "{% set stop " + stop + " %}{{ question }}").stops  # noqa: B018


def test_what_is_shipped_stops_where_the_next_question_would_begin():
    """Where answers to instructions may hold a question themselves, nothing stops them."""
    found = {path.stem: PromptTemplate(path, False).stops for path in PROMPTS.glob("*.jinja")}
    assert {name: stops for name, stops in found.items() if stops} == {
        "gsm8k": ("\nQ:",),
        "mmlu_pro": ("\nQuestion:",),
        "judge": ("\n<Question>:",),
    }


def test_a_model_s_system_message_stands_before_the_template_s(tmp_path):
    own = template(tmp_path, "{% set system %}Be brief.{% endset %}Q: {{ question }}").path
    told = Prompting(system="Think.")
    assert told.template(own).messages("x") == [
        {"role": "system", "content": "Think.\n\nBe brief."},
        {"role": "user", "content": "Q: x"},
    ]
    plain = template(tmp_path, "Q: {{ question }}").path
    assert told.template(plain).messages("x")[0] == {"role": "system", "content": "Think."}
    assert Prompting(chat=False, system="Think.").template(plain).text("x") == "Think.\n\nQ: x"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"chat": False, "chat_template_kwargs": {"x": 1}}, "needs a chat template; set chat: true"),
        ({"chat_template_kwargs": {"tokenize": True}}, r"chat_template_kwargs.tokenize is not for a config"),
        ({"chat_template_kwargs": {"chat_template": "{{ x }}"}}, "chat_template_kwargs.chat_template is not"),
        (
            {"chat_template_kwargs": {"effort": "--store"}},
            "'--store' beside others would be taken for a flag",
        ),
    ],
)
def test_what_no_chat_template_is_told_is_refused(given, said):
    with pytest.raises(UserError, match=said):
        Prompting(**given)


def test_an_absent_template_is_named(tmp_path):
    with pytest.raises(UserError, match="no.jinja does not exist"):
        PromptTemplate(tmp_path / "no.jinja", False).text("x")


@pytest.fixture
def tokenizer(tiny):
    from scripts.lib.models.loading import load_tokenizer

    return load_tokenizer(tiny)


def test_plain_ids_have_one_bos(tokenizer, tmp_path):
    ids = render_ids(tokenizer, template(tmp_path, "{{ question }}"), "Ana has 7 pens .")
    assert ids[0] == tokenizer.bos_token_id and ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.decode(ids[1:]) == "Ana has 7 pens ."


def test_chat_ids_are_the_chat_template_s_text(tokenizer, tmp_path):
    prompt = template(tmp_path, "{{ question }}", chat=True)
    text = render_text(tokenizer, prompt, "Ana has 7 pens .")
    assert text == "<bos>user : Ana has 7 pens . assistant :"
    assert render_ids(tokenizer, prompt, "Ana has 7 pens .") == tokenizer.encode(
        text, add_special_tokens=False
    )


@pytest.mark.parametrize("chat", [False, True])
def test_shots_are_shown_to_the_model_as_to_people(tokenizer, tmp_path, chat):
    shots = [{"question": "Ben has 3", "options": [], "answer": "3 ."}]
    each = "{% for shot in shots %}{{ shot.question }} {{ shot.answer }} {% endfor %}"
    prompt = template(tmp_path, each + "{{ question }}", chat)
    text = render_text(tokenizer, prompt, "Ana has 7 pens .", [], shots)
    assert "Ben has 3 3 . Ana has 7 pens ." in text
    ids = render_ids(tokenizer, prompt, "Ana has 7 pens .", [], shots)
    assert ids == tokenizer.encode(text, add_special_tokens=not chat)


def test_a_chat_template_sees_no_calendar(tokenizer, tmp_path):
    tokenizer.chat_template = "{{ strftime_now('%d %b %Y') }} {{ messages[0]['content'] }}"
    assert render_text(tokenizer, template(tmp_path, "{{ question }}", True), "Ana") == "26 Jul 2024 Ana"


def test_a_chat_template_is_told_its_arguments(tokenizer, tmp_path):
    tokenizer.chat_template = "{{ messages[0]['content'] }}{% if not thinking %} no think{% endif %}"
    path = template(tmp_path, "{{ question }}").path
    said = [
        render_text(tokenizer, Prompting(chat_template_kwargs={"thinking": on}).template(path), "Ana")
        for on in (True, False)
    ]
    assert said == ["Ana", "Ana no think"]


def test_chat_needs_a_chat_template(tokenizer, tmp_path):
    tokenizer.chat_template = None
    with pytest.raises(UserError, match="no chat template"):
        render_ids(tokenizer, template(tmp_path, "{{ question }}", True), "x")
