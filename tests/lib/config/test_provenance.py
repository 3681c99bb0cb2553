"""What a row resolves to, and who says so."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.lib.config.check import parse
from scripts.lib.config.layers import Layers, layers, over
from scripts.lib.config.provenance import blocks_of, resolved
from scripts.lib.errors import UserError
from scripts.lib.workflow.overview import overview, settings_table
from scripts.lib.workflow.sizes import sized

ROW = {"dataset": "gsm8k", "teacher": "llama3-70b", "student": "llama3-3b", "variant": "ours", "seed": 0}
OWN = """
students:
  llama3-3b: {sampling: {n: 12}}
variants:
  ours: {training: {vf_coef: 0.5}}
"""


@pytest.fixture
def layered(tmp_path: Path) -> Layers:
    own = tmp_path / "own.yaml"
    own.write_text(OWN)
    return layers(Path("config/paper.yaml"), own, max_hours=4)


def values(layered: Layers, row: dict = ROW) -> dict[str, tuple]:
    config = sized(parse(layered.merged()))
    return {".".join(each.path): (each.value, each.origin) for each in resolved(config, layered, row)}


def test_each_value_names_its_file_its_override_or_its_source(layered: Layers, tmp_path: Path) -> None:
    found = values(layered)
    assert found["variants.ours.training.vf_coef"] == (0.5, str(tmp_path / "own.yaml"))
    assert found["students.llama3-3b.sampling.n"] == (12, str(tmp_path / "own.yaml"))
    assert found["students.llama3-3b.sampling.temperatures"][0] == (0.7,)
    assert found["variants.ours.training.batch_size"][0] == 16
    assert found["variants.ours.training.batch_size"][1].startswith("config/paper.yaml: overrides[")
    assert found["rewards.ours.training.gpus"][0] == 4
    assert found["students.llama3-3b.gpus"] == (1, "its size")
    assert found["datasets.gsm8k.prompt"] == ("gsm8k", "config/paper.yaml")
    assert all(origin for _, origin in found.values())


def test_a_row_is_made_of_its_warm_up_and_its_reward_too(layered: Layers) -> None:
    config = parse(layered.merged())
    found = {f"{kind}.{name}" for kind, name in blocks_of(config, ROW)}
    assert {"variants.ours", "variants.wo_r", "rewards.ours", "datasets.gsm8k"} < found
    assert "variants.wo_d" not in found


def test_the_plan_begins_with_models_and_with_what_is_not_the_default(
    layered: Layers, tmp_path: Path
) -> None:
    text = overview(sized(parse(layered.merged())), layered, [ROW])
    assert (
        "teachers.llama3-70b: meta-llama/Meta-Llama-3-70B-Instruct: 70.6e9 parameters, bfloat16, 4 GPUs"
        in text
    )
    assert f"variants.ours: vf_coef 0.5 ({tmp_path / 'own.yaml'})" in " ".join(text.split())
    assert "kl_coef" not in text


def test_the_world_is_told_apart_from_the_defaults() -> None:
    layered = layers(Path("config/world.yaml"))
    row = {"dataset": "world", "teacher": "tiny", "student": "tiny", "variant": "dpo", "seed": 0}
    text = settings_table(sized(parse(layered.merged())), layered, [row, row | {"seed": 1}])
    assert text.count("world / tiny / tiny / dpo") == 1
    assert "  training.learning_rate                0.0001  config/world.yaml" in text.splitlines()


def test_layers_merge_as_snakemake_does() -> None:
    snakemake = pytest.importorskip("snakemake.utils")
    below = {"a": {"b": 1, "c": [1, 2]}, "d": {"e": 1}}
    above = {"a": {"c": [3], "f": {"g": 1}}, "d": 5}
    merged = over(below, above)
    snakemake.update_config(below, above)
    assert merged == below


@pytest.mark.parametrize(
    ("text", "message"), [(None, "name a config file that exists"), ("a: [", "no YAML"), ("- a", "no keys")]
)
def test_a_file_that_is_no_config_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "own.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError, match=f"own.yaml: .*{message}"):
        layers(file)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "variants: {ours: {training: {kl_coeff: 1}}}",
            r"own.yaml: variants\.ours\.training\.kl_coeff: unknown key",
        ),
        ("max_hours: -1", "own.yaml: max_hours: -1"),
        ("datasets: {mine: {queries: a.jsonl, prompt: gsm8k}}", r"own.yaml: datasets\.mine\.task: missing"),
    ],
)
def test_a_mistake_names_the_file_that_it_stands_in(tmp_path: Path, text: str, message: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(text)
    layered = layers(Path("config/paper.yaml"), own)
    with pytest.raises(UserError, match=message):
        parse(layered.merged(), layers=lambda: layered)
