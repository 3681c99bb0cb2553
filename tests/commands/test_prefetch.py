"""What a study needs from the hub, by name."""

from pathlib import Path

import pytest

pytest.importorskip("pydantic")

from scripts.commands.prefetch import needs
from scripts.lib.config.check import parse, rows
from scripts.lib.config.layers import read
from scripts.lib.config.whole import used
from scripts.lib.errors import UserError


def test_a_study_names_its_files_and_models():
    config = parse(read(Path("config/paper.yaml")))
    wanted = {" ".join(item) for item in needs(used(config, "table3", rows(config, "table3")))}
    names = ("gsm8k_train", "gsm8k_test", "gsm_plus_test", "mmlu_pro_test", "mmlu_pro_validation")
    outputs = {item.split()[1] for item in wanted if item.startswith("--output")}
    assert outputs == {f"data/{name}.parquet" for name in names}
    models = {item.split()[1] for item in wanted if item.startswith("--repo")}
    assert len(models) == 4 and all(name.startswith("meta-llama/") for name in models)
    config.downloads.clear()
    with pytest.raises(UserError, match="is not in `downloads`"):
        needs(used(config, "table3", rows(config, "table3")))
