"""TRL's DPOTrainer on pairs that are ids, evaluated by generated accuracy."""

from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DataCollatorForPreference, DPOTrainer

from scripts.lib.models.loading import PADDING
from scripts.lib.training.batches import LengthGrouped
from scripts.lib.training.examples import Pairs
from scripts.lib.training.loop import MeanOfRows, Measured

__all__ = ["AccuracyDPOTrainer", "DPOConfig", "PairCollator"]


class AccuracyDPOTrainer(Measured, LengthGrouped, MeanOfRows, DPOTrainer):
    """DPO (Table 11). Rows are numbers of pairs; the collator turns them into tokens, so nothing is
    prepared."""

    def _prepare_dataset(self, dataset, *args, **kwargs):
        return dataset


class PairCollator(DataCollatorForPreference):
    """Rows {"pair": i} -> TRL's batch: the chosen half, then the rejected half."""

    def __init__(self, pairs: Pairs):
        super().__init__(pad_token_id=PADDING)
        self.pairs = pairs

    def torch_call(self, examples: list[dict]) -> dict:
        pairs = self.pairs
        rows = [
            {
                "prompt_ids": pairs.prompts[pairs.query[row["pair"]]],
                "chosen_ids": pairs.completions[pairs.chosen[row["pair"]]],
                "rejected_ids": pairs.completions[pairs.rejected[row["pair"]]],
            }
            for row in examples
        ]
        return super().torch_call(rows)
