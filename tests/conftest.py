"""Fixtures that several tests share."""

import inspect
import os
import re
from importlib.util import find_spec
from pathlib import Path

import hypothesis
import pytest

from scripts.lib.process import signals
from tests.support.tiny import tiny_model

MODELS = ("torch", "transformers", "trl", "vllm", "accelerate", "datasets", "huggingface_hub", "tokenizers")
"""Packages of .venv-gpu."""
ELSEWHERE = (*MODELS, "snakemake", "pydantic", "matplotlib", "alpaca_eval", "lm_eval", "xllamacpp")
"""Packages that only one of the environments has: another one runs the tests that need them."""
NEEDS = rf'pytest\.importorskip\("(?:{"|".join(MODELS)})\b'

hypothesis.settings.register_profile(
    "any machine",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    # Continuous integration draws the same examples each time: what a new one finds is no change's fault.
    derandomize=bool(os.environ.get("CI")),
    database=None if os.environ.get("CI") else hypothesis.settings().database,
)
hypothesis.settings.load_profile("any machine")

# A test that tells its own process to end does not end the tests on a slow machine.
signals.PATIENCE = 3600.0


def pytest_addoption(parser) -> None:
    """`--models-only`: what .venv cannot run, so that two sessions share the tests."""
    parser.addoption("--models-only", action="store_true", help="only the tests that need torch and its kin")


def pytest_collection_modifyitems(config, items) -> None:
    """The campaign and the tests on real data are slow ones: `pytest -m "not slow"` leaves the unit tests."""
    if config.getoption("models_only"):
        needing = {item for item in items if _needs_models(item)}
        config.hook.pytest_deselected(items=[item for item in items if item not in needing])
        items[:] = [item for item in items if item in needing]
    for item in items:
        reasons = [mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif")]
        if item.get_closest_marker("campaign") or any("REDISTILL_SHARED_DATA" in text for text in reasons):
            item.add_marker(pytest.mark.slow)


def _needs_models(item) -> bool:
    module = re.search(rf"^(?:\w+ = )?{NEEDS}", Path(item.path).read_text(encoding="utf-8"), re.MULTILINE)
    return bool("tiny" in item.fixturenames or module or re.search(NEEDS, inspect.getsource(item.function)))


def pytest_terminal_summary(terminalreporter) -> None:
    """With REDISTILL_NO_SKIPS (continuous integration), name the skipped tests that could have run."""
    for reason in _unexcused(terminalreporter):
        terminalreporter.write_line(f"SKIPPED, but it can run here: {reason}", red=True)


def pytest_sessionfinish(session) -> None:
    """With REDISTILL_NO_SKIPS, a skipped test that could have run fails the session."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and _unexcused(reporter) and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _unexcused(reporter) -> list[str]:
    if not os.environ.get("REDISTILL_NO_SKIPS"):
        return []
    reasons = [f"{report.longrepr[0]}: {report.longrepr[2]}" for report in reporter.stats.get("skipped", [])]
    excused = tuple(f"could not import '{name}" for name in ELSEWHERE) + (
        "needs a GPU",
        "needs CUDA",
        "needs root",
    )
    if find_spec("torch") is None:
        excused += ("vllm is not installed",)
    return [reason for reason in reasons if not any(text in reason for text in excused)]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The folder of a tiny random Llama with a tokenizer; skips where torch is absent."""
    pytest.importorskip("torch")
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")
