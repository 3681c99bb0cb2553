"""Tokens a CPU-second of our generator and of transformers' `generate`, on the world's student size,
one thread."""

import tempfile
import time
from pathlib import Path

from tests.support.tiny import tiny_model

ROWS, PROMPT, NEW, REPEAT = 512, 20, 48, 3


def main() -> None:
    """Print the medians and their ratio."""
    import torch
    from transformers import AutoModelForCausalLM

    from scripts.lib.models.generation import Batch, generate

    torch.set_num_threads(1)
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

    rates: dict[str, list[float]] = {"ours": [], "transformers": []}
    ours(), theirs()
    for _ in range(REPEAT):
        for name, run in (("ours", ours), ("transformers", theirs)):
            start = time.process_time()
            run()
            rates[name].append(ROWS * NEW / (time.process_time() - start))
    median = {name: sorted(found)[REPEAT // 2] for name, found in rates.items()}
    for name, rate in median.items():
        print(f"  {name:14}{rate:10,.0f} tokens per CPU-second")
    print(f"  ratio         {median['ours'] / median['transformers']:10.2f}")


if __name__ == "__main__":
    main()
