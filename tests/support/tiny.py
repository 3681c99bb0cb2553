"""A tiny random Llama and a word-level tokenizer on disk: what the tests that need a model share."""

from pathlib import Path

CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ message['role'] }} : {{ message['content'] }} "
    "{% endfor %}{% if add_generation_prompt %}assistant :{% endif %}"
)


def tiny_tokenizer(chat: bool = True):
    """Words, the numbers 0 to 20 and a little punctuation; adds BOS; ids 0 to 3 are pad, bos, eos, unk."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<bos>", "<eos>", "<unk>"]
    words = ["Ana", "Bo", "has", "buys", "loses", "pens", "cups", "How", "many", "now", "The", "answer", "is"]
    words += ["Step", "user", "assistant", "?", ".", ":", "+", "-", "="]
    vocabulary = {word: i for i, word in enumerate(special + words + [str(n) for n in range(21)])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        unk_token="<unk>",
        model_max_length=256,
    )
    if chat:
        tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def tiny_model(folder: Path, *, seed: int = 0, chat: bool = True, **config) -> Path:
    """Save a random Llama (hidden 64, 2 layers, 2 heads of 32) with its tokenizer under `folder`;
    returns the folder.

    `config` overrides LlamaConfig's arguments. Large initial weights make its samples short and varied.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = tiny_tokenizer(chat)
    torch.manual_seed(seed)
    settings = {
        "vocab_size": len(tokenizer),
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "max_position_embeddings": 256,
        "initializer_range": 0.3,
        "pad_token_id": 0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "tie_word_embeddings": False,
    }
    model = LlamaForCausalLM(LlamaConfig(**(settings | config)))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Path(folder)
