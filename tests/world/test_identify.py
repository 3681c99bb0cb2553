"""Equal weights have one identity, wherever they lie."""

import json
import shutil

import pytest

from scripts.lib.errors import UserError
from scripts.world.identify import main


def test_an_identity_is_of_the_content(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"weights")
    shutil.copytree(model, tmp_path / "copy")
    for name in ("model", "copy"):
        main(tmp_path / name, tmp_path / f"{name}.json")
    assert (tmp_path / "model.json").read_bytes() == (tmp_path / "copy.json").read_bytes()
    assert json.loads((tmp_path / "model.json").read_text())["identity"].startswith("sha256:")
    (model / "model.safetensors").write_bytes(b"others")
    main(model, tmp_path / "model.json")
    assert (tmp_path / "model.json").read_bytes() != (tmp_path / "copy.json").read_bytes()


def test_a_folder_without_weights_is_an_error(tmp_path):
    with pytest.raises(UserError, match="holds no"):
        main(tmp_path, tmp_path / "identity.json")
