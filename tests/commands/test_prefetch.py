"""What a study needs from the hub, by name."""

from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml")
pytest.importorskip("pydantic")

from scripts.commands.prefetch import needs  # noqa: E402
from scripts.lib.config.check import parse, rows  # noqa: E402
from scripts.lib.config.whole import used  # noqa: E402
from scripts.lib.errors import UserError  # noqa: E402


def test_a_study_names_its_files_and_models():
    config = parse(yaml.safe_load(Path("config/paper.yaml").read_text()))
    wanted = {" ".join(item) for item in needs(used(config, "table3", rows(config, "table3")))}
    outputs = {item.split()[1] for item in wanted if item.startswith("--output")}
    assert outputs == {
        f"data/{name}.parquet" for name in ("gsm8k_train", "gsm8k_test", "gsm_plus_test", "mmlu_pro_test")
    }
    models = {item.split()[1] for item in wanted if item.startswith("--repo")}
    assert len(models) == 4 and all(name.startswith("meta-llama/") for name in models)
    config.downloads.clear()
    with pytest.raises(UserError, match="is not in `downloads`"):
        needs(used(config, "table3", rows(config, "table3")))
