"""TRL's RewardTrainer with the classification loss (Eq. 7-9), on pairs that are ids; what pairs are worth."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
from accelerate import Accelerator
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers.modeling_outputs import SequenceClassifierOutputWithPast
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer, suppress_seqcls_warning

from scripts.lib.errors import UserError
from scripts.lib.models.loading import PADDING, unreadable, without_padding_token
from scripts.lib.process.memory import free_memory, out_of_memory
from scripts.lib.training.batches import LengthGrouped
from scripts.lib.training.examples import Pairs, Ragged
from scripts.lib.training.loop import MeanOfRows, Measured

__all__ = ["DistilledRewardTrainer", "PairCollator", "RewardConfig"]


class PairCollator(DataCollatorForPreference):
    """Rows {"pair": i} -> input_ids and attention_mask, int64 (2B, T), chosen half then rejected half,
    padded right; `hit`, float32 (2B,): 1[l = l*] of Eq. 7."""

    def __init__(self, pairs: Pairs):
        super().__init__(pad_token_id=PADDING)
        self.pairs = pairs

    def torch_call(self, examples: list[dict]) -> dict[str, torch.Tensor]:
        pairs, at = self.pairs, [row["pair"] for row in examples]
        batch = super().torch_call(
            [
                {
                    "chosen_ids": pairs.prompts[pairs.query[i]] + pairs.completions[pairs.chosen[i]],
                    "rejected_ids": pairs.prompts[pairs.query[i]] + pairs.completions[pairs.rejected[i]],
                }
                for i in at
            ]
        )
        hits = [pairs.chosen_hit[i] for i in at] + [pairs.rejected_hit[i] for i in at]
        batch["hit"] = torch.tensor(hits, dtype=torch.float32)
        return batch


class DistilledRewardTrainer(Measured, LengthGrouped, MeanOfRows, RewardTrainer):
    """L = L_pref + lambda L_cls (Eq. 9): TRL's pairwise loss (Eq. 8) and a mean over the 2B answers of Eq. 7.

    Without `preference` L = L_cls: the outcome reward models of Table 6. Evaluates on the pairs `validation`.
    """

    lam = 0.5
    preference = True
    validation: Pairs

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        hit = inputs.pop("hit")
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        scores = outputs.logits.squeeze(-1).float()
        classification = binary_cross_entropy_with_logits(scores, hit)
        right = ((scores > 0) == (hit > 0)).float().mean()
        found = {"preference_loss": loss, "cls_loss": classification, "cls_accuracy": right}
        for name, value in found.items():
            mean = self.accelerator.gather_for_metrics(value.detach()).mean()
            self._metrics["train"][name].append(mean.item())
        loss = loss + self.lam * classification if self.preference else classification
        return (loss, outputs) if return_outputs else loss

    def save_model(self, *args, **kwargs):
        """Name no end token as the configuration's padding token. transformers reads a classifier at the last
        token that is not that one: without one it refuses batches, with the end token it would misread."""
        words = self.processing_class
        own = words.pad_token_id if words.pad_token_id != words.eos_token_id else None
        self.accelerator.unwrap_model(self.model).config.get_text_config().pad_token_id = own
        super().save_model(*args, **kwargs)

    def measure(self, model) -> dict[str, float]:
        """The validation pairs' `criteria`; the trainer's processes share the answers."""
        scores = rewards(model, self.validation, accelerator=self.accelerator)
        found = criteria(self.validation, *scores)
        both = found["preference_loss"] + self.lam * found["cls_loss"]
        return found | {"loss": both if self.preference else found["cls_loss"]}


def criteria(pairs: Pairs, chosen: np.ndarray, rejected: np.ndarray) -> dict[str, float]:
    """Means over pairs, each weighing the same, from the rewards (n,) of their sides: `accuracy` (the chosen
    one's is higher), `margin`, `preference_loss` (Eq. 8), and over both sides `cls_loss` (Eq. 7) and
    `cls_accuracy` (the sign tells 1[l = l*])."""
    scores = np.concatenate([chosen, rejected]).astype(np.float64)
    hit = np.concatenate([pairs.chosen_hit, pairs.rejected_hit])
    margin = scores[: len(pairs)] - scores[len(pairs) :]
    means = {
        "accuracy": margin > 0,
        "margin": margin,
        "preference_loss": np.logaddexp(0, -margin),
        "cls_loss": np.logaddexp(0, np.where(hit, -scores, scores)),
        "cls_accuracy": (scores > 0) == hit,
    }
    return {name: float(values.mean()) for name, values in means.items()}


@torch.inference_mode()
def rewards(
    model, pairs: Pairs, tokens: int = 16_384, accelerator: Accelerator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The reward of each pair's chosen and rejected answer, float32 (n,), each answer scored once.

    Batches as those of `scored`.
    """
    ids = np.stack([np.tile(pairs.query, 2), np.concatenate([pairs.chosen, pairs.rejected])], axis=1)
    distinct, back = np.unique(ids, axis=0, return_inverse=True)
    found = scored(model, pairs.prompts, pairs.completions, distinct, tokens, accelerator)
    scores = found[back.reshape(-1)]
    return scores[: len(pairs)], scores[len(pairs) :]


@torch.inference_mode()
def scored(
    model,
    prompts: Ragged,
    completions: Ragged,
    ids: np.ndarray,
    tokens: int = 16_384,
    accelerator: Accelerator | None = None,
) -> np.ndarray:
    """The reward of each answer, float32 (n,); `ids`, int64 (n, 2): rows of its prompt and its completion.

    Batches hold answers of one length and at most `tokens` tokens, fewer when memory runs out: no reward
    depends on padding. The accelerator's processes share the batches.
    """
    found = torch.zeros(len(ids), device=model.device)
    batches = list(_alike(prompts.lengths[ids[:, 0]] + completions.lengths[ids[:, 1]], tokens))
    for rows in batches[accelerator.process_index :: accelerator.num_processes] if accelerator else batches:
        texts = [prompts[query] + completions[answer] for query, answer in ids[rows]]
        found[rows] = _score(model, torch.tensor(texts, device=model.device))
    return (accelerator.reduce(found) if accelerator else found).cpu().numpy()


def _alike(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Row numbers in batches of equal lengths and of at most `tokens` tokens, one row at least."""
    for length in np.unique(lengths):
        rows, size = np.flatnonzero(lengths == length), max(1, tokens // int(length))
        yield from np.split(rows, range(size, len(rows), size))


def _score(model, ids: torch.Tensor) -> torch.Tensor:
    """Rewards, float32 (n,), of answers of one length, int64 (n, T); by halves when memory runs out."""
    try:
        return model(input_ids=ids, use_cache=False).logits[:, 0].float()
    except RuntimeError as error:
        if not out_of_memory(error) or len(ids) == 1:
            raise
    free_memory()
    return torch.cat([_score(model, half) for half in ids.chunk(2)])


def load_reward(model: str, revision: str | None, seed: int):
    """A causal model's folder, or a reward model's, as a sequence classifier with one output, in float32.

    It is read at the last token that `attention_mask` shows, whichever it is. A new head starts from `seed`.
    """
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    try:
        with suppress_seqcls_warning():
            network = AutoModelForSequenceClassification.from_pretrained(
                str(model),
                revision=revision,
                num_labels=1,
                dtype=torch.float32,
                use_safetensors=True,
                trust_remote_code=False,
            )
    except unreadable() as error:
        raise UserError(f"no reward model can be made from {model} ({error}); check the folder") from None
    network.forward = partial(_at_the_last_token, network)
    return without_padding_token(network)


def _at_the_last_token(network, input_ids, attention_mask=None, use_cache=False, **given):
    """The forward pass of transformers' classifiers, which look for the last token that is not the padding
    token, by length: ids and mask (B, T), padded right -> logits (B, 1)."""
    hidden = network.base_model(
        input_ids=input_ids, attention_mask=attention_mask, use_cache=use_cache, **given
    ).last_hidden_state
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    rows = torch.arange(len(input_ids), device=hidden.device)
    return SequenceClassifierOutputWithPast(logits=network.score(hidden)[rows, mask.sum(dim=1) - 1])
