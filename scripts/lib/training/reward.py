"""TRL's RewardTrainer with the classification loss (Eq. 7-9), on pairs that are ids."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import DataCollatorForPreference, RewardTrainer, suppress_seqcls_warning

from scripts.lib.training.examples import Pairs
from scripts.lib.training.loop import MeanOfRows

__all__ = ["DistilledRewardTrainer", "PairCollator", "RewardConfig"]


class PairCollator(DataCollatorForPreference):
    """Rows {"pair": i} -> input_ids and attention_mask, int64 (2B, T), chosen half then rejected half,
    padded right; `hit`, float32 (2B,): 1[l = l*] of Eq. 7."""

    def __init__(self, pairs: Pairs, pad_token_id: int):
        super().__init__(pad_token_id=pad_token_id)
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


class DistilledRewardTrainer(MeanOfRows, RewardTrainer):
    """L = L_pref + lambda L_cls (Eq. 9): TRL's pairwise loss (Eq. 8) and a mean over the 2B answers of Eq. 7.

    Without `preference` L = L_cls: the outcome reward models of Table 6.
    """

    lam = 0.5
    preference = True

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        hit = inputs.pop("hit")
        mode = "train" if self.model.training else "eval"
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True)
        rewards = outputs.logits.squeeze(-1).float()
        classification = binary_cross_entropy_with_logits(rewards, hit)
        right = ((rewards > 0) == (hit > 0)).float().mean()
        self._metrics[mode]["preference_loss"].append(loss.item())
        self._metrics[mode]["cls_loss"].append(classification.item())
        self._metrics[mode]["cls_accuracy"].append(self.accelerator.gather_for_metrics(right).mean().item())
        loss = loss + self.lam * classification if self.preference else classification
        return (loss, outputs) if return_outputs else loss


def load_reward(model: str, revision: str | None, pad_token_id: int, seed: int):
    """A causal model's folder, or a reward model's, as a sequence classifier with one output, in float32.

    A new head starts from `seed`. Its `pad_token_id` decides which token counts as the last.
    """
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(seed)
    with suppress_seqcls_warning():
        network = AutoModelForSequenceClassification.from_pretrained(
            str(model), revision=revision, num_labels=1, dtype=torch.float32, use_safetensors=True
        )
    network.config.get_text_config().pad_token_id = pad_token_id
    return network
