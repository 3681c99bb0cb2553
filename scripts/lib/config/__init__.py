"""The config as types: named blocks, checked across blocks before any job starts."""

from scripts.lib.config.check import known, parse, rows
from scripts.lib.config.models import Model, Pretraining, Server, Student, Teacher, Untrained
from scripts.lib.config.training import Dpo, NoTraining, Ppo, RewardOnly, Sft
from scripts.lib.config.whole import STUDY_COLUMNS, Config, used

__all__ = [
    "STUDY_COLUMNS",
    "Config",
    "Dpo",
    "Model",
    "NoTraining",
    "Ppo",
    "Pretraining",
    "RewardOnly",
    "Server",
    "Sft",
    "Student",
    "Teacher",
    "Untrained",
    "known",
    "parse",
    "rows",
    "used",
]
