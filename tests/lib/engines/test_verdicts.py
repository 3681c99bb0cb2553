"""One-token judgements: the probabilities of verdicts, by every engine that tells them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from scripts.lib.engines.base import Request, Run, Settings
from scripts.lib.engines.openai.server import Server
from scripts.lib.engines.registry import open_engine
from scripts.lib.engines.verdicts import weighed
from scripts.lib.labels.judgement import VERDICTS, read_verdict
from scripts.lib.models.prompts import PromptTemplate
from tests.support.loopback import Handler, Loopback


def test_a_verdict_s_spellings_are_one_and_other_words_are_none():
    told = weighed(
        [(" Yes", 0.5), ("yes", 0.2), ("NO.", 0.1), ("Maybe", 0.15), ("Yesterday", 0.05)], VERDICTS
    )
    assert json.loads(told) == {"no": 0.1, "yes": 0.7}


@pytest.mark.parametrize("tells", [True, False])
def test_a_server_is_asked_for_one_token_and_its_chances_unless_it_refuses_them(tells: bool):
    bodies: list[dict] = []

    class Answering(Handler):
        def do_POST(self) -> None:
            body = json.loads(self.content())
            bodies.append(body)
            if "logprobs" in body and not tells:
                error = {"message": "logprobs are not supported by this model", "code": "unsupported"}
                return self.send(400, {"error": error})
            tops = [{"token": t, "logprob": math.log(p)} for t, p in (("Yes", 0.75), ("No", 0.25))]
            choice = {"index": 0, "message": {"content": "Yes"}, "finish_reason": "length"}
            choice |= {"logprobs": {"content": [{"token": "Yes", "top_logprobs": tops}]}} if tells else {}
            usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
            return self.send(200, {"model": "m", "choices": [choice], "usage": usage})

    with Loopback(Answering) as server:
        template = PromptTemplate(Path("config/prompts/judge_yes_no.jinja"), True)
        run = Run(engine="openai")
        given = {"run": run, "server": Server(base_url=server.url), "verdicts": tuple(VERDICTS)}
        engine = open_engine("m", None, Settings(template, 1, **given))
        prompt = engine.render("1 + 1 ?", ["2"])
        requests = [Request("a", prompt, 0.0, 0, 1), Request("b", prompt, 0.0, 1, 2)]
        done = [each for part in engine.generate(requests, np.ones(2, bool)) for _, each in part]
    assert bodies[0]["max_tokens"] == 1 and bodies[0]["top_logprobs"] == 20
    assert [read_verdict(each.text) for each in done] == [3.75 if tells else 5.0] * 2
    assert {(each.finish_reason, each.num_tokens) for each in done} == {("stop", 1)}


def test_transformers_weighs_the_next_token(tiny):
    """Of prompts of several lengths together, as one by one, by the model's own logits."""
    import torch

    from scripts.lib.models.loading import load_causal, load_tokenizer

    template = PromptTemplate(Path("config/prompts/world.jinja"), False)
    run = Run(engine="transformers", dtype="float32", batch_size=2)
    engine = open_engine(str(tiny), None, Settings(template, 1, run=run, verdicts=tuple(VERDICTS)))
    questions = ["Ana has 3 pens .", "Bo has 4 .", "Ana has 5 pens . buys 2 . How many now ?"]
    prompts = [engine.render(question, []) for question in questions]
    requests = [
        Request(each.text, each, 0.0, 0, 0) for each in sorted(prompts, key=lambda each: len(each.ids))
    ]
    done = {r.key: each for part in engine.generate(requests, np.ones(3, bool)) for r, each in part}
    model, words = load_causal(str(tiny), None, dtype="float32", device="cpu"), load_tokenizer(str(tiny))
    for prompt in prompts:
        with torch.inference_mode():
            chances = model(input_ids=torch.tensor([prompt.ids])).logits[0, -1].softmax(-1)
        told = json.loads(done[prompt.text].text)
        expected = {str(n): float(chances[words.convert_tokens_to_ids(str(n))]) for n in range(6)}
        assert told == pytest.approx(expected, abs=2e-6) and done[prompt.text].num_tokens == 1
