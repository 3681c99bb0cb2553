"""Score outputs by AlpacaEval 2: model outputs, reference -> annotations, win rate,
length-controlled win rate.

The numbers are the `alpaca_eval` package's own. It downloads one file, df_gamed.csv, to fit the
length-controlled win rate; `gamed` gives it instead, so that a machine without a network can. Runs in the
environment of envs/eval.txt.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import polars as pl

from scripts.lib.data.files import whole_file, write_json, write_text
from scripts.lib.data.hashing import content_id
from scripts.lib.data.tables import QUERIES, SCORES, read, write
from scripts.lib.errors import UserError
from scripts.lib.evaluation.alpaca import (
    OFFICIAL,
    ROWS,
    Rows,
    Verdicts,
    check_annotations,
    check_order,
    read_outputs,
    read_rows,
    require_key,
)
from scripts.lib.process.cli import cli
from scripts.lib.samples.store import Store

KEPT_EVERY = 20
"""Verdicts that are asked for before they are stored: what a kill may cost."""
JUDGED = ("instruction", "output_1", "output_2", "preference", "annotator")


def annotate(outputs: Rows, reference: Rows, annotator: str, cache: Path) -> Rows:
    """Ask the annotator which of two outputs is better, for every row; answers are cached as they come.

    `annotator`: a name the package knows, or the YAML file of an own one. Raises UserError for the official
    one without a key, and when the server refuses.
    """
    require_key(annotator)
    import openai
    from alpaca_eval.annotators import PairwiseAnnotator

    class Keeper(PairwiseAnnotator):
        """Writes its file whole or not at all, so that a kill loses no verdict; a verdict that could not be
        read is left out, so that the next run asks for it again."""

        def save(self, path: Path | None = None) -> None:
            self._refresh_annotations_()
            read = self.df_annotations[self.annotation_key] != self.TMP_MISSING_ANNOTATION
            with whole_file(cache, durable=True) as draft:
                self.df_annotations[read].to_json(draft, orient="records", indent=2)

    cache.parent.mkdir(parents=True, exist_ok=True)
    if Path(annotator).is_file():
        annotator = str(own_annotator(Path(annotator), cache.with_suffix(".yaml")))
    try:
        judge = Keeper(annotators_config=annotator, caching_path=cache)
        return judge.annotate_head2head(outputs_1=reference, outputs_2=outputs, chunksize=KEPT_EVERY)
    except openai.OpenAIError as error:
        said = " ".join(str(error).split())[:200]
        raise UserError(
            f"the annotator's server refused: {said}; check the key, the address and the credit, "
            f"and run again: verdicts that came are kept in {cache}"
        ) from None


def own_annotator(source: Path, target: Path) -> Path:
    """Copy an annotator's YAML with the path of its prompt made whole:
    beside the file, or one of the package's.

    Raises UserError for a file without exactly one annotator, for a package's name, and for a prompt that is
    nowhere.
    """
    import yaml
    from alpaca_eval.constants import EVALUATORS_CONFIG_DIR

    blocks = yaml.safe_load(source.read_text(encoding="utf-8"))
    if not isinstance(blocks, dict) or len(blocks) != 1:
        raise UserError(f"{source} must hold one annotator, under the name its numbers are to carry")
    ((name, block),) = blocks.items()
    if (EVALUATORS_CONFIG_DIR / name).exists():
        raise UserError(f"{source}: {name} is an annotator of the package; give yours a name of its own")
    places = [folder / block["prompt_template"] for folder in (source.parent, EVALUATORS_CONFIG_DIR)]
    prompt = next((place for place in places if place.is_file()), None)
    if prompt is None:
        raise UserError(
            f"{source}: prompt_template {block['prompt_template']} is neither here nor in the package"
        )
    write_text(yaml.safe_dump({name: block | {"prompt_template": str(prompt.resolve())}}), target)
    return target.resolve()


def win_rates(annotations: Rows, gamed: Path | None) -> dict[str, float]:
    """The package's metrics in points of 100: win_rate, standard_error, length_controlled_winrate,
    lc_standard_error, ...

    Raises UserError where lengths tell nothing, which the package's model cannot be fitted to.
    """
    if len({len(row["output_2"]) - len(row["output_1"]) for row in annotations}) < 2:
        raise UserError(
            "every output is longer than its reference by the same number of characters, "
            "so no length-controlled win rate is defined; look at the outputs, they are hardly a model's"
        )
    import pandas as pd
    from alpaca_eval.metrics import glm_winrate

    if gamed is not None:
        glm_winrate.hf_hub_download = lambda **_: str(gamed)
    return glm_winrate.get_length_controlled_winrate(pd.DataFrame(annotations), save_weights_dir=None)


def verdicts(annotations: Rows) -> Verdicts:
    """Who judged, and what the model was compared with."""
    judges = sorted({str(row["annotator"]) for row in annotations})
    references = sorted({str(row["generator_1"]) for row in annotations})
    return Verdicts("+".join(judges), "+".join(references))


def summarise(rates: dict[str, float], outputs: Rows, suffix: str) -> dict[str, dict[str, Any]]:
    """The metrics by name: value, n and, of both win rates, standard_error, low, high (shares of 1;
    95 %, normal)."""
    metrics = {}
    for name, error in (("win_rate", "standard_error"), ("length_controlled_winrate", "lc_standard_error")):
        value, deviation = rates[name] / 100, rates[error] / 100
        metrics[name + suffix] = {
            "value": value,
            "n": ROWS,
            "standard_error": deviation,
            "low": value - 1.96 * deviation,
            "high": value + 1.96 * deviation,
        }
    metrics["discrete_win_rate" + suffix] = {"value": rates["discrete_win_rate"] / 100, "n": ROWS}
    metrics["avg_length"] = {"value": sum(len(row["output"]) for row in outputs) / ROWS, "n": ROWS}
    return metrics


def scores(annotations: Rows, queries: pl.DataFrame | None) -> pl.DataFrame:
    """`SCORES` columns: correct where the model's output is preferred; answer is the preference for it in [0,
    1]."""
    texts = [row["instruction"].strip() for row in annotations]
    known = {} if queries is None else dict(queries.select("question", "query_id").iter_rows())
    wins = [float(row["preference"]) - 1 if row["preference"] else 0.5 for row in annotations]
    return pl.DataFrame(
        {
            "query_id": [known.get(text) or content_id(text) for text in texts],
            "sample_id": [0] * len(texts),
            "answer": [f"{win:.6f}" for win in wins],
            "status": ["ok"] * len(texts),
            "correct": [win > 0.5 for win in wins],
        }
    )


def main(
    model_outputs: Path,
    reference: Path,
    metrics: Path,
    output: Path | None = None,
    annotator: str = OFFICIAL,
    annotations: Path | None = None,
    gamed: Path | None = None,
    queries: Path | None = None,
    annotated: Path | None = None,
    store: Path = Path("store"),
) -> None:
    """Annotate a model's outputs, or take annotations that exist, and compute both win rates.

    Args:
        model_outputs: The model's 805 outputs, in the reference's order.
        reference: The reference's outputs, the same form.
        metrics: Win rates with intervals, as JSON.
        output: The verdicts as scores, for paired tests.
        annotator: A name the package knows, or the YAML file of an own judge.
        annotations: Annotations that exist; nothing is asked.
        gamed: df_gamed.csv; default: the package downloads it.
        queries: The instructions as queries, for the ids in `output`.
        annotated: Where to write the annotations.
        store: Folder under which verdicts are kept as they come.
    """
    outputs, wanted = read_outputs(model_outputs), read_outputs(reference)
    check_order(outputs, wanted, model_outputs)
    if annotations is None:
        judge = (
            hashlib.sha256(Path(annotator).read_bytes()).hexdigest()
            if Path(annotator).is_file()
            else annotator
        )
        texts = json.dumps([outputs, wanted], sort_keys=True).encode()
        Store(store)
        cache = store / "alpaca_eval" / Path(judge).name / f"{hashlib.sha256(texts).hexdigest()[:16]}.json"
        judged, source = annotate(outputs, wanted, annotator, cache), cache
    else:
        judged, source = read_rows(annotations, JUDGED), annotations
    check_annotations(judged, outputs, wanted, source)
    if annotated is not None:
        write_json(judged, annotated, indent=2)
    rates, suffix = win_rates(judged, gamed), verdicts(judged).suffix
    write_json(summarise(rates, outputs, suffix), metrics)
    if output is not None:
        write(scores(judged, None if queries is None else read(queries, QUERIES)), output, SCORES)
    print(
        f"win rate {rates['win_rate']:.2f}, length-controlled {rates['length_controlled_winrate']:.2f}"
        f"{' (' + suffix.strip('_').replace('_', ' ') + ')' if suffix else ''}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    cli(main)
