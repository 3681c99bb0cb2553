"""Try models' tokenizers on the longest questions: what would stop a later step is found before the first
token is paid.

Reads a JSON list of trials (`Trial`) on stdin; ends in one line about the first that fails.
"""

import json
import sys
from pathlib import Path
from typing import Any, TypedDict

from scripts.lib.errors import UserError
from scripts.lib.models.loading import end_token_ids, load_tokenizer
from scripts.lib.models.prompting import Prompting
from scripts.lib.models.prompts import render_ids
from scripts.lib.process.cli import cli


class Trial(TypedDict):
    """A model as one step uses it. `questions`: dicts of question, options and shots, the longest;
    `max_tokens` may follow a prompt."""

    where: str
    folder: str
    prompting: dict[str, Any]
    prompt: str
    asked: str
    max_tokens: int
    max_model_len: int | None
    questions: list[dict[str, Any]]
    rewards: bool


def check(trial: Trial) -> None:
    """Raise UserError where the tokenizer does not load, no token ends a completion, a prompt and its
    completion do not fit, a token has no embedding, or the architecture makes no reward model."""
    from transformers import AutoConfig, GenerationConfig
    from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES

    folder, where = trial["folder"], trial["where"]
    tokenizer = load_tokenizer(folder)
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{where}: no model configuration can be read from {folder} ({error})") from None
    try:
        generation = GenerationConfig.from_pretrained(folder)
    except OSError:
        generation = None
    text = config.get_text_config()
    ids = set(_ends(tokenizer, generation, where))
    asked, positions = trial["max_model_len"], getattr(text, "max_position_embeddings", None)
    stretched = "factor" in (getattr(text, "rope_parameters", None) or {})
    if asked and positions and asked > positions and not stretched:
        raise UserError(
            f"{where}.max_model_len: {asked}, and the model takes {positions}; lower it or drop it"
        )
    limit = min((limit for limit in (asked, positions) if limit), default=sys.maxsize)
    template = Prompting(**trial["prompting"]).template(Path(trial["prompt"]))
    for question in trial["questions"] or [{"question": "?", "options": [], "shots": []}]:
        given = render_ids(tokenizer, template, question["question"], question["options"], question["shots"])
        ids |= set(given)
        if len(given) + trial["max_tokens"] > limit:
            raise UserError(
                f"{where}: a prompt of {trial['asked']} has {len(given)} tokens, up to {trial['max_tokens']} "
                f"follow, and the model takes {limit}; lower max_tokens, shorten the prompt, or drop that "
                f"question: {question['question'][:60]!r}"
            )
    if max(ids) >= text.vocab_size:
        raise UserError(
            f"{where}: the tokenizer's token {max(ids)} has no embedding, there are {text.vocab_size}; "
            "take the tokenizer of this model"
        )
    if trial["rewards"] and config.model_type not in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES:
        raise UserError(
            f"{where}: transformers makes no reward model of the architecture {config.model_type} "
            "(AutoModelForSequenceClassification); take another student, or variants without a reward model"
        )


def _ends(tokenizer, generation, where: str) -> list[int]:
    try:
        return end_token_ids(tokenizer, generation)
    except UserError as error:
        raise UserError(f"{where}: {error}") from None


def main() -> None:
    """Check the trials on stdin."""
    for trial in json.load(sys.stdin):
        check(trial)


if __name__ == "__main__":
    cli(main)
