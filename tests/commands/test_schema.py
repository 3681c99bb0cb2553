"""What `make schema` makes is in step with the config's types."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.commands import schema


def test_the_generated_files_are_in_step() -> None:
    assert Path("config/schema.json").read_text() == schema.schema()
    assert schema.keys() in Path("config/README.md").read_text()


def test_what_stands_around_the_keys_is_kept(tmp_path) -> None:
    start, end = schema.MARKS
    (tmp_path / "README.md").write_text(f"before\n{start}\nformer words\n{end}\nafter\n")
    schema.main(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert (
        text.startswith(f"before\n{start}\n")
        and text.endswith(f"{end}\nafter\n")
        and "former words" not in text
    )
    assert (tmp_path / "schema.json").read_text() == schema.schema()
