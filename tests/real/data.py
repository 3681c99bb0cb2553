"""GSM8K as the real run asks it: easy questions without answers, held-out ones, and what models said.

Easy are the shortest, question and solution together. They are of GSM8K's test split, as the stored answers
are: no number of a run on them is a GSM8K score.
"""

import gzip
import json
import os
from pathlib import Path

STRONGER = {
    "zeroeval_Meta-Llama-3-8B-Instruct": "Meta-Llama-3-8B-Instruct",
    "zeroeval_Mixtral-8x7B-Instruct-v0.1": "Mixtral-8x7B-Instruct-v0.1",
    "reread_gpt-3.5-turbo_cot": "gpt-3.5-turbo",
    "gsmplusrepo_gpt-3.5-turbo": "gpt-3.5-turbo-gsmplus",
    "gsmplusrepo_metamath_7b": "MetaMath-7B",
}
WEAKER = {
    "zeroeval_gemma-2-2b-it": "gemma-2-2b-it",
    "rft-llama7b-u13b_bf16_bs32": "rft-llama7b-u13b",
    "openai_6b_finetuning": "gpt3-6b-finetuned",
    "evalgsm8k_few_Llama-2-7b-hf": "Llama-2-7b",
}
"""Files of outputs/gsm8k, and whose answers they hold."""


def source() -> Path:
    """The folder of real data. Raises SystemExit where none is named."""
    if not (named := os.environ.get("REDISTILL_SHARED_DATA")):
        raise SystemExit("set REDISTILL_SHARED_DATA to a folder with gsm8k/ and outputs/gsm8k/")
    return Path(named)


def write(folder: Path, train: int, held_out: int) -> None:
    """Write questions.jsonl (id, question), held_out.jsonl (the answer, too) and the models' answers."""
    given = source()
    lines = (given / "gsm8k/test.jsonl").read_text().splitlines()
    rows = [json.loads(line) | {"id": str(number)} for number, line in enumerate(lines)]
    rows.sort(key=lambda row: len(row["question"]) + len(row["answer"]))
    folder.mkdir(parents=True, exist_ok=True)
    asked = rows[: train + held_out]
    held = asked[:: len(asked) // held_out][:held_out]  # spread, so that both parts are as easy
    taught = [{"id": row["id"], "question": row["question"]} for row in asked if row not in held]
    for name, some in (("questions", taught), ("held_out", held)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    for file in (*STRONGER, *WEAKER):
        with gzip.open(given / "outputs/gsm8k" / f"{file}.jsonl.gz", "rt") as stored:
            (folder / f"{file}.jsonl").write_text(stored.read())
