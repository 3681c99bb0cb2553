"""How a model is read: weights, tokenizers, end and padding tokens."""

from pathlib import Path

from scripts.lib.errors import UserError

_PADS = ("<|finetune_right_pad_id|>", "<pad>", "[PAD]", "<|pad|>", "<|padding|>", "<PAD>")


def load_tokenizer(model: str | Path, revision: str | None = None):
    """The model's tokenizer. Raises UserError when there is none."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(model), revision=revision, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no tokenizer can be read from {model} ({error}); a model folder holds its tokenizer beside "
            "its weights"
        ) from None


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
    except (OSError, ValueError) as error:
        raise UserError(
            f"no causal language model can be read from {model} ({error}); check the folder"
        ) from None
    return loaded.to(device).eval()


def end_token_ids(tokenizer, generation_config=None) -> list[int]:
    """Every token that ends a completion: the tokenizer's EOS and those of the model's generation config
    (Llama 3 has three)."""
    named = getattr(generation_config, "eos_token_id", None)
    ids = set(named if isinstance(named, list) else [named]) | {tokenizer.eos_token_id}
    ids.discard(None)
    if not ids:
        raise UserError("the tokenizer has no EOS token, so no completion would ever end; set eos_token")
    return sorted(ids)


def pad_token_id(tokenizer) -> int:
    """A padding token that is its own: never EOS, which training would mask and reward models would misread.

    Takes the tokenizer's, else a reserved one of the vocabulary (Llama 3:
    `<|finetune_right_pad_id|>`), else raises.
    """
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id != tokenizer.eos_token_id:
        return tokenizer.pad_token_id
    vocabulary = tokenizer.get_vocab()
    for token in _PADS:
        if token in vocabulary and vocabulary[token] != tokenizer.eos_token_id:
            return vocabulary[token]
    raise UserError(
        "the tokenizer has no padding token other than EOS; set pad_token in its tokenizer_config.json to a "
        "reserved token"
    )
