"""What a plan shows of each sampling step: its first prompt, as the model is shown it where that is known
here."""

from __future__ import annotations

import heapq
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from scripts.lib.config.data import Asked, Benchmark, Dataset
from scripts.lib.config.files import downloaded
from scripts.lib.config.models import Judge, Model
from scripts.lib.config.variants import JudgeOnly, NoTraining
from scripts.lib.config.whole import Config
from scripts.lib.data.peek import first_row
from scripts.lib.data.settings import USUAL
from scripts.lib.data.sources import find_column, find_files, read_rows
from scripts.lib.data.tables import QUERIES, SAMPLES
from scripts.lib.errors import UserError, visible
from scripts.lib.labels.judging import requests
from scripts.lib.models.chat import ChatTemplate, saved_template
from scripts.lib.models.size import cached
from scripts.lib.workflow.layout import Layout

HEAD, TAIL, WIDTH = 8, 10, 106
"""Lines that are shown of a prompt's beginning and of its end, and their length."""
_RESPONSE = "(the response that is judged)"

Question = dict[str, Any]
"""A row of QUERIES: question, options and shots."""


class Step(NamedTuple):
    """A model that is asked the questions of a block, or judges what others said to them."""

    kind: str
    name: str
    block: str
    judge: Judge | None
    """How it judges; None where it answers."""
    seed: int

    @property
    def who(self) -> str:
        """The model, as a config names it."""
        return f"{self.kind}.{self.name}{' as judge' * bool(self.judge)}"


def first_prompts(config: Config, tables: dict[str, list[dict]]) -> str:
    """A block of lines for each distinct prompt, under the steps that begin with it.

    `tables`: the rows of each study. Raises UserError for a chat template that shows no question.
    """
    shown: dict[str, dict[str, list[str]]] = {}
    for step in steps(config, tables):
        shown.setdefault(_shown(config, step), {}).setdefault(step.block, []).append(step.who)
    lines = ["first prompts"]
    for text, blocks in shown.items():
        said = "; ".join(f"{block} to {', '.join(asked)}" for block, asked in blocks.items())
        lines += textwrap.wrap(said, WIDTH + 4, initial_indent="  ", subsequent_indent="    ")
        lines += [f"    {line}" for line in text.split("\n")]
    return "\n".join(lines)


def steps(config: Config, tables: dict[str, list[dict]]) -> list[Step]:
    """The distinct sampling steps of the rows of each study, as far as models and questions make them so."""
    layout = Layout(config)
    found = {
        step._replace(seed=0): step
        for study, table in tables.items()
        for row in table
        for step in _of_row(config, layout, row, config.studies[study].benchmarks)
    }
    return list(found.values())


def _of_row(config: Config, layout: Layout, row: dict, benchmarks: list[str]) -> Iterator[Step]:
    variant, seed = config.variants[row["variant"]], row["seed"]
    who = "student"
    if isinstance(variant, NoTraining):
        who = variant.who
    else:
        for teacher in (row["teacher"], *config.teachers[row["teacher"]].compare):
            yield Step("teachers", teacher, f"datasets.{row['dataset']}", None, seed)
        yield Step("students", row["student"], f"datasets.{row['dataset']}", None, seed)
        judges = layout.judged(row["dataset"]) or isinstance(variant, JudgeOnly)
        for judge in (config.teachers[row["teacher"]].judge if judges else None, layout.judge(row)):
            if judge:
                yield Step("teachers", row["teacher"], f"datasets.{row['dataset']}", judge, seed)
    for benchmark in layout.evaluations(row, benchmarks):
        yield Step(f"{who}s", row[who], f"benchmarks.{benchmark}", None, seed)


def _shown(config: Config, step: Step) -> str:
    """The first prompt of a step, or why there is none to show."""
    model: Model = getattr(config, step.kind)[step.name]
    kind, name = step.block.split(".", 1)
    asked: Dataset | Benchmark = getattr(config, kind)[name]
    if getattr(model, "samples", None) and (step.kind == "teachers" or kind == "datasets"):
        return "(imported: nothing is asked)"
    question = _question(config, step, asked)
    if isinstance(question, str):
        return f"({question})"
    prompt = asked.prompt
    if step.judge:
        question, prompt = _judged(question), step.judge.prompt
    template = model.template(Path(f"config/prompts/{prompt}.jinja"))
    given = (question["question"], question["options"], question["shots"])
    if not model.chat:
        return bounded(template.text(*given))
    messages = template.messages(*given)
    chat = None if model.remote else _chat(config, model, step.seed)
    if chat is not None:
        return bounded(chat.text(messages))
    whose = "the server's own" if model.remote else "which is not here yet"
    parts = [
        f"({each['role']}; in the model's chat template, {whose})\n{each['content']}" for each in messages
    ]
    return "\n".join(map(bounded, parts))


