"""Answers are values, not strings: one typed reader per task, and what it means for two answers to be the same.

Tasks: gsm8k and gsm_plus (numbers), mmlu_pro (option letters), judge (a score from 0 to 5), open
(whether there is a valid response at all).
"""

from scripts.lib.tasks.answer import Answer
from scripts.lib.tasks.bulk import read_answers
from scripts.lib.tasks.readers import TASKS, read_answer
from scripts.lib.tasks.scoring import canonical_gold, is_correct, same_answer

__all__ = ["TASKS", "Answer", "canonical_gold", "is_correct", "read_answer", "read_answers", "same_answer"]
