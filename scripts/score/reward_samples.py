"""Score samples by a reward model: queries, samples -> rewards."""

from pathlib import Path

import numpy as np
import polars as pl
from tyro.conf import OmitArgPrefixes

from scripts.lib.data import tables
from scripts.lib.models.prompting import Prompting
from scripts.lib.process.cli import cli
from scripts.lib.training.examples import completion_ids, index, prompt_ids, ragged
from scripts.lib.training.setup import quiet


def main(
    model: str,
    queries: Path,
    samples: Path,
    prompt: Path,
    output: Path,
    revision: str | None = None,
    prompting: OmitArgPrefixes[Prompting] = Prompting(),  # noqa: B008
    tokens_per_batch: int = 16_384,
) -> None:
    """Score each sample, equal texts of a query once.

    Args:
        model: the reward model's folder.
        queries: QUERIES table of the samples.
        samples: a student's SAMPLES.
        prompt: prompt template file.
        output: REWARDS.
        revision: of a hub model.
        prompting: how the student is shown its prompts.
        tokens_per_batch: changes memory and speed, not results.
    """
    quiet()
    import torch

    from scripts.lib.models.identity import identity
    from scripts.lib.models.loading import load_tokenizer
    from scripts.lib.models.prompts import thought_form
    from scripts.lib.training.reward import load_reward, scored

    identity(model, revision)
    table, asked = tables.read(samples, tables.SAMPLES), tables.read(queries, tables.QUERIES)
    tokenizer, template = load_tokenizer(model, revision), prompting.template(prompt)
    network = load_reward(model, revision, seed=0).to("cuda" if torch.cuda.is_available() else "cpu").eval()
    text = ["query_id", "completion", "finish_reason"]
    said = table.select(text).unique(maintain_order=True)
    found = scored(
        network,
        ragged(prompt_ids(tokenizer, template, asked)),
        completion_ids(
            tokenizer, said["completion"], said["finish_reason"], thought_form(tokenizer, template)
        ),
        np.stack([index(asked, ["query_id"], said, "queries"), np.arange(said.height)], axis=1),
        tokens_per_batch,
    )
    rewards = table.join(
        said.with_columns(reward=pl.Series(found)), on=text, nulls_equal=True, maintain_order="left"
    )
    tables.write(rewards, output, tables.REWARDS)


if __name__ == "__main__":
    cli(main)
