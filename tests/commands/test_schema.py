"""What `make schema` makes is in step with the config's types."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.commands import schema
from scripts.lib.config.whole import Config
from scripts.lib.report import results_file


def test_the_generated_files_are_in_step() -> None:
    assert Path("config/schema.json").read_text(encoding="utf-8") == schema.schema()
    assert schema.keys() in Path("config/README.md").read_text(encoding="utf-8")
    assert schema.RESULTS.read_text(encoding="utf-8") == results_file.schema()


def test_what_stands_around_the_keys_is_kept(tmp_path) -> None:
    start, end = schema.MARKS
    (tmp_path / "README.md").write_text(f"before\n{start}\nformer words\n{end}\nafter\n")
    schema.main(tmp_path, tmp_path / "results.schema.json")
    text = (tmp_path / "README.md").read_text()
    assert (
        text.startswith(f"before\n{start}\n")
        and text.endswith(f"{end}\nafter\n")
        and "former words" not in text
    )
    assert (tmp_path / "schema.json").read_text() == schema.schema()


def test_every_key_has_its_meaning_and_every_default_its_source() -> None:
    whole = Config.model_json_schema()
    silent, unsourced = [], []
    for name, block in {"Config": whole, **whole["$defs"]}.items():
        assert block.get("description"), name
        for key, item in block["properties"].items():
            if not item.get("description"):
                silent.append(f"{name}.{key}")
            if item.get("default") not in (None, "", [], {}) and not item.get("source"):
                unsourced.append(f"{name}.{key}")
    assert (silent, unsourced) == ([], [])
