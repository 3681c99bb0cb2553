"""How a model is read: weights, tokenizers, end tokens, and what rows are filled up with."""

from pathlib import Path

from scripts.lib.errors import UserError
from scripts.lib.models.identity import FETCHED

PADDING = 0
"""Fills rows up to one length. Any token would do: lengths and masks tell what is padding, never this token,
so a tokenizer's own padding token, which may be its end token or missing, plays no part."""


def unreadable() -> tuple[type[Exception], ...]:
    """What transformers raises for a model that is absent, cut off or of another kind."""
    from safetensors import SafetensorError

    return OSError, ValueError, SafetensorError


def load_tokenizer(model: str | Path, revision: str | None = None):
    """The model's tokenizer, which is saved as equal bytes wherever it was loaded from, and with
    HF_HUB_OFFLINE or without. Raises UserError when there is none."""
    from transformers import AutoTokenizer

    try:
        found = AutoTokenizer.from_pretrained(str(model), revision=revision, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises nothing more special
        raise UserError(
            f"no tokenizer can be read from {model} ({error}); a model folder holds its tokenizer beside "
            "its weights"
        ) from None
    for key in FETCHED:
        found.init_kwargs.pop(key, None)
    return found


def load_causal(
    model: str | Path, revision: str | None = None, *, dtype: str = "float32", device: str = "cpu"
):
    """The causal language model in `dtype` ("auto": as saved) on `device`, in evaluation mode.
    Safetensors only."""
    from transformers import AutoModelForCausalLM

    try:
        loaded = AutoModelForCausalLM.from_pretrained(
            str(model), revision=revision, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except unreadable() as error:
        raise UserError(
            f"no causal language model can be read from {model} ({error}); check the folder"
        ) from None
    return without_padding_token(loaded).to(device).eval()


def without_padding_token(model):
    """The model, all of whose tokens can learn: transformers gives the embedding of the padding token no
    gradient, and the padding token of many is their end token, which stands in prompts and answers."""
    from torch import nn

    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.padding_idx = None
    return model


def end_token_ids(tokenizer, generation_config=None) -> list[int]:
    """Every token that ends a completion: the tokenizer's EOS and those of the model's generation config
    (Llama 3 has three)."""
    named = getattr(generation_config, "eos_token_id", None)
    ids = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    ids.discard(None)
    if not ids:
        raise UserError("the tokenizer has no EOS token, so no completion would ever end; set eos_token")
    return sorted(ids)
