"""The files that a config names: looked at before any job starts, as far as that costs nothing."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.lib.config.whole import STUDY_COLUMNS, Config
from scripts.lib.errors import UserError, shown
from scripts.lib.evaluation.alpaca import OFFICIAL
from scripts.lib.tasks import is_judged

DATA = Path("data")
"""Where the files of `downloads` come to lie."""
DATA_SUFFIXES = (".parquet", ".jsonl", ".json", ".jsonl.gz", ".json.gz")
ANNOTATORS = "lib/python*/site-packages/alpaca_eval/evaluators_configs"


def read_table(path: Path) -> dict[int, dict[str, str]]:
    """A study's table by line number, without its comments and empty lines. Raises UserError for a file that
    is no such table."""
    _check_file(path, str(path))
    lines = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, line in enumerate(file, start=1):
                if line.strip() and line[0] != "#":
                    lines[number] = line
        found = csv.reader(lines.values(), delimiter="\t", quoting=csv.QUOTE_NONE)
        table = dict(zip(lines, found, strict=True))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save it as UTF-8") from None
    except (csv.Error, ValueError) as error:
        raise UserError(
            f"{path}: no table ({error}); give {', '.join(STUDY_COLUMNS)}, tabs between"
        ) from None
    columns = table.pop(min(table, default=0), [])
    if tuple(columns) != STUDY_COLUMNS:
        given = shown(", ".join(columns))
        raise UserError(f"{path}: columns are {given}; they must be {', '.join(STUDY_COLUMNS)}")
    for number, fields in table.items():
        if len(fields) != len(columns):
            raise UserError(
                f"{path}, line {number}: {len(fields)} fields; there must be {len(columns)}, "
                "with tabs between"
            )
    return {number: dict(zip(columns, fields, strict=True)) for number, fields in table.items()}


def questions(config: Config) -> Iterator[tuple[str, Path]]:
    """The files of questions and what belongs to them, each with the keys that name it."""
    for kind in ("datasets", "benchmarks"):
        for name, block in getattr(config, kind).items():
            for key, path in (
                ("queries", block.queries),
                ("shots.file", block.shots.file),
                ("gamed", getattr(block, "gamed", None)),
            ):
                if path is not None:
                    yield f"{kind}.{name}.{key}", path


def downloaded(config: Config, path: Path) -> bool:
    """Whether a file is fetched when it is not there."""
    return path.parent == DATA and path.name in config.downloads


def check_files(config: Config) -> None:
    """Raise UserError for a file of the config that is missing, empty or none, and for an unknown annotator.

    `config` is that of what is asked for (`whole.used`): what others lack does not stop it.
    """
    for where, path in questions(config):
        if not path.exists() and not downloaded(config, path):
            raise UserError(
                f"config: {where}: {path} does not exist and is not in `downloads`; put it there, "
                "or add a download"
            )
        if path.exists():
            _check_file(path, f"config: {where}: {path}", folder=True)
    for kind in ("teachers", "students"):
        for name, block in getattr(config, kind).items():
            for number, item in enumerate(block.samples):
                _check_file(item.path, f"config: {kind}.{name}.samples[{number}].path: {item.path}")
    for name, benchmark in config.benchmarks.items():
        if is_judged(benchmark.task):
            _check_annotator(benchmark.annotator, f"config: benchmarks.{name}.annotator")


def _check_file(path: Path, where: str, folder: bool = False) -> None:
    """Raise UserError unless a file, or a folder with data where that will do, can be read."""
    if folder and path.is_dir():
        if not any(file.name.endswith(DATA_SUFFIXES) for file in path.rglob("*")):
            raise UserError(f"{where} holds no {', '.join(DATA_SUFFIXES)}; name the file")
        return
    if not path.exists():
        raise UserError(f"{where} does not exist; put it there, or name one that does")
    if not path.is_file():  # a pipe would be waited for
        raise UserError(f"{where} is no file; name one")
    if not os.access(path, os.R_OK):
        raise UserError(f"{where} cannot be read; see to its permissions")
    if not path.stat().st_size:
        raise UserError(f"{where} is empty; it needs a row at least")


def _check_annotator(annotator: str, where: str) -> None:
    """Raise UserError for an annotator that is neither a file nor one of AlpacaEval's, as far as that is
    known here: else the last step of all would say so."""
    if annotator == OFFICIAL:
        return
    if annotator.endswith((".yaml", ".yml")):
        _check_file(Path(annotator), f"{where}: {annotator}")
        return
    roots = [Path(".venv-eval"), Path(sys.prefix)]
    if not any((found / annotator).is_dir() for root in roots for found in root.glob(ANNOTATORS)):
        raise UserError(
            f"{where}: {shown(annotator)} is no YAML file and no annotator of AlpacaEval's, as far as it is "
            "installed here (make .venv-eval/ready); name one of these"
        )
