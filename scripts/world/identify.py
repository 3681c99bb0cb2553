"""Write down what a checkpoint's weights are, so that equal weights re-run nothing."""

from pathlib import Path

from scripts.lib.models.identity import write_identity
from scripts.lib.process.cli import cli


def main(model: Path, output: Path) -> None:
    """Write the identity of a model folder.

    Args:
        model: folder with safetensors weights, config and tokenizer.
        output: JSON file {"identity": "sha256:...", "files": {name: SHA-256}}.
    """
    write_identity(model, output)


if __name__ == "__main__":
    cli(main)
