"""Train a small Llama from scratch on an embedded world's corpus: corpus, tokenizer -> a model folder.

A plain loop without checkpoints: at a hundred thousand parameters a trainer's start-up and book-keeping would
cost as much as the training, which takes a minute or two; killed, it starts again.
"""

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data import tables
from scripts.lib.data.files import whole_folder, write_json_lines, write_text
from scripts.lib.data.world import CORPUS
from scripts.lib.errors import UserError
from scripts.lib.models.prompts import PromptTemplate
from scripts.lib.models.settings import FromScratch
from scripts.lib.process.cli import cli
from scripts.lib.training.examples import completion_ids, prompt_ids
from scripts.lib.training.export import card
from scripts.lib.training.setup import quiet

if TYPE_CHECKING:
    import torch

MUON_FACTOR = 5.0
"""Muon's learning rate over AdamW's."""
WARMUP_STEPS, CLIP, LOG_EVERY, FIRST_TOKEN_WEIGHT = 20, 1.0, 20, 0.1


def order(rows: int, batch_size: int, steps: int, seed: int) -> Iterator[list[int]]:
    """Row numbers of each step's batch: shuffled passes, the last short batch of a pass left out."""
    rng = random.Random(seed)
    done = 0
    while done < steps:
        shuffled = rng.sample(range(rows), rows)
        for start in range(0, rows - batch_size + 1, batch_size):
            if done == steps:
                return
            yield shuffled[start : start + batch_size]
            done += 1


def batch(
    prompts: list[list[int]], completions: list[list[int]], pad: int
) -> "tuple[torch.Tensor, torch.Tensor]":
    """Token ids and labels, both int64 (rows, longest), padded right; labels are -100 on prompt and
    padding."""
    import torch

    rows = [prompt + completion for prompt, completion in zip(prompts, completions, strict=True)]
    ids = torch.full((len(rows), max(map(len, rows))), pad)
    labels = torch.full_like(ids, -100)
    for at, (prompt, row) in enumerate(zip(prompts, rows, strict=True)):
        ids[at, : len(row)] = torch.tensor(row)
        labels[at, len(prompt) : len(row)] = ids[at, len(prompt) : len(row)]
    return ids, labels


