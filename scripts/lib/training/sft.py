"""TRL's SFTTrainer, evaluated by generated accuracy."""

from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from scripts.lib.training.batches import LengthGrouped
from scripts.lib.training.loop import Measured

__all__ = ["AccuracySFTTrainer", "DataCollatorForLanguageModeling", "SFTConfig"]


class AccuracySFTTrainer(Measured, LengthGrouped, SFTTrainer):
    """Completion-only negative log-likelihood (Eq. 3) on rows of input_ids and labels, a mean over a batch's
    tokens."""
