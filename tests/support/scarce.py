"""A machine with little memory: forward passes of more tokens than it has room for fail as a GPU's would.

`python -m tests.support.scarce TOKENS RANK MODULE FLAGS` runs a step so, on the process of that rank only
("all": on every one).
"""

import importlib
import os
import sys


def ration(tokens: int, patch=setattr) -> list[int]:
    """Let Llama's forward passes of more than `tokens` tokens fail; returns the list that refused sizes are
    added to."""
    import torch
    from transformers.models.llama.modeling_llama import LlamaModel

    forward, refused = LlamaModel.forward, []

    def limited(self, input_ids=None, **keywords):
        if input_ids.numel() > tokens:
            refused.append(input_ids.numel())
            raise torch.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate room for {input_ids.numel()} tokens."
            )
        return forward(self, input_ids, **keywords)

    patch(LlamaModel, "forward", limited)
    return refused


if __name__ == "__main__":
    from scripts.lib.process.stop import restartable

    room, rank, module = sys.argv[1:4]
    sys.argv = [module, *sys.argv[4:]]
    if rank in ("all", os.environ.get("RANK", "0")):
        ration(int(room))
    restartable(importlib.import_module(module).main)