def optimizers(model, learning_rate: float) -> "list[torch.optim.Optimizer]":
    """Muon for the layers' matrices, AdamW for embeddings, head and norms.

    Measured on this corpus: careful solutions are right after 200 steps; with AdamW alone not after 360.
    """
    import torch

    from scripts.lib.training.muon import Muon

    matrices = [value for name, value in model.named_parameters() if value.ndim == 2 and ".layers." in name]
    rest = [value for name, value in model.named_parameters() if value.ndim != 2 or ".layers." not in name]
    return [
        Muon(matrices, lr=learning_rate * MUON_FACTOR),
        torch.optim.AdamW(rest, lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def token_weights(known: "torch.Tensor") -> "torch.Tensor":
    """Weights (rows, tokens) of the completions' tokens, where `known` (bool):
    one over the completion's length.

    Else the one token that a hasty answer stands or falls with would drown among the steps of the careful
    ones, and it would take three times as long to learn. The first token, which chooses the habit,
    weighs alike in all, so that the habits' shares are those of the corpus; a judgement is one token, which
    chooses no habit.
    """
    lengths = known.sum(1, keepdim=True)
    return (known / lengths).masked_fill(known & (known.cumsum(1) == 1) & (lengths > 2), FIRST_TOKEN_WEIGHT)


def scale(step: int, steps: int) -> float:
    """Share of the learning rate at `step`: a short linear warm-up, and a half cosine to 0."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * 0.5 * (1 + math.cos(math.pi * step / steps))


def train(
    model,
    prompts: list[list[int]],
    completions: list[list[int]],
    *,
    max_steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
    pad: int,
) -> list[dict]:
    """Minimise the negative log-likelihood of the completions. Returns a row of metrics every 20 steps.

    Right padding needs no attention mask: under causal attention no real token sees it.
    """
    from torch.nn.functional import cross_entropy
    from torch.nn.utils import clip_grad_norm_

    used = optimizers(model, learning_rate)
    groups = [(group, group["lr"]) for optimizer in used for group in optimizer.param_groups]
    rows = []
    model.train()
    for step, chosen in enumerate(order(len(prompts), batch_size, max_steps, seed)):
        for group, rate in groups:
            group["lr"] = rate * scale(step, max_steps)
        ids, labels = batch([prompts[i] for i in chosen], [completions[i] for i in chosen], pad)
        logits = model(input_ids=ids.to(model.device), use_cache=False).logits[:, :-1]
        labels = labels[:, 1:].to(model.device)
        losses = cross_entropy(logits.transpose(1, 2), labels, reduction="none")
        loss = (losses * token_weights(labels >= 0)).sum(1).mean()
        loss.backward()
        norm = clip_grad_norm_(model.parameters(), CLIP)
        for optimizer in used:
            optimizer.step()
            optimizer.zero_grad()
        if (step + 1) % LOG_EVERY == 0 or step + 1 == max_steps:
            rate = learning_rate * scale(step, max_steps)
            rows.append(
                {"step": step + 1, "loss": loss.item(), "grad_norm": norm.item(), "learning_rate": rate}
            )
    return rows


def main(
    corpus: Path,
    tokenizer: Path,
    prompt: Path,
    output: Path,
    metrics: Path,
    made: OmitArgPrefixes[FromScratch],
    chat: bool = True,
    seed: int = 0,
) -> None:
    """Train one model on its rows of the corpus.

    Args:
        corpus: CORPUS table: model, prompt, completion.
        tokenizer: folder of the world's tokenizer.
        prompt: prompt template file.
        output: model folder: safetensors, tokenizer, card.
        metrics: metrics.jsonl, one line every 20 steps.
        made: the model and its training; its role says which rows of the corpus.
        chat: put prompts through the chat template.
        seed: of the initial weights and of the order of examples.
    """
    quiet()
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from scripts.lib.models.loading import load_tokenizer

    rows = tables.read(corpus, CORPUS).filter(pl.col("model") == made.role)
    if rows.height < made.batch_size:
        raise UserError(
            f"{corpus} has {rows.height} rows for role {made.role}, fewer than a batch of {made.batch_size}"
        )
    words = load_tokenizer(tokenizer)
    none = {name: pl.lit([], dtype=tables.QUERIES[name]) for name in ("options", "shots")}
    questions = rows.select(pl.col("prompt").alias("question"), **none)
    ids = completion_ids(words, rows["completion"], pl.repeat("stop", rows.height, eager=True))
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=made.hidden_size,
        num_hidden_layers=made.num_hidden_layers,
        num_attention_heads=made.num_attention_heads,
        num_key_value_heads=made.num_attention_heads,
        intermediate_size=made.intermediate_size,
        max_position_embeddings=words.model_max_length,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
        tie_word_embeddings=False,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    model = LlamaForCausalLM(config).to("cuda" if torch.cuda.is_available() else "cpu")
    history = train(
        model,
        prompt_ids(words, PromptTemplate(prompt, chat), questions),
        [ids[row] for row in range(len(ids))],
        max_steps=made.max_steps,
        batch_size=made.batch_size,
        learning_rate=made.learning_rate,
        seed=seed,
        pad=words.pad_token_id,
    )
    settings: dict[str, object] = {
        "role": made.role,
        "max_steps": made.max_steps,
        "batch_size": made.batch_size,
        "seed": seed,
    }
    settings |= {"learning_rate": made.learning_rate, "optimizer": f"Muon x {MUON_FACTOR}, AdamW"}
    settings |= {"chat": chat}
    settings |= {"parameters": model.num_parameters()}
    with whole_folder(output) as draft:
        model.save_pretrained(draft)
        words.save_pretrained(draft)
        about = (
            "A Llama trained from scratch on the corpus of an embedded world: "
            "a positive control, of no other use."
        )
        text = card(
            f"Embedded world: {made.role}", about, "nothing", [corpus, prompt], settings, history[-1:]
        )
        write_text(text, draft / "README.md")
    write_json_lines(history, metrics)


if __name__ == "__main__":
    cli(main)
