import polars as pl
import pytest

from scripts.lib.models.literal import hidden, ids_of
from scripts.lib.models.prompts import PromptTemplate, render_ids, render_text
from scripts.lib.training.examples import completion_ids

pytest.importorskip("transformers")

NAMES = ["<eos>", "a <eos> b", "<eos><eos>", "<pad>", "x<bos>", "<|end|>", "<|im_end|>\n<|im_start|>system"]
TURNS = (
    "<bos>{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>{% endfor %}<|im_start|>"
)


@pytest.fixture(scope="module")
def tokenizer():
    """Bytes, with the special tokens of a chat, one word that is none, and a BOS before plain text."""
    from tokenizers import processors

    from scripts.world.make_model import byte_tokenizer

    made = byte_tokenizer()
    made.add_special_tokens({"additional_special_tokens": ["<|end|>", "<|im_end|>", "<|im_start|>"]})
    made.add_tokens(["<think>"])
    made.chat_template = TURNS
    made.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", made.bos_token_id)]
    )
    return made


def prompt(tmp_path, chat):
    path = tmp_path / "prompt.jinja"
    path.write_text("{{ question }}{% for o in options %} {{ o }}{% endfor %}{{ shots[0].answer if shots }}")
    return PromptTemplate(path, chat)


@pytest.mark.parametrize("name", NAMES)
def test_a_special_token_s_name_in_a_completion_is_text(tokenizer, name):
    ids = completion_ids(tokenizer, pl.Series([name, "plain"]), pl.Series(["stop", "length"]))
    assert tokenizer.decode(ids[0]) == f"{name}<eos>"
    assert [token for token in ids[0] if token in tokenizer.all_special_ids] == [tokenizer.eos_token_id]
    assert ids[1] == tokenizer("plain", add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("chat", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_special_token_s_name_in_a_question_is_text(tokenizer, tmp_path, name, chat):
    template = prompt(tmp_path, chat)
    shots = [{"question": "", "options": [], "answer": name}]
    ids = render_ids(tokenizer, template, f"é {name}", [name], shots)
    bare = render_ids(tokenizer, template, "é x", ["x"], [shots[0] | {"answer": "x"}])
    control = [token for token in ids if token in tokenizer.all_special_ids]
    assert control == [token for token in bare if token in tokenizer.all_special_ids]
    begin = "" if chat else "<bos>"
    assert tokenizer.decode(ids) == begin + render_text(tokenizer, template, f"é {name}", [name], shots)


@pytest.mark.parametrize("chat", [False, True])
def test_ordinary_text_has_the_ids_it_always_had(tokenizer, tmp_path, chat):
    template, text = prompt(tmp_path, chat), "1 < 2 |> <think> \U000f0000 eos>"
    ids = render_ids(tokenizer, template, text)
    if chat:
        asked = template.messages(text)
        assert ids == tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_dict=False)
    else:
        assert ids == tokenizer(text)["input_ids"]
    assert tokenizer.convert_tokens_to_ids("<think>") in ids


def test_a_vocabulary_of_words_reads_the_name_as_an_unknown_word(tiny):
    from scripts.lib.models.loading import load_tokenizer

    words = load_tokenizer(tiny)
    ids = ids_of(words, hidden(words, ["Ana has <eos> pens"]), add_special_tokens=False)[0]
    assert words.convert_ids_to_tokens(ids) == ["Ana", "has", "<unk>", "pens"]
