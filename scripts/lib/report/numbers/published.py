"""The paper's own numbers (config/published.tsv), for the cells of a study that are the same as the paper's.

A cell is the same where dataset, benchmark, teacher, student and row have the names of config/paper.yaml and
the names stand there for what the paper names: a hub's model, a hub's split. Settings are not compared.
"""

from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from scripts.lib.report.numbers.results import Scoreboard
from scripts.lib.report.study import Study

MODELS = {
    "llama3-70b": "meta-llama/Meta-Llama-3-70B-Instruct",
    "llama3-8b": "meta-llama/Meta-Llama-3-8B-Instruct",
    "llama3-1b": "meta-llama/Llama-3.2-1B-Instruct",
    "llama3-3b": "meta-llama/Llama-3.2-3B-Instruct",
}
"""Teachers and students of App. C, footnotes 1 and 2."""
QUESTIONS = {
    "datasets": {
        "gsm8k": "openai/gsm8k train",
        "mmlu_pro": "TIGER-Lab/MMLU-Pro test",
        "ultrafeedback": "openbmb/UltraFeedback train[:13000]",
    },
    "benchmarks": {
        "gsm8k": "openai/gsm8k test",
        "gsm_plus": "qintongli/GSM-Plus test",
        "mmlu_pro": "TIGER-Lab/MMLU-Pro test, of it test",
        "alpaca_eval": "tatsu-lab/alpaca_eval alpaca_eval_gpt4_baseline.json",
    },
}
"""The questions of section 5.1, by what `source` calls them."""
ANY = "-"


@cache
def _table(path: Path) -> pl.DataFrame:
    """table, dataset, benchmark, teacher, student, row, metric (text) and value, as printed (text)."""
    return pl.read_csv(path, separator="\t", comment_prefix="#", infer_schema=False)


def published(
    study: Study, metric: str, *, dataset: str, benchmark: str = ANY, teacher: str = ANY, student: str = ANY
) -> dict[str, str]:
    """The paper's numbers of a place by row, as printed, in its order; a number of several tables once.

    Of a name that stands for something else, as of `ANY`, only the numbers that hold whatever stands there.
    """
    place = {"dataset": dataset, "benchmark": benchmark, "teacher": teacher, "student": student}
    known = [name if _stands(study.config, f"{key}s", name) else ANY for key, name in place.items()]
    there = [pl.col(key).is_in([name, ANY]) for key, name in zip(place, known, strict=True)]
    found = _table(study.published).filter(*there, pl.col("metric") == metric)
    return dict(found.select("row", "value").iter_rows())


def of_board(study: Study, board: Scoreboard, metric: str) -> dict[str, str]:
    """The paper's numbers of a scoreboard's place, by variant."""
    return published(
        study,
        metric,
        dataset=board.dataset,
        benchmark=board.benchmark,
        teacher=board.teacher,
        student=board.student,
    )


def _stands(config: dict[str, Any], kind: str, name: str) -> bool:
    """Whether a name stands for what the paper means by it."""
    if kind in QUESTIONS:
        return _source(config, kind, name) == QUESTIONS[kind].get(name)
    return name in MODELS and config.get(kind, {}).get(name, {}).get("model") == MODELS[name]


def _source(config: dict[str, Any], kind: str, name: str) -> str:
    """What questions are, as a config says: a split or a file of the hub's, with what is taken of it."""
    block = config.get(kind, {}).get(name, {})
    if block.get("dataset"):
        return f"{_source(config, 'datasets', block['dataset'])}, of it {block['split']}"
    download = config.get("downloads", {}).get(Path(block.get("queries") or "").name, {})
    part = f"[:{download['rows']}]" if download.get("rows") else ""
    return f"{download.get('repo')} {download.get('split') or download.get('file')}{part}"
