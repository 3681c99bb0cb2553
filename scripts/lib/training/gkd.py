"""On-policy distillation with the teacher's logits (GKD, arXiv 2306.13649), evaluated by generated accuracy.

As TRL's GKDTrainer, but for what is drawn: which examples get an answer of the student's own, and each of its
tokens, follow from seed, update and example alone, so that a resumed training draws the same.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import kl_div, log_softmax
from torch.nn.utils.rnn import pad_sequence

from scripts.lib.data.hashing import mix
from scripts.lib.models.generation import Batch, generate, uniforms
from scripts.lib.models.loading import PADDING
from scripts.lib.training.batches import LengthGrouped
from scripts.lib.training.examples import Answers
from scripts.lib.training.loop import Measured
from scripts.lib.training.settings.gkd import GkdTraining


@dataclass(frozen=True)
class Draws:
    """How the student's own answers are drawn."""

    seed: int
    max_tokens: int
    eos_token_id: int


def divergence(student: torch.Tensor, teacher: torch.Tensor, beta: float) -> torch.Tensor:
    """D of Eq. 1 of GKD's paper of two models' logits (N, V), float32 (N,).

    beta 0: KL(T, S); 1: KL(S, T); else beta KL(T, M) + (1 - beta) KL(S, M) with M = beta T + (1 - beta) S.
    """
    own, wanted = (log_softmax(logits.float(), dim=-1) for logits in (student, teacher))
    if beta in (0, 1):
        first, second = (wanted, own) if beta == 0 else (own, wanted)
        return _kl(first, second)
    shares = torch.tensor([beta, 1 - beta], device=own.device).log()
    middle = torch.logsumexp(torch.stack([wanted + shares[0], own + shares[1]]), dim=0)
    return beta * _kl(wanted, middle) + (1 - beta) * _kl(own, middle)


def _kl(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """KL(first, second) of log-probabilities (N, V), (N,)."""
    return kl_div(second, first, reduction="none", log_target=True).sum(-1)


def numbers(rows: list[dict]) -> dict[str, torch.Tensor]:
    """Rows {"row": i} -> their numbers, int64 (B,): texts are made when an update's turn comes."""
    return {"row": torch.tensor([row["row"] for row in rows])}


class AccuracyGKDTrainer(Measured, LengthGrouped):
    """The divergence from the teacher on the completions' tokens, a mean over an update's tokens; `names`,
    uint64 (n,), are what the answers' draws follow from."""

    answers: Answers
    names: np.ndarray
    teacher: torch.nn.Module
    settings: GkdTraining
    draws: Draws

    def get_batch_samples(self, *args, **kwargs):
        batches, _ = super().get_batch_samples(*args, **kwargs)
        made = [self.texts(batch["row"].tolist()) for batch in batches]
        count = sum(int((batch["labels"] != -100).sum()) for batch in made)
        tokens = torch.tensor(count, device=self.accelerator.device)
        return made, self.accelerator.reduce(tokens).clamp(min=1)

    def texts(self, rows: list[int]) -> dict[str, torch.Tensor]:
        """input_ids, attention_mask, labels (-100 off the completions), int64 (B, T), padded right."""
        prompts, completions = map(list, zip(*map(self.answers.__getitem__, rows), strict=True))
        seeds = mix(
            self.names[rows],
            np.full(len(rows), self.state.global_step),
            np.full(len(rows), self.draws.seed),
        )
        own = np.flatnonzero(uniforms(seeds.tolist(), 1)[:, 0].numpy() < self.settings.lmbda)
        if len(own):
            said = generate(
                self.accelerator.unwrap_model(self.model),
                [prompts[at] for at in own],
                mix(seeds[own], np.ones(len(own))).tolist(),
                temperature=self.settings.temperature,
                max_tokens=self.draws.max_tokens,
                eos_token_id=self.draws.eos_token_id,
                batch=Batch(self.settings.generation_batch_size),
            )
            for at, text in zip(own, said, strict=True):
                completions[at] = text
        pairs = list(zip(prompts, completions, strict=True))
        whole = [torch.tensor(prompt + completion) for prompt, completion in pairs]
        wanted = [torch.tensor([-100] * len(prompt) + completion) for prompt, completion in pairs]
        return {
            "input_ids": pad_sequence(whole, batch_first=True, padding_value=PADDING),
            "attention_mask": pad_sequence([torch.ones_like(ids) for ids in whole], batch_first=True),
            "labels": pad_sequence(wanted, batch_first=True, padding_value=-100),
        }

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        learnt = inputs.pop("labels")[:, 1:] != -100
        outputs = model(**inputs, use_cache=False)
        with torch.no_grad():
            wanted = self.teacher(**inputs, use_cache=False).logits[:, :-1][learnt]
        apart = divergence(outputs.logits[:, :-1][learnt], wanted, self.settings.beta).sum()
        loss = apart * self.accelerator.num_processes / num_items_in_batch  # DDP means over processes
        return (loss, outputs) if return_outputs else loss