def _chat(config: Config, model: Model, seed: int) -> ChatTemplate | None:
    """A local model's chat template; None where its files are not here."""
    found = files_of(config, model, seed)
    name = Layout(config).model(model, seed).name
    return saved_template(found, name, model.chat_template_kwargs) if found else None


def files_of(config: Config, model: Model, seed: int) -> Path | None:
    """The folder of a model that runs here, its own or in the hub's cache; None where it is not here yet."""
    reference = Layout(config).model(model, seed)
    folder = Path(reference.name)
    return folder if folder.is_dir() else cached(reference.name, reference.revision)


def _question(config: Config, step: Step, asked: Dataset | Benchmark) -> Question | str:
    """The first question of a block, or why it is not known."""
    name, split, owner = step.block.split(".", 1)[1], "train", asked
    if isinstance(asked, Benchmark) and asked.dataset:
        name, split, owner = asked.dataset, asked.split, config.datasets[asked.dataset]
    if owner.queries is None:
        made = Path(Layout(config).queries(name, step.seed, split))
        return first_row(made) or "its questions are made by an earlier step"
    if not owner.queries.exists():
        why = "fetched" if downloaded(config, owner.queries) else "made"
        return f"its questions are {why} by an earlier step: {owner.queries}"
    return _first(owner.queries, owner)


def _first(source: Path, asked: Asked) -> Question | str:
    """The first question of a file."""
    try:
        row = first_row(find_files(source, "train")[0])
        return _shown_with(row, asked, source) if row else f"no first question can be read from {source}"
    except UserError as error:
        return str(error)


def longest(config: Config, step: Step, count: int = 4) -> list[Question]:
    """The longest questions that a step asks, by their letters; none where they are not here."""
    asked = getattr(config, step.block.split(".", 1)[0])[step.block.split(".", 1)[1]]
    owner = config.datasets[asked.dataset] if getattr(asked, "dataset", None) else asked
    if owner.queries is None or not owner.queries.exists():
        return []
    rows, _ = read_rows(find_files(owner.queries, "train")[0])
    names = [
        find_column(rows, getattr(owner, f"{what}_column"), USUAL[what], what, owner.queries)
        for what in ("question", "options")
    ]
    rows = heapq.nlargest(count, rows, key=lambda row: sum(len(str(row.get(name or ""))) for name in names))
    found = [_shown_with(row, owner, owner.queries) for row in rows]
    return [_judged(question) for question in found] if step.judge else found


def _shown_with(row: dict[str, Any], asked: Asked, source: Path) -> Question:
    """A question with its worked examples: the first n of its kind. Raises UserError for files that lack
    either."""
    shots, examples = asked.shots, []
    if shots.file and shots.file.exists():
        rows, _ = read_rows(find_files(shots.file, "validation")[0])
        kind = shots.group_column
        same = [each for each in rows if kind is None or each.get(kind) == row.get(kind)]
        examples = [
            _read(each, asked, shots.file) | {"answer": str(each.get(shots.answer_column, "")).strip()}
            for each in same[: shots.n]
        ]
    return _read(row, asked, source) | {"shots": examples}


def _read(row: dict[str, Any], asked: Asked, path: Path) -> Question:
    """The question and the options of one row. Raises UserError where it has no question."""
    names = {
        what: find_column(
            [row], getattr(asked, f"{what}_column"), USUAL[what], what, path, what == "question"
        )
        for what in ("question", "options")
    }
    options = row.get(names["options"] or "")
    return {
        "question": str(row[names["question"] or ""]).strip(),
        "options": [str(option).strip() for option in options] if isinstance(options, list) else [],
    }


def _judged(question: Question) -> Question:
    """What a judge is shown of a response to it."""
    sample = {
        "query_id": "q",
        "sample_id": 0,
        "completion": _RESPONSE,
        "finish_reason": "stop",
        "num_tokens": 1,
    }
    asked, _ = requests(
        pl.DataFrame([sample], schema={name: SAMPLES[name] for name in sample}),
        pl.DataFrame([{"query_id": "q", "group": ""} | question], schema=QUERIES),
    )
    return asked.to_dicts()[0]


def bounded(text: str) -> str:
    """A text as a terminal may show it: lines of its beginning and of its end, none too long."""
    lines = [line if len(line) <= WIDTH else f"{line[: WIDTH - 2]} …" for line in visible(text).split("\n")]
    if len(lines) > HEAD + TAIL + 1:
        left = len(lines) - HEAD - TAIL
        lines[HEAD:-TAIL] = [f"… {left} lines …"]
    return "\n".join(lines)
