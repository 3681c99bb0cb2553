"""Tokens a CPU-second of our generator, one thread: against transformers' `generate` on the world's student
size, and with against without what prompts share, on the shape of a real model of 135 million weights."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from tests.bench.rows import tell
from tests.support.tiny import tiny_model

ROWS, PROMPT, NEW, REPEAT = 512, 20, 48, 3
REAL_ROWS, EXAMPLES, QUESTION, REAL_NEW = 16, 300, 30, 64
SMOLLM2 = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}


def rates(what: str, runs: dict[str, Callable[[], None]], tokens: int, repeat: int) -> None:
    """Tell the medians of the two."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeat):
        for name, run in runs.items():
            start = time.process_time()
            run()
            found[name].append(tokens / (time.process_time() - start))
    medians = [sorted(each)[repeat // 2] for each in found.values()]
    tell("Sampling by transformers", what, medians[0], "tokens/CPU s", list(runs)[1], medians[1])


def against_transformers() -> None:
    """The world's student; prompts of one length that share nothing."""
    import torch
    from transformers import AutoModelForCausalLM

    from scripts.lib.models.generation import Batch, generate

    with tempfile.TemporaryDirectory() as folder:
        model = AutoModelForCausalLM.from_pretrained(tiny_model(Path(folder) / "model", num_hidden_layers=3))
    model.eval()
    prompts = torch.randint(4, 40, (ROWS, PROMPT), generator=torch.Generator().manual_seed(0))

    def ours() -> None:
        generate(
            model,
            prompts.tolist(),
            list(range(ROWS)),
            temperature=0.7,
            max_tokens=NEW,
            eos_token_id=-1,
            batch=Batch(ROWS),
        )

    def theirs() -> None:
        with torch.inference_mode():
            model.generate(
                prompts,
                do_sample=True,
                temperature=0.7,
                top_k=0,
                max_new_tokens=NEW,
                min_new_tokens=NEW,
                pad_token_id=0,
            )

    ours(), theirs()
    rates("the world's student", {"ours": ours, "its own generate": theirs}, ROWS * NEW, REPEAT)


def shared_examples() -> None:
    """Three worked examples and a question; random weights in float32, of SmolLM2-135M's shape."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from scripts.lib.models import generation

    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(**SMOLLM2)).eval()
    ids = torch.randint(4, 49_152, (REAL_ROWS, EXAMPLES + QUESTION))
    ids[:, :EXAMPLES] = ids[0, :EXAMPLES]

    def run() -> None:
        generation.generate(
            model,
            ids.tolist(),
            list(range(REAL_ROWS)),
            temperature=0.7,
            max_tokens=REAL_NEW,
            eos_token_id=-1,
            batch=generation.Batch(REAL_ROWS),
        )

    def apart() -> None:
        with patch.object(generation, "_SHARED", EXAMPLES + QUESTION):
            run()

    what = f"SmolLM2-135M's shape, {EXAMPLES} of {EXAMPLES + QUESTION} prompt tokens shared"
    rates(what, {"run once": run, "run in every row": apart}, REAL_ROWS * REAL_NEW, 1)


def main() -> None:
    """Run both."""
    import torch

    torch.set_num_threads(1)
    against_transformers()
    shared_examples()


if __name__ == "__main__":
    main()
