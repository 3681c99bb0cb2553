"""Fixtures that several tests share."""

import os
from importlib.util import find_spec

import pytest

from tests.tiny import tiny_model

ELSEWHERE = ("torch", "transformers", "trl", "vllm", "accelerate", "snakemake", "pydantic", "matplotlib")
ELSEWHERE += ("alpaca_eval", "lm_eval", "datasets", "huggingface_hub", "tokenizers")
"""Packages that only one of the environments has: another one runs the tests that need them."""


def pytest_collection_modifyitems(items) -> None:
    """Tests on real data are slow ones: `pytest -m "not slow"` leaves the unit tests."""
    for item in items:
        if any(
            "REDISTILL_SHARED_DATA" in mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif")
        ):
            item.add_marker(pytest.mark.slow)


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
