"""Write config/schema.json and the tables of keys in config/README.md from the config's types, and the schema
of results.json from its own."""

import json
import re
from pathlib import Path

from scripts.lib.config.whole import Config
from scripts.lib.data.files import write_text
from scripts.lib.process.cli import cli
from scripts.lib.report import results_file

RESULTS = Path("scripts/lib/report/results.schema.json")
MARKS = ("<!-- keys: made by `make schema` -->", "<!-- end of keys -->")


def schema() -> str:
    """The JSON schema of the config, for editors."""
    return json.dumps(Config.model_json_schema(), indent=1) + "\n"


def keys() -> str:
    """Markdown: a table of keys, types, defaults, meanings and sources for every block."""
    definitions = Config.model_json_schema()
    blocks = {"Config": definitions, **definitions["$defs"]}
    return "\n".join(_table(name, block) for name, block in blocks.items())


def _table(name: str, block: dict) -> str:
    lines = [
        f"### {name}",
        "",
        " ".join(block.get("description", "").split()),
        "",
        "| key | type | default | meaning | source |",
        "|---|---|---|---|---|",
    ]
    for key, item in block.get("properties", {}).items():
        default = f"`{json.dumps(item['default'])}`" if "default" in item else "that block's own"
        default = "`{}`" if "default" not in item and "additionalProperties" in item else default
        if key in block.get("required", []):
            default = "required"
        cells = (f"`{key}`", _type(item), default, item.get("description", ""), item.get("source", ""))
        lines.append(f"| {' | '.join(' '.join(cell.split()) for cell in cells)} |")
    return "\n".join([*lines, ""])


def _type(item: dict) -> str:
    if "$ref" in item:
        return item["$ref"].rsplit("/", 1)[-1]
    if "const" in item:
        return f"`{item['const']}`"
    if "enum" in item:
        return " or ".join(f"`{value}`" for value in item["enum"])
    if "anyOf" in item or "oneOf" in item:
        return " or ".join(_type(part) for part in item.get("anyOf") or item["oneOf"])
    if item.get("type") == "array":
        return f"list of {_type(item.get('items', {}))}"
    if item.get("type") == "object" and isinstance(item.get("additionalProperties"), dict):
        return f"names to {_type(item['additionalProperties'])}"
    return item.get("type", "any")


def main(folder: Path = Path("config"), results: Path = RESULTS) -> None:
    """Regenerate the generated files.

    Args:
        folder: where schema.json and README.md lie.
        results: the schema of results.json.
    """
    write_text(schema(), folder / "schema.json")
    write_text(results_file.schema(), results)
    readme = folder / "README.md"
    start, end = map(re.escape, MARKS)
    text = re.sub(
        f"{start}.*{end}",
        lambda _: f"{MARKS[0]}\n\n{keys()}\n{MARKS[1]}",
        readme.read_text(),
        flags=re.DOTALL,
    )
    write_text(text, readme)


if __name__ == "__main__":
    cli(main)
