"""Answers are values, not strings: one typed reader per task, and what it means for two answers to be the same.

Tasks: gsm8k and gsm_plus (numbers), mmlu_pro (option letters), judge (a score from 0 to 5), open
(whether there is a valid response at all).
"""

from scripts.lib.answers.answer import Answer
from scripts.lib.answers.bulk import read_answers
from scripts.lib.answers.reading import TASKS, read_answer
from scripts.lib.answers.scoring import canonical_gold, is_correct, same_answer

__all__ = ["TASKS", "Answer", "canonical_gold", "is_correct", "read_answer", "read_answers", "same_answer"]
