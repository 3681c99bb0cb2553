"""A model that some step could not use is one line, whatever it lacks."""

import json
import shutil

import pytest

from scripts.lib.errors import UserError
from scripts.sample.check_models import check

QUESTION = {"question": "How many pens has Ana now ?", "options": [], "shots": []}


def trial(folder, **more):
    return {
        "where": "students.s",
        "folder": str(folder),
        "prompting": {"chat": True},
        "prompt": "config/prompts/question.jinja",
        "asked": "datasets.d",
        "max_tokens": 200,
        "max_model_len": None,
        "questions": [QUESTION],
        "rewards": True,
    } | more


def edited(tiny, tmp_path, file, **settings):
    """A copy of a model with settings of one of its files replaced, or without the file."""
    folder = shutil.copytree(tiny, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | settings)) if settings else path.unlink()
    return folder


def test_a_model_that_can_be_used_says_nothing(tiny):
    check(trial(tiny))
    check(trial(tiny, prompting={"chat": False}, questions=[]))


@pytest.mark.parametrize(
    ("file", "settings", "says"),
    [
        ("tokenizer.json", {}, "no tokenizer can be read from"),
        ("tokenizer_config.json", {"eos_token": None}, "students.s: the tokenizer has no EOS token"),
        ("config.json", {"model_type": "nonesuch"}, "students.s: no model configuration can be read"),
        ("config.json", {"max_position_embeddings": 205}, "and the model takes 205; lower max_tokens"),
        ("config.json", {"vocab_size": 10}, "students.s: the tokenizer's token .* has no embedding"),
        ("config.json", {"model_type": "granite"}, "no reward model of the architecture granite"),
    ],
)
def test_what_a_model_lacks_is_one_line(tiny, tmp_path, file, settings, says):
    folder = edited(tiny, tmp_path, file, **settings)
    if "eos_token" in settings:
        (folder / "generation_config.json").unlink()
    with pytest.raises(UserError, match=says):
        check(trial(folder))


def test_the_engine_s_own_limit_counts(tiny):
    with pytest.raises(
        UserError, match=r"a prompt of datasets.d has \d+ tokens, up to 200 follow, .* takes 100;"
    ):
        check(trial(tiny, max_model_len=100))


def test_an_engine_is_not_given_more_than_the_model_takes(tiny, tmp_path):
    """vLLM would say so when it loads: the student's after the teacher has been paid."""
    with pytest.raises(
        UserError, match=r"students\.s\.max_model_len: 4096, and the model takes 256; lower it"
    ):
        check(trial(edited(tiny, tmp_path, "config.json", max_position_embeddings=256), max_model_len=4096))
