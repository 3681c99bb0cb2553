"""The engines by name: a new one is its file, its test, and a line here."""

from scripts.lib.engines.base import Engine, Settings
from scripts.lib.engines.openai.engine import OpenAI
from scripts.lib.engines.transformers import Transformers
from scripts.lib.engines.vllm import Vllm
from scripts.lib.errors import UserError, nearest

ENGINES: dict[str, type[Engine]] = {
    "transformers": Transformers,
    "vllm": Vllm,
    "openai": OpenAI,
}
IN_TRAINING = "transformers"
"""The engine of a model that a training asks while it has the GPU."""


def engine_class(name: str) -> type[Engine]:
    """The engine of that name. Raises UserError with the nearest right name."""
    if name not in ENGINES:
        raise UserError(f"engine {name!r} is unknown; {nearest(name, ENGINES)}")
    return ENGINES[name]


def open_engine(model: str, revision: str | None, settings: Settings) -> Engine:
    """The engine that `settings.run` names, for a model folder, hub id or a server's name. Raises
    UserError."""
    return engine_class(settings.run.engine)(model, revision, settings)
