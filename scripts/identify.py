"""Write down what a checkpoint's weights are, so that equal weights re-run nothing."""

import json
from pathlib import Path

from scripts.lib.errors import cli
from scripts.lib.models import identity


def main(model: Path, output: Path) -> None:
    """Write the identity of a model folder.

    Args:
        model: folder with safetensors weights, config and tokenizer.
        output: JSON file {"identity": "sha256:..."}.
    """
    output.write_text(json.dumps({"identity": identity(str(model), None)}) + "\n")


if __name__ == "__main__":
    cli(main)
